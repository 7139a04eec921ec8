import { FeedCause, FeedKind, FeedStatus } from '../gen/bodega/inventory/v1/feed_pb';
import type { Item } from '../gen/bodega/inventory/v1/item_pb';
import { Role } from '../gen/bodega/identity/v1/identity_pb';

/** What a state means to a person; the colour, the icon and the word always go together. */
export type Tone = 'ok' | 'warn' | 'bad' | 'info' | 'quiet';

export interface Word {
  label: string;
  tone: Tone;
}

/** Turns an unknown code such as "price_jump" into readable text. */
export function readable(code: string): string {
  const spaced = code.replaceAll('_', ' ').trim();
  return spaced === '' ? '' : spaced[0]!.toUpperCase() + spaced.slice(1);
}

const hiddenReasons: Record<string, { label: string; sentence: string }> = {
  merchant_out_of_stock: {
    label: 'Merchant says out of stock',
    sentence: 'Hidden because the merchant’s own feed says that it is out of stock.',
  },
  predicted_out_of_stock: {
    label: 'Predicted out of stock',
    sentence: 'Hidden because shoppers would probably not find it on the shelf.',
  },
  delisted: {
    label: 'No longer in the feed',
    sentence: 'Hidden because the newest full feed no longer names it.',
  },
  no_good_price: {
    label: 'No good price known',
    sentence: 'Hidden because no price that can be trusted is known for it.',
  },
};

export function hiddenReasonLabel(reason: string): string {
  return hiddenReasons[reason]?.label ?? readable(reason);
}

export function hiddenReasonSentence(reason: string): string {
  return hiddenReasons[reason]?.sentence ?? `Hidden because of: ${readable(reason).toLowerCase()}.`;
}

export function itemWord(item: Item): Word {
  if (item.shown) return item.holdId ? { label: 'Shown, change held', tone: 'warn' } : { label: 'Shown', tone: 'ok' };
  return { label: hiddenReasonLabel(item.hiddenReason), tone: item.hiddenReason === 'no_good_price' && item.holdId ? 'warn' : 'bad' };
}

const guards: Record<string, string> = {
  zero_price: 'Zero or less',
  below_floor: 'Below the merchant’s floor',
  above_ceiling: 'Above the merchant’s ceiling',
  currency_changed: 'Currency changed',
  price_jump_previous: 'Moved too far at once',
  price_off_median: 'Far from other stores’ price',
  power_of_ten: 'Decimal point slipped?',
  removals_truncated: 'The file was cut off',
  too_many_absent: 'Too many items missing at once',
};

export function guardLabel(guard: string): string {
  return guards[guard] ?? readable(guard);
}

const verdicts: Record<string, Word> = {
  passed: { label: 'Passed', tone: 'ok' },
  changed: { label: 'Changed', tone: 'info' },
  warned: { label: 'Warned', tone: 'warn' },
  held: { label: 'Held', tone: 'warn' },
  rejected: { label: 'Rejected', tone: 'bad' },
  hidden: { label: 'Hidden', tone: 'bad' },
  skipped: { label: 'Skipped', tone: 'quiet' },
};

export function verdictWord(verdict: string): Word {
  return verdicts[verdict] ?? { label: readable(verdict), tone: 'quiet' };
}

const stages: Record<string, string> = {
  intake: 'Intake',
  read: 'Read',
  normalize: 'Normalize',
  hydrate: 'Fill in from the catalogue',
  price: 'Price',
  availability: 'Availability',
  guard: 'Guard',
  apply: 'Apply',
  publish: 'Publish',
};

export function stageLabel(stage: string): string {
  return stages[stage] ?? readable(stage);
}

export function feedStatusWord(status: FeedStatus): Word {
  switch (status) {
    case FeedStatus.QUEUED:
      return { label: 'Queued', tone: 'quiet' };
    case FeedStatus.RUNNING:
      return { label: 'Running', tone: 'info' };
    case FeedStatus.DONE:
      return { label: 'Done', tone: 'ok' };
    case FeedStatus.FAILED:
      return { label: 'Failed', tone: 'bad' };
    case FeedStatus.CANCELED:
      return { label: 'Canceled', tone: 'quiet' };
    default:
      return { label: 'Unknown', tone: 'quiet' };
  }
}

export function hasEnded(status: FeedStatus): boolean {
  return status === FeedStatus.DONE || status === FeedStatus.FAILED || status === FeedStatus.CANCELED;
}

export function feedKindLabel(kind: FeedKind): string {
  switch (kind) {
    case FeedKind.FULL:
      return 'Full';
    case FeedKind.DELTA:
      return 'Delta';
    case FeedKind.AVAILABILITY:
      return 'Availability';
    default:
      return '–';
  }
}

export function feedCauseLabel(cause: FeedCause): string {
  switch (cause) {
    case FeedCause.FEED:
      return 'Feed';
    case FeedCause.CATALOG:
      return 'Catalogue';
    case FeedCause.SETTINGS:
      return 'Price settings';
    case FeedCause.SIGNAL:
      return 'Shopper signal';
    case FeedCause.OPERATOR:
      return 'Operator';
    case FeedCause.SCHEDULE:
      return 'Schedule';
    case FeedCause.ROLLBACK:
      return 'Rollback';
    default:
      return '–';
  }
}

export function roleLabel(role: Role): string {
  return readable((Role[role] ?? '').toLowerCase());
}

export function holdStateWord(state: string): Word {
  switch (state) {
    case 'open':
      return { label: 'Open', tone: 'warn' };
    case 'approved':
      return { label: 'Approved', tone: 'ok' };
    case 'discarded':
      return { label: 'Discarded', tone: 'quiet' };
    default:
      return { label: readable(state), tone: 'quiet' };
  }
}
