import { Progress } from '@mantine/core';
import { FeedStatus, type Feed } from '../gen/bodega/inventory/v1/feed_pb';
import { formatCount, formatDuration } from '../ui/format';
import { surface } from '../ui/surface';
import { readable } from '../ui/words';

/** How far a feed has come, in rows, with its rate and the time left. */
export function FeedProgressBar({ feed }: { feed: Feed }) {
  const { progress } = feed;
  const done = Number(progress?.rowsDone ?? 0n);
  const total = Number(progress?.rowsTotal ?? 0n);
  const share = total > 0 ? Math.min(done / total, 1) * 100 : 0;
  const queued = feed.status === FeedStatus.QUEUED;
  const phase = queued ? 'Waiting for its turn' : readable(progress?.phase ?? 'running');
  const numbers = total > 0 ? `${formatCount(done)} of ${formatCount(total)} rows` : done > 0 ? `${formatCount(done)} rows so far` : '';
  const rate = progress && progress.rowsPerSecond > 0 ? `${formatCount(Math.round(progress.rowsPerSecond))} rows/s` : '';
  const left = progress && progress.etaMs > 0n ? `${formatDuration(progress.etaMs)} left` : '';
  return (
    <div>
      <Progress.Root size={8} aria-label={undefined}>
        <Progress.Section
          value={share}
          striped={total === 0 && !queued}
          animated={total === 0 && !queued}
          aria-label={`Progress of ${feed.fileName || 'the feed'}`}
          aria-valuetext={[phase, numbers].filter(Boolean).join(', ')}
        />
      </Progress.Root>
      <div className={surface.second} style={{ marginTop: 4, display: 'flex', justifyContent: 'space-between', gap: 12, flexWrap: 'wrap' }}>
        <span>{phase}</span>
        <span className="tabular">{[numbers, rate, left].filter(Boolean).join(' · ')}</span>
      </div>
    </div>
  );
}
