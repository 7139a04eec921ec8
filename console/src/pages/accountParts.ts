import type { Part } from '../charts/parts';
import type { FeedAccount } from '../gen/bodega/inventory/v1/feed_pb';

/** The parts that a feed's rows fall into; they add up to the rows read. */
export function accountParts(account: FeedAccount): Part[] {
  return [
    { label: 'Applied', value: Number(account.applied), tone: 'ok' },
    { label: 'Unchanged', value: Number(account.unchanged), tone: 'quiet' },
    { label: 'Stale', value: Number(account.stale), tone: 'quiet', faint: true },
    { label: 'Held', value: Number(account.held), tone: 'warn' },
    { label: 'Rejected', value: Number(account.rejected), tone: 'bad' },
    { label: 'Duplicates', value: Number(account.duplicates), tone: 'info' },
  ];
}
