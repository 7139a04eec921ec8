import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import { FeedCause } from '../src/gen/bodega/inventory/v1/feed_pb';
import type { Item } from '../src/gen/bodega/inventory/v1/item_pb';
import { minorToDecimal } from '../src/ui/format';
import type { World } from './world';

const endings: Record<string, { stage: string; verdict: string; rule: string; detail: string; fix: string }> = {
  predicted_out_of_stock: { stage: 'availability', verdict: 'hidden', rule: 'availability.shelf', detail: 'Five shoppers looked for it since Monday and none found it; the chance that the next one does is 14%.', fix: 'Check the shelf, then send an availability feed or report that it was found.' },
  merchant_out_of_stock: { stage: 'availability', verdict: 'hidden', rule: 'availability.feed', detail: 'The column in_stock says “no” in the newest feed.', fix: 'Send an availability feed once it is back.' },
  delisted: { stage: 'apply', verdict: 'hidden', rule: 'apply.absent', detail: 'The newest full feed has 640 rows for this store and none of them names this item.', fix: 'Put the item back into the full feed.' },
  no_good_price: { stage: 'price', verdict: 'hidden', rule: 'price.missing', detail: 'The column retail is empty, and no earlier price is younger than 30 days.', fix: 'Send a price for it in the next feed.' },
};

/** An item's story as the server would tell it. */
export function story(world: World, item: Item) {
  const feed = world.feeds.find((one) => one.feedId === item.feedId);
  const at = timestampMs(item.updatedAt!);
  const hold = world.holds.find((one) => one.holdId === item.holdId);
  const price = item.priceMinor === undefined ? '' : minorToDecimal(item.priceMinor, item.currency);
  const stages = [
    { stage: 'intake', verdict: 'passed', rule: '', detail: `${feed?.fileName} came with 96 bytes per row and the expected checksum.`, fix: '' },
    { stage: 'read', verdict: 'passed', rule: 'read.csv', detail: `Row ${item.row} has all 9 columns.`, fix: '' },
    { stage: 'normalize', verdict: 'changed', rule: 'normalize.size', detail: `The size “${item.size.toUpperCase()}” became “${item.size}”.`, fix: '' },
    { stage: 'hydrate', verdict: 'changed', rule: 'hydrate.catalogue', detail: 'Brand and category were filled in from the catalogue by its barcode.', fix: '' },
    { stage: 'price', verdict: 'passed', rule: 'price.retail', detail: price ? `The price is ${price} ${item.currency}.` : 'No price came.', fix: '' },
    { stage: 'availability', verdict: 'passed', rule: 'availability.shelf', detail: `Shoppers find it ${Math.round(item.availability * 100)}% of the time.`, fix: '' },
    ...(hold ? [{ stage: 'guard', verdict: 'held', rule: `guard.${hold.guard}`, detail: hold.detail, fix: 'Approve or discard it under Holds.' }] : [{ stage: 'guard', verdict: 'passed', rule: 'guard.price_jump_previous', detail: 'The price moved by less than the store’s limit.', fix: '' }]),
    { stage: 'publish', verdict: item.shown ? 'passed' : 'skipped', rule: '', detail: item.shown ? 'It is on the menu that shoppers see now.' : 'It is left out of the menu.', fix: '' },
  ];
  const ending = endings[item.hiddenReason];
  if (ending) {
    const index = stages.findIndex((stage) => stage.stage === ending.stage);
    stages.splice(index < 0 ? stages.length - 1 : index, index < 0 ? 0 : 1, ending);
  }
  return {
    item,
    hold,
    fileName: feed?.fileName ?? '',
    stages: stages.map((stage, index) => ({ ...stage, feedId: item.feedId, row: index < 3 ? item.row : 0n, at: timestampFromMs(at + index * 120) })),
    source: [
      { field: 'sku', value: item.itemId }, { field: 'description', value: item.name.toUpperCase() }, { field: 'retail', value: price }, { field: 'upc', value: item.gtin },
      { field: 'pack', value: item.size.toUpperCase() }, { field: 'in_stock', value: item.hiddenReason === 'merchant_out_of_stock' ? 'no' : 'yes' }, { field: 'dept', value: '' },
    ],
    changes: [0, 1, 2, 3].map((step) => ({
      at: timestampFromMs(at - step * 26 * 3600_000), feedId: item.feedId, cause: step === 2 ? FeedCause.SIGNAL : FeedCause.FEED, row: item.row,
      shown: step === 0 ? item.shown : true, hiddenReason: step === 0 ? item.hiddenReason : '', priceMinor: item.priceMinor === undefined ? undefined : item.priceMinor - BigInt(step * 10),
    })),
  };
}
