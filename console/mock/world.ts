import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Role } from '../src/gen/bodega/identity/v1/identity_pb';
import { FeedAccountSchema, FeedCause, FeedKind, FeedSchema, FeedStatus, RejectSchema, type Feed, type Reject } from '../src/gen/bodega/inventory/v1/feed_pb';
import { HoldSchema, ItemSchema, type Hold, type Item } from '../src/gen/bodega/inventory/v1/item_pb';
import { MerchantSchema, StoreSchema, type Merchant, type Store } from '../src/gen/bodega/inventory/v1/merchant_pb';
import { seeded } from './random';

const hour = 3600_000;

export interface World {
  merchants: Merchant[];
  stores: Store[];
  items: Item[];
  feeds: Feed[];
  holds: Hold[];
  rejects: Map<string, Reject[]>;
}

const shelves: Record<string, { brands: string[]; things: string[]; sizes: string[]; from: number; to: number }> = {
  'Drinks > Soft drinks': { brands: ['Fizzwell', 'Northpop', 'Citrona'], things: ['Cola', 'Lemonade', 'Ginger ale', 'Orange soda', 'Tonic water'], sizes: ['355 ml', '500 ml', '2 l', '6 x 355 ml'], from: 149, to: 799 },
  'Drinks > Water': { brands: ['Clearbrook', 'Alpa'], things: ['Still water', 'Sparkling water', 'Lime sparkling water'], sizes: ['500 ml', '1.5 l', '12 x 500 ml'], from: 99, to: 899 },
  'Drinks > Coffee and tea': { brands: ['Morrow', 'Tealeaf & Daughters'], things: ['Ground coffee', 'Espresso beans', 'Breakfast tea', 'Peppermint tea'], sizes: ['250 g', '500 g', '20 bags'], from: 399, to: 1499 },
  'Snacks > Chips': { brands: ['Crackle', 'Tuber Bros', 'Salt Harbour'], things: ['Sea salt chips', 'Paprika chips', 'Vinegar chips', 'Corn chips'], sizes: ['45 g', '150 g', '300 g'], from: 179, to: 599 },
  'Snacks > Chocolate': { brands: ['Velours', 'Cocoa Yard'], things: ['Milk chocolate', 'Dark chocolate 70%', 'Hazelnut bar', 'Almond bar'], sizes: ['45 g', '100 g'], from: 149, to: 549 },
  'Produce > Fruit': { brands: ['', 'Valley Pick'], things: ['Bananas', 'Gala apples', 'Blueberries', 'Lemons', 'Avocado', 'Seedless grapes'], sizes: ['per kg', 'each', '250 g'], from: 69, to: 699 },
  'Produce > Vegetables': { brands: ['', 'Valley Pick'], things: ['Carrots', 'Tomatoes on the vine', 'Baby spinach', 'Cucumber', 'Red onions'], sizes: ['per kg', 'each', '200 g'], from: 89, to: 549 },
  'Dairy and eggs': { brands: ['Meadowgate', 'Plain Farm'], things: ['Whole milk', 'Oat drink', 'Butter', 'Greek yoghurt', 'Free-range eggs', 'Mature cheddar'], sizes: ['250 g', '500 g', '1 l', '12'], from: 219, to: 999 },
  Bakery: { brands: ['Stone Oven', 'Corner Bake'], things: ['Sourdough loaf', 'Bagels', 'Croissant', 'Seeded rolls'], sizes: ['each', '4', '6', '500 g'], from: 129, to: 699 },
  Household: { brands: ['Brite', 'Everday'], things: ['Dish soap', 'Paper towels', 'Laundry detergent', 'AA batteries'], sizes: ['2', '6', '750 ml', '1.5 l'], from: 299, to: 1899 },
};

const chains = [
  { id: 'corner', name: 'Corner & Co.', currency: 'USD', items: 640, places: ['Market Street', 'Ferry Dock', 'Union Square', 'Elm & 4th', 'College Hill'], region: 'us-west' },
  { id: 'verdure', name: 'Verdure Market', currency: 'CAD', items: 920, places: ['Granville', 'Kitsilano', 'Old Mill', 'Harbourfront'], region: 'ca-west' },
  { id: 'kiosk24', name: 'Kiosk 24', currency: 'AUD', items: 380, places: ['Central', 'Bondi Road', 'Airport T2'], region: 'au-east' },
];

