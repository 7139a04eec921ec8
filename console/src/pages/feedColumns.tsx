import { feedAddress } from '../app/addresses';
import { FeedStatus, type Feed } from '../gen/bodega/inventory/v1/feed_pb';
import { FileName, When } from '../ui/atoms';
import type { Column } from '../ui/DataTable';
import { formatBytes, formatCount, formatDuration, formatShare, shortenId, toDate } from '../ui/format';
import { State } from '../ui/surface';
import { feedCauseLabel, feedKindLabel, feedStatusWord, type Word } from '../ui/words';

/** Done, but with something that a person should see, is not simply done. */
export function feedWord(feed: Feed): Word {
  if (feed.status === FeedStatus.RUNNING && feed.progress && feed.progress.rowsTotal > 0n) {
    return { label: `Running ${formatShare(feed.progress.rowsDone, feed.progress.rowsTotal)}`, tone: 'info' };
  }
  if (feed.truncated) return { label: 'Truncated', tone: 'bad' };
  if (feed.status === FeedStatus.DONE && feed.account && feed.account.rejected > 0n) return { label: 'Some rejected', tone: 'warn' };
  return feedStatusWord(feed.status);
}

export function feedColumns(withCause: boolean): Column<Feed>[] {
  const count = (key: string, title: string, pick: (feed: Feed) => bigint | undefined, optional = false): Column<Feed> => ({
    key, title, width: 78, align: 'end', value: pick, phone: false, optional,
    cell: (feed) => {
      const value = pick(feed);
      return value === undefined ? '–' : formatCount(value);
    },
  });
  return [
    {
      key: 'file', title: 'File', width: 240, grow: 4, value: (feed) => feed.fileName || feed.feedId,
      cell: (feed) => <a tabIndex={-1} href={feedAddress(feed)}><FileName name={feed.fileName || shortenId(feed.feedId)} /></a>,
    },
    { key: 'status', title: 'Status', width: 140, value: (feed) => feedWord(feed).label, cell: (feed) => <State word={feedWord(feed)} title={feed.error || undefined} /> },
    { key: 'merchant', title: 'Merchant', width: 134, value: (feed) => feed.merchantName || feed.merchantId, phone: false },
    { key: 'store', title: 'Store', width: 90, value: (feed) => feed.storeId || 'Many', optional: true },
    { key: 'kind', title: 'Kind', width: 100, value: (feed) => feedKindLabel(feed.kind), phone: false },
    ...(withCause ? [{ key: 'cause', title: 'Cause', width: 120, value: (feed: Feed) => feedCauseLabel(feed.cause), phone: false }] : []),
    count('read', 'Rows', (feed) => feed.account?.rowsRead),
    count('applied', 'Applied', (feed) => feed.account?.applied),
    count('unchanged', 'Unchanged', (feed) => feed.account?.unchanged, true),
    count('held', 'Held', (feed) => feed.account?.held),
    count('rejected', 'Rejected', (feed) => feed.account?.rejected),
    count('removed', 'Removed', (feed) => feed.account?.removed, true),
    {
      key: 'submitted', title: 'Submitted', width: 140, value: (feed) => toDate(feed.submittedAt)?.toISOString(), phone: false,
      cell: (feed) => <When at={feed.submittedAt} />,
    },
    { key: 'took', title: 'Took', width: 80, align: 'end', value: (feed) => feed.durationMs, cell: (feed) => (feed.durationMs > 0n ? formatDuration(feed.durationMs) : '–'), phone: false },
    { key: 'size', title: 'Size', width: 90, align: 'end', value: (feed) => feed.sizeBytes, cell: (feed) => formatBytes(feed.sizeBytes), optional: true },
    { key: 'id', title: 'Feed id', width: 170, value: (feed) => feed.feedId, cell: (feed) => <code>{shortenId(feed.feedId)}</code>, optional: true },
  ];
}
