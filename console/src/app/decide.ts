import type { InfiniteData } from '@tanstack/react-query';
import { api } from '../api/clients';
import { idempotencyKey } from '../api/session';
import type { GetTodayResponse } from '../gen/bodega/inventory/v1/console_pb';
import { Decision, type Hold, type HoldSkipped, type ListHoldsResponse } from '../gen/bodega/inventory/v1/item_pb';
import { countOf } from '../ui/format';
import { toast, toastProblem } from '../ui/toast';
import { queryClient, refreshInventory } from './queries';

// The most that one request may name.
const batch = 5000;

/** Decides holds at once on the page and then at the server, and offers to take it back. */
export async function decideHolds(holds: readonly Hold[], decision: Decision.APPROVE | Decision.DISCARD): Promise<void> {
  const verb = decision === Decision.APPROVE ? 'Approved' : 'Discarded';
  hideDecided(holds);
  let decided = 0;
  const skipped: HoldSkipped[] = [];
  try {
    for (let start = 0; start < holds.length; start += batch) {
      const answer = await api().items.decideHolds({
        holds: holds.slice(start, start + batch).map(({ holdId, afterMinor }) => ({ holdId, afterMinor })),
        decision,
        idempotencyKey: idempotencyKey(),
      });
      decided += Number(answer.decided);
      skipped.push(...answer.skipped);
    }
  } catch (error) {
    toastProblem(error);
  }
  if (decided > 0 || skipped.length > 0) {
    const untouched = new Set(skipped.map((one) => one.holdId));
    const done = holds.filter((hold) => !untouched.has(hold.holdId)).slice(0, decided);
    toast({
      tone: skipped.length > 0 ? 'warn' : 'ok',
      title: `${verb} ${countOf(decided, 'hold')}`,
      detail: describeSkipped(skipped),
      undo: done.length > 0 ? () => void reopen(done.map((hold) => hold.holdId)) : undefined,
    });
  }
  refreshInventory();
}

async function reopen(holdIds: string[]): Promise<void> {
  let reopened = 0;
  const skipped: HoldSkipped[] = [];
  try {
    for (let start = 0; start < holdIds.length; start += batch) {
      const answer = await api().items.reopenHolds({ holdIds: holdIds.slice(start, start + batch), idempotencyKey: idempotencyKey() });
      reopened += Number(answer.reopened);
      skipped.push(...answer.skipped);
    }
    toast({ tone: skipped.length > 0 ? 'warn' : 'ok', title: `${countOf(reopened, 'hold')} open again`, detail: describeSkipped(skipped) });
  } catch (error) {
    toastProblem(error);
  }
  refreshInventory();
}

/** "2 left alone: the price has changed since." names each reason once, with its count. */
export function describeSkipped(skipped: readonly HoldSkipped[]): string | undefined {
  if (skipped.length === 0) return undefined;
  const reasons = new Map<string, number>();
  for (const { reason } of skipped) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  return `${skipped.length} left alone: ${[...reasons].map(([reason, count]) => (reasons.size > 1 ? `${reason} (${count})` : reason)).join('; ')}`;
}

/** Takes decided holds off every list that is on the page; the next read brings the truth. */
function hideDecided(decided: readonly Hold[]): void {
  const ids = new Set(decided.map((hold) => hold.holdId));
  const byFeed = new Map<string, Hold[]>();
  for (const hold of decided) {
    const group = byFeed.get(hold.feedId);
    if (group) group.push(hold);
    else byFeed.set(hold.feedId, [hold]);
  }
  const open = (hold: Hold) => !ids.has(hold.holdId);
  const of = (name: string) => ({ predicate: ({ queryKey }: { queryKey: readonly unknown[] }) => queryKey[1] === name });
  queryClient.setQueriesData<InfiniteData<ListHoldsResponse>>(of('holds'), (data) =>
    data && {
      ...data,
      pages: data.pages.map((page) => {
        const holds = page.holds.filter(open);
        return { ...page, holds, openTotal: page.openTotal - BigInt(page.holds.length - holds.length) };
      }),
    },
  );
  queryClient.setQueriesData<Hold[]>(of('feed-holds'), (data) => data?.filter(open));
  queryClient.setQueriesData<GetTodayResponse>(of('today'), (data) => {
    if (!data) return data;
    const heldFeeds = data.heldFeeds.flatMap((held) => {
      const gone = byFeed.get(held.feedId);
      if (!gone) return [held];
      const left = held.holds - BigInt(gone.length);
      const prices = gone.filter((hold) => hold.itemId !== '').length;
      const removals = gone.reduce((sum, hold) => sum + hold.removals, 0n);
      return left > 0n ? [{ ...held, holds: left, prices: held.prices - BigInt(prices), removals: held.removals - removals }] : [];
    });
    const openHolds = data.openHolds - BigInt(decided.length);
    return { ...data, holds: data.holds.filter(open), heldFeeds, openHolds: openHolds > 0n ? openHolds : 0n };
  });
}