/** Makes the whole stand-in marketplace from a seed; every figure in it is invented. */
export function makeWorld(nowMs: number, scale = 1): World {
  const random = seeded(20261124);
  const world: World = { merchants: [], stores: [], items: [], feeds: [], holds: [], rejects: new Map() };
  for (const chain of chains) {
    world.merchants.push(create(MerchantSchema, { merchantId: chain.id, name: chain.name, currency: chain.currency, storeCount: chain.places.length, mappingName: `${chain.id}-csv` }));
    chain.places.forEach((place, index) => {
      const store = create(StoreSchema, {
        merchantId: chain.id, storeId: String(index + 1), name: place, region: chain.region, settings: { inflationBasisPoints: index === 1 ? 250 : 0, roundToMinor: 0 },
        menuVersion: BigInt(40 + random.int(80)), lastFeedAt: timestampFromMs(nowMs - random.int(5 * hour)), merchantName: chain.name, currency: chain.currency,
        late: chain.id === 'kiosk24' && index === 2,
      });
      if (store.late) store.lastFeedAt = timestampFromMs(nowMs - 31 * hour);
      world.stores.push(store);
    });
  }
  addFeeds(world, nowMs, random);
  for (const chain of chains) {
    for (const store of world.stores.filter((one) => one.merchantId === chain.id)) addItems(world, store, Math.round(chain.items * scale), nowMs, random);
  }
  for (const store of world.stores) recount(world, store);
  return world;
}

export function recount(world: World, store: Store): void {
  const own = world.items.filter((item) => item.merchantId === store.merchantId && item.storeId === store.storeId);
  store.items = BigInt(own.length);
  store.shown = BigInt(own.filter((item) => item.shown).length);
  store.hidden = store.items - store.shown;
  store.held = BigInt(world.holds.filter((hold) => hold.state === 'open' && hold.merchantId === store.merchantId && hold.storeId === store.storeId && hold.itemId).length);
}

function addItems(world: World, store: Store, count: number, nowMs: number, random: ReturnType<typeof seeded>): void {
  const feed = world.feeds.find((one) => one.merchantId === store.merchantId && one.status === FeedStatus.DONE)!;
  const emptying = store.merchantId === 'corner' && store.storeId === '4';
  const names = Object.keys(shelves);
  for (let index = 0; index < count; index++) {
    const category = names[index % names.length]!;
    const shelf = shelves[category]!;
    const brand = random.pick(shelf.brands);
    const size = random.pick(shelf.sizes);
    const price = BigInt(Math.round((shelf.from + random.next() * (shelf.to - shelf.from)) / 10) * 10 - 1);
    const item = create(ItemSchema, {
      merchantId: store.merchantId, storeId: store.storeId, itemId: `${store.merchantId.slice(0, 2).toUpperCase()}-${10000 + index}`,
      name: [brand, random.pick(shelf.things)].filter(Boolean).join(' '), brand, category, size, gtin: `07${String(41000000000 + index * 37).padStart(12, '0')}`,
      shown: true, priceMinor: price, currency: store.currency, pricePer: size === 'per kg' ? 'kg' : 'each', availability: 0.72 + random.next() * 0.28,
      updatedAt: timestampFromMs(nowMs - random.int(20 * hour)), feedId: feed.feedId, row: BigInt(index + 2), storeName: store.name, merchantName: store.merchantName,
    });
    if (random.next() < 0.06) item.regularPriceMinor = price + BigInt(20 + random.int(150));
    const fate = random.next();
    if (emptying ? fate < 0.71 : fate < 0.03) hide(item, 'predicted_out_of_stock', 0.08 + random.next() * 0.2);
    else if (fate < (emptying ? 0.75 : 0.055)) hide(item, 'merchant_out_of_stock', 0);
    else if (fate < (emptying ? 0.77 : 0.07)) hide(item, 'delisted', 0);
    else if (fate < (emptying ? 0.78 : 0.077)) {
      hide(item, 'no_good_price', 0.9);
      item.priceMinor = undefined;
    } else if (fate < (emptying ? 0.8 : 0.092)) hold(world, item, nowMs, random);
    world.items.push(item);
  }
}

function hide(item: Item, reason: string, availability: number): void {
  item.shown = false;
  item.hiddenReason = reason;
  item.availability = availability;
}

function hold(world: World, item: Item, nowMs: number, random: ReturnType<typeof seeded>): void {
  const hundredfold = item.merchantId === 'verdure' && item.storeId === '2';
  const before = item.priceMinor!;
  const after = hundredfold ? before * 100n : BigInt(Math.round(Number(before) * (1.6 + random.next() * 1.8)));
  const made = create(HoldSchema, {
    holdId: `hold-${String(world.holds.length + 1).padStart(6, '0')}`, merchantId: item.merchantId, storeId: item.storeId, itemId: item.itemId, itemName: item.name,
    guard: hundredfold ? 'power_of_ten' : 'price_jump_previous', beforeMinor: before, afterMinor: after, medianMinor: before + BigInt(random.int(20)), currency: item.currency,
    feedId: item.feedId, row: item.row, state: 'open', storeName: item.storeName, merchantName: item.merchantName,
    detail: hundredfold ? 'The price is 100 times the last one and 98 times the median of the merchant’s other stores.' : 'The price moved further than this store’s limit of 50% in one feed.',
    createdAt: timestampFromMs(nowMs - random.int(6 * hour)),
  });
  item.holdId = made.holdId;
  world.holds.push(made);
}

