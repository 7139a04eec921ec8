import type { Hold } from '../gen/bodega/inventory/v1/item_pb';
import { quantile } from '../charts/scale';
import { countOf } from '../ui/format';

/** What deciding these holds would do, in words, before anybody does it. */
export function summarizeHolds(holds: readonly Hold[]): { headline: string; approve: string; discard: string } {
  const stores = new Set(holds.map((hold) => `${hold.merchantId}/${hold.storeId}`));
  const prices = holds.filter((hold) => hold.itemId !== '');
  const removals = holds.filter((hold) => hold.itemId === '').reduce((sum, hold) => sum + Number(hold.removals), 0);
  const ratios = prices
    .flatMap((hold) => (hold.beforeMinor && hold.afterMinor !== undefined ? [Number(hold.afterMinor) / Number(hold.beforeMinor)] : []))
    .sort((a, b) => a - b);
  const effects: string[] = [];
  if (prices.length > 0) {
    const middle = ratios.length > 0 ? ` (typically ${ratioText(quantile(ratios, 0.5))})` : '';
    effects.push(`changes ${countOf(prices.length, 'price')}${middle}`);
  }
  if (removals > 0) effects.push(`delists ${countOf(removals, 'item')}`);
  return {
    headline: `${countOf(holds.length, 'hold')} in ${countOf(stores.size, 'store')}`,
    approve: `Approving ${effects.join(' and ')}.`,
    discard: `Discarding keeps ${holds.length === 1 ? 'it' : 'them'} as shoppers see ${holds.length === 1 ? 'it' : 'them'} now.`,
  };
}

/** How far a price moved, as people say it: ×100, ÷10, +4%. */
export function ratioText(ratio: number): string {
  if (ratio >= 3) return `×${Math.round(ratio)}`;
  if (ratio > 0 && ratio <= 1 / 3) return `÷${Math.round(1 / ratio)}`;
  const percent = (ratio - 1) * 100;
  return `${percent >= 0 ? '+' : '−'}${Math.abs(percent).toFixed(0)}%`;
}
