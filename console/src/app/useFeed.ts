import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { api } from '../api/clients';
import { hasEnded } from '../ui/words';
import { feedQuery, queryClient, refreshInventory } from './queries';

// Waits between attempts to open the stream again; the last repeats.
const waitsMs = [500, 1000, 2000, 5000, 10_000];

/**
 * A feed as it stands, moved on by the server's stream until it has ended. A
 * stream that breaks is opened again; what was shown stays.
 */
export function useFeed(feedId: string) {
  const query = useQuery(feedQuery(feedId));
  const [live, setLive] = useState(false);
  const known = query.data !== undefined;
  const ended = query.data ? hasEnded(query.data.status) : false;

  useEffect(() => {
    if (!known || ended) return;
    const abort = new AbortController();
    const key = feedQuery(feedId).queryKey;
    void (async () => {
      for (let attempt = 0; !abort.signal.aborted; attempt++) {
        try {
          for await (const { feed } of api().feeds.watchFeed({ feedId }, { signal: abort.signal })) {
            if (!feed) continue;
            attempt = 0;
            setLive(true);
            queryClient.setQueryData(key, feed);
            if (hasEnded(feed.status)) {
              setLive(false);
              refreshInventory();
              return;
            }
          }
        } catch {
          // Fall through: the stream is opened again below, and the feed is
          // read once more in between, which also shows a lasting problem.
        }
        if (abort.signal.aborted) return;
        setLive(false);
        await new Promise((resolve) => setTimeout(resolve, waitsMs[Math.min(attempt, waitsMs.length - 1)]));
        if (!abort.signal.aborted) await queryClient.invalidateQueries({ queryKey: key });
      }
    })();
    return () => abort.abort();
  }, [feedId, known, ended]);

  return { ...query, live };
}