function addFeeds(world: World, nowMs: number, random: ReturnType<typeof seeded>): void {
  let serial = 0;
  for (let step = 0; step < 46; step++) {
    const merchant = world.merchants[step % 3]!;
    const rows = 400 + random.int(4200);
    const rejected = step % 5 === 1 ? 3 + random.int(40) : 0;
    const failed = step === 7;
    const truncated = step === 4;
    const at = nowMs - step * 0.9 * hour - random.int(hour / 2);
    const held = step % 4 === 0 ? random.int(12) : 0;
    const stale = step % 9 === 2 ? random.int(60) : 0;
    const duplicates = step % 6 === 3 ? random.int(9) : 0;
    const applied = random.int(Math.floor((rows - rejected - held - stale - duplicates) / 3));
    const feed = create(FeedSchema, {
      feedId: `01J${String(9_700_000 - step * 137).padStart(9, '0')}${merchant.merchantId.slice(0, 4).toUpperCase()}${String(++serial).padStart(4, '0')}`,
      merchantId: merchant.merchantId, merchantName: merchant.name, storeId: step % 3 === 2 ? '1' : '', kind: step % 4 === 3 ? FeedKind.AVAILABILITY : step % 2 ? FeedKind.DELTA : FeedKind.FULL,
      cause: step % 11 === 10 ? FeedCause.SETTINGS : FeedCause.FEED, status: failed ? FeedStatus.FAILED : FeedStatus.DONE,
      fileName: `${merchant.merchantId}-${new Date(at).toISOString().slice(0, 10)}-${String(step).padStart(2, '0')}.csv`, sizeBytes: BigInt(rows * 96), sha256: 'b7'.repeat(32),
      mappingName: `${merchant.merchantId}-csv`, mappingVersion: '5f'.repeat(32), submittedAt: timestampFromMs(at), startedAt: timestampFromMs(at + 400),
      finishedAt: timestampFromMs(at + 2400 + rows), sourceTime: timestampFromMs(at - 90_000), submittedBy: `feeds@${merchant.merchantId}.example`, durationMs: BigInt(2000 + rows), truncated,
      error: failed ? 'Row 1 names no column that holds a price. Apply a mapping profile that says which column it is.' : truncated ? 'The last row ends in the middle; 812 rows came where 2,140 usually come. No item was delisted.' : '',
      account: failed ? create(FeedAccountSchema) : account(rows, applied, stale, held, rejected, duplicates, random),
    });
    if (!failed) {
      for (const store of world.stores.filter((one) => one.merchantId === merchant.merchantId && (!feed.storeId || feed.storeId === one.storeId))) {
        const share = Math.floor(rows / (feed.storeId ? 1 : merchant.storeCount));
        feed.stores.push({ $typeName: 'bodega.inventory.v1.FeedStore', storeId: store.storeId, storeName: store.name, account: account(share, Math.floor(share / 4), 0, 0, 0, 0, random), chunks: 2, chunksDone: 2 });
      }
    }
    world.feeds.push(feed);
    if (rejected > 0) world.rejects.set(feed.feedId, rejects(rejected, random));
  }
}

export function account(rows: number, applied: number, stale: number, held: number, rejected: number, duplicates: number, random: ReturnType<typeof seeded>) {
  return create(FeedAccountSchema, {
    rowsRead: BigInt(rows), applied: BigInt(applied), stale: BigInt(stale), held: BigInt(held), rejected: BigInt(rejected), duplicates: BigInt(duplicates),
    unchanged: BigInt(rows - applied - stale - held - rejected - duplicates), removed: BigInt(random.int(14)),
  });
}

export function rejects(count: number, random: ReturnType<typeof seeded>): Reject[] {
  const kinds = [
    { column: 'price', value: '4,9 9', reason: 'price_not_a_number', fix: 'Write the price as 4.99, without spaces.' },
    { column: 'price', value: '', reason: 'price_missing', fix: 'Fill in a price, or leave the row out.' },
    { column: 'gtin', value: '0074100000001', reason: 'check_digit_wrong', fix: 'Read the barcode again: its last digit does not match the others.' },
    { column: 'store', value: '99', reason: 'unknown_store', fix: 'Create store 99 first, or correct the number.' },
    { column: 'name', value: '', reason: 'name_missing', fix: 'Fill in a name; it is what shoppers search for.' },
  ];
  return Array.from({ length: count }, (_, index) => {
    const kind = random.pick(kinds);
    return create(RejectSchema, { row: BigInt(index * 31 + 4), itemId: `X-${2000 + index}`, storeId: kind.column === 'store' ? '99' : '1', ...kind });
  });
}

export const people = [
  { email: 'maya@corner.example', password: 'demo-merchant', name: 'Maya Ortiz', role: Role.MERCHANT, merchantId: 'corner' },
  { email: 'omar@bodega.example', password: 'demo-operator', name: 'Omar Lind', role: Role.OPERATOR, merchantId: '' },
  { email: 'ada@bodega.example', password: 'demo-admin', name: 'Ada Brook', role: Role.ADMIN, merchantId: '' },
];
