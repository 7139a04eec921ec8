import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from '@connectrpc/connect';
import { CallerSchema, IdentityService, Role, TokenSchema, UserSchema, type Token, type User } from '../src/gen/bodega/identity/v1/identity_pb';
import { ConsoleService } from '../src/gen/bodega/inventory/v1/console_pb';
import { FeedCause, FeedService, FeedStatus, type Feed } from '../src/gen/bodega/inventory/v1/feed_pb';
import { Decision, ItemService, Visibility, type Item } from '../src/gen/bodega/inventory/v1/item_pb';
import { MerchantSchema, MerchantService, StoreSchema } from '../src/gen/bodega/inventory/v1/merchant_pb';
import { seeded } from './random';
import { story } from './story';
import { people, recount, type World } from './world';

const readAll = [
  'inventory.item.read', 'inventory.hold.read', 'inventory.menu.read', 'inventory.feed.read', 'inventory.feed.submit', 'inventory.merchant.read', 'inventory.mapping.read',
];
const permissions: Partial<Record<Role, string[]>> = {
  [Role.MERCHANT]: readAll,
  [Role.OPERATOR]: [...readAll, 'inventory.hold.decide', 'inventory.settings.write', 'inventory.mapping.write', 'inventory.item.write'],
};
permissions[Role.ADMIN] = [...permissions[Role.OPERATOR]!, 'inventory.merchant.write', 'inventory.catalog.write', 'identity.user.read', 'identity.user.write', 'identity.token.read', 'identity.token.write'];

export interface Backend {
  worlds: Record<string, World>;
  /** Who is signed in, by the request; tests leave it to one fixed person. */
  whoIs: (context: HandlerContext) => string;
  signIn: (context: HandlerContext, email: string) => void;
  signOut: (context: HandlerContext) => void;
}

export function routes(backend: Backend) {
  const users: User[] = people.map((person, index) => create(UserSchema, { ...person, createdAt: timestampFromMs(Date.now() - (90 - index * 20) * 86_400_000) }));
  const tokens: Token[] = [create(TokenSchema, { tokenId: '01JTOKEN00000000NIGHTLY', name: 'Nightly feed of Corner & Co.', role: Role.MERCHANT, merchantId: 'corner', createdAt: timestampFromMs(Date.now() - 9e8), lastUsedAt: timestampFromMs(Date.now() - 2e7) })];

  const tenantOf = (context: HandlerContext) => (/tenant=test\b/.test(context.requestHeader.get('baggage') ?? '') ? 'test' : 'prod');
  const world = (context: HandlerContext) => backend.worlds[tenantOf(context)]!;
  const caller = (context: HandlerContext) => {
    const person = people.find((one) => one.email === backend.whoIs(context));
    if (!person) throw new ConnectError('Sign in first.', Code.Unauthenticated);
    return create(CallerSchema, {
      subject: person.email, name: person.name, role: person.role, merchantId: person.merchantId, permissions: permissions[person.role] ?? [],
      tenant: tenantOf(context), tenants: person.role === Role.MERCHANT ? ['prod'] : ['prod', 'test'], csrfToken: 'csrf-of-the-stand-in', demo: true,
    });
  };
  const only = (context: HandlerContext, asked: string) => caller(context).merchantId || asked;
  const page = <T>(rows: T[], size: number, token: string) => {
    const start = Number(token) || 0;
    const count = size || 100;
    return { rows: rows.slice(start, start + count), nextPageToken: start + count < rows.length ? String(start + count) : '' };
  };
  const see = <T extends { merchantId: string }>(context: HandlerContext, rows: T[], asked = '') => {
    const merchant = only(context, asked);
    return merchant ? rows.filter((row) => row.merchantId === merchant) : rows;
  };

  return (router: ConnectRouter) => {
    router.service(IdentityService, {
      signIn: (request, context) => {
        const person = people.find((one) => one.email === request.email && one.password === request.password);
        if (!person) throw new ConnectError('This email and password do not belong together.', Code.InvalidArgument);
        backend.signIn(context, person.email);
        return {};
      },
      signOut: (_, context) => {
        backend.signOut(context);
        return {};
      },
      getCaller: (_, context) => ({ caller: caller(context) }),
      listDemoSignIns: () => ({ signIns: people.map(({ email, password, name, role }) => ({ email, password, name, role })) }),
      listUsers: () => ({ users }),
      createUser: (request) => {
        const user = create(UserSchema, { email: request.email, name: request.name, role: request.role, merchantId: request.merchantId, createdAt: timestampFromMs(Date.now()) });
        users.push(user);
        return { user };
      },
      listTokens: () => ({ tokens }),
      createToken: (request) => {
        const token = create(TokenSchema, { tokenId: `01JTOKEN${Date.now()}`, name: request.name, role: request.role, merchantId: request.merchantId, createdAt: timestampFromMs(Date.now()) });
        tokens.push(token);
        return { token, secret: `bodega_${'x7Kp'.repeat(8)}` };
      },
      revokeToken: (request) => {
        const index = tokens.findIndex((token) => token.tokenId === request.tokenId);
        if (index < 0) throw new ConnectError('No such token.', Code.NotFound);
        tokens.splice(index, 1);
        return {};
      },
    });

    router.service(ConsoleService, {
      getToday: (_, context) => {
        const all = world(context);
        const holds = see(context, all.holds).filter((hold) => hold.state === 'open');
        const stores = see(context, all.stores);
        return {
          openHolds: BigInt(holds.length),
          holds: holds.slice(0, 6),
          heldFeeds: [...new Set(holds.map((hold) => hold.feedId))].slice(0, 8).map((feedId) => {
            const held = holds.filter((hold) => hold.feedId === feedId);
            return {
              feedId, fileName: all.feeds.find((feed) => feed.feedId === feedId)?.fileName ?? '', holds: BigInt(held.length),
              prices: BigInt(held.filter((hold) => hold.itemId).length), removals: held.reduce((sum, hold) => sum + hold.removals, 0n),
              stores: BigInt(new Set(held.map((hold) => hold.storeId)).size), guards: [...new Set(held.map((hold) => hold.guard))], typicalRatio: 100, sample: held[0]!,
            };
          }),
          lateStores: stores.filter((store) => store.late).map((store) => ({ store, lastFeedAt: store.lastFeedAt, usualIntervalMs: 86_400_000n, lateByMs: 7n * 3600_000n })),
          feedsToSee: see(context, all.feeds).filter((feed) => feed.error || (feed.account?.rejected ?? 0n) > 20n).slice(0, 5),
          emptyingStores: stores.filter((store) => store.items > 0n && store.shown * 2n < store.items),
          running: see(context, all.feeds).filter((feed) => feed.status === FeedStatus.RUNNING),
        };
      },
      getOverview: (request, context) => {
        const all = world(context);
        const stores = see(context, all.stores, request.merchantId);
        const hidden = new Map<string, number>();
        for (const item of see(context, all.items, request.merchantId)) if (!item.shown) hidden.set(item.hiddenReason, (hidden.get(item.hiddenReason) ?? 0) + 1);
        const total = (pick: (store: (typeof stores)[number]) => bigint) => stores.reduce((sum, store) => sum + pick(store), 0n);
        const hours = request.hours || 24;
        const steps = 48;
        const stepMs = (hours * 3600_000) / steps;
        const random = seeded(hours);
        return {
          merchants: see(context, all.merchants), stores, items: total((s) => s.items), shown: total((s) => s.shown), hidden: total((s) => s.hidden), held: total((s) => s.held),
          hiddenReasons: [...hidden].map(([reason, items]) => ({ reason, items: BigInt(items) })),
          stepMs: BigInt(stepMs),
          throughput: Array.from({ length: steps }, (_, step) => {
            const rows = Math.round((900 + 700 * Math.sin(step / 4)) * (0.7 + random.next() * 0.6) * (step === 37 ? 2.6 : 1));
            return { at: timestampFromMs(Date.now() - (steps - step) * stepMs), applied: BigInt(rows), unchanged: BigInt(Math.round(rows * 1.7)), held: BigInt(random.int(9) + (step === 37 ? 61 : 0)), rejected: BigInt(random.int(14)), feeds: BigInt(1 + random.int(3)) };
          }),
          recentFeeds: see(context, all.feeds, request.merchantId).slice(0, 5),
        };
      },
      find: (request, context) => {
        const all = world(context);
        const words = request.query.toLowerCase();
        const has = (...texts: string[]) => texts.some((text) => text.toLowerCase().includes(words));
        return {
          stores: see(context, all.stores).filter((store) => has(store.name, store.storeId)).slice(0, 5),
          items: see(context, all.items).filter((item) => has(item.name, item.itemId, item.gtin)).slice(0, 8),
          feeds: see(context, all.feeds).filter((feed) => has(feed.fileName, feed.feedId)).slice(0, 5),
        };
      },
    });

    router.service(MerchantService, {
      listMerchants: (_, context) => ({ merchants: see(context, world(context).merchants) }),
      listStores: (request, context) => ({ stores: see(context, world(context).stores, request.merchantId) }),
      createMerchant: (request, context) => {
        const all = world(context);
        if (all.merchants.some((one) => one.merchantId === request.merchantId)) throw new ConnectError(`A merchant ${request.merchantId} exists already.`, Code.AlreadyExists);
        const merchant = create(MerchantSchema, { merchantId: request.merchantId, name: request.name, currency: request.currency });
        all.merchants.push(merchant);
        return { merchant };
      },
      createStore: (request, context) => {
        const all = world(context);
        const merchant = all.merchants.find((one) => one.merchantId === request.merchantId);
        const store = create(StoreSchema, { merchantId: request.merchantId, storeId: request.storeId, name: request.name, region: request.region, merchantName: merchant?.name, currency: merchant?.currency });
        all.stores.push(store);
        return { store };
      },
      setPriceSettings: (request, context) => {
        const all = world(context);
        const store = all.stores.find((one) => one.merchantId === request.merchantId && one.storeId === request.storeId);
        if (store) store.settings = request.settings;
        return { feedId: all.feeds[0]!.feedId };
      },
      getMapping: (request) => ({ name: `${request.merchantId}-csv`, version: '5f'.repeat(32), yaml: new TextEncoder().encode(`name: ${request.merchantId}-csv\nformat: csv\ncolumns:\n  item_id: sku\n  name: description\n  price: retail\n`) }),
      applyMapping: (request) => ({ name: `${request.merchantId}-csv`, version: '60'.repeat(32) }),
    });

    router.service(FeedService, {
      listFeeds: (request, context) => {
        const rows = see(context, world(context).feeds, request.merchantId).filter(
          (feed) =>
            (request.statuses.length === 0 || request.statuses.includes(feed.status)) && (request.allCauses || feed.cause === FeedCause.FEED) &&
            (!request.storeId || feed.storeId === request.storeId || feed.stores.some((store) => store.storeId === request.storeId)),
        );
        const { rows: feeds, nextPageToken } = page(rows, request.pageSize, request.pageToken);
        return { feeds, nextPageToken };
      },
      getFeed: (request, context) => ({ feed: findFeed(see(context, world(context).feeds), request.feedId) }),
      watchFeed: async function* (request, context) {
        const feed = findFeed(see(context, world(context).feeds), request.feedId);
        while (!context.signal.aborted) {
          yield { feed };
          if (feed.status > FeedStatus.RUNNING) return;
          await new Promise((resolve) => setTimeout(resolve, 150));
        }
      },
      cancelFeed: (request, context) => {
        const feed = findFeed(see(context, world(context).feeds), request.feedId);
        feed.status = FeedStatus.CANCELED;
        return { feed };
      },
      listRejects: (request, context) => {
        const { rows, nextPageToken } = page(world(context).rejects.get(request.feedId) ?? [], request.pageSize, request.pageToken);
        return { rejects: rows, nextPageToken };
      },
    });

    router.service(ItemService, {
      searchItems: (request, context) => {
        const words = request.query.toLowerCase().split(/\s+/).filter(Boolean);
        const rows = see(context, world(context).items, request.merchantId).filter(
          (item) =>
            (!request.storeId || item.storeId === request.storeId) && (!request.category || item.category === request.category) && visible(item, request.visibility) &&
            words.every((word) => `${item.name} ${item.itemId} ${item.gtin} ${item.category}`.toLowerCase().includes(word)),
        );
        const { rows: items, nextPageToken } = page(rows, request.pageSize, request.pageToken);
        return { items, nextPageToken };
      },
      explainItem: (request, context) => {
        const all = world(context);
        const item = all.items.find((one) => one.merchantId === request.merchantId && one.storeId === request.storeId && one.itemId === request.itemId);
        if (!item) throw new ConnectError(`Store ${request.storeId} has no item ${request.itemId}. Search for it by name or barcode.`, Code.NotFound);
        return story(all, item);
      },
      listHolds: (request, context) => {
        const rows = see(context, world(context).holds, request.merchantId).filter(
          (hold) => (request.includeDecided || hold.state === 'open') && (!request.storeId || hold.storeId === request.storeId) && (!request.feedId || hold.feedId === request.feedId),
        );
        const { rows: holds, nextPageToken } = page(rows, request.pageSize, request.pageToken);
        return { holds, nextPageToken, openTotal: BigInt(rows.filter((hold) => hold.state === 'open').length) };
      },
      decideHolds: (request, context) => {
        const all = world(context);
        const skipped: { holdId: string; reason: string }[] = [];
        let decided = 0n;
        for (const choice of request.holds) {
          const hold = all.holds.find((one) => one.holdId === choice.holdId);
          if (!hold || hold.state !== 'open' || (choice.afterMinor !== undefined && choice.afterMinor !== hold.afterMinor)) {
            skipped.push({ holdId: choice.holdId, reason: 'it has been decided or replaced meanwhile' });
            continue;
          }
          hold.state = request.decision === Decision.APPROVE ? 'approved' : 'discarded';
          hold.decidedAt = timestampFromMs(Date.now());
          hold.decidedBy = backend.whoIs(context);
          decided++;
        }
        for (const store of all.stores) recount(all, store);
        return { decided, skipped };
      },
      reopenHolds: (request, context) => {
        const all = world(context);
        for (const id of request.holdIds) {
          const hold = all.holds.find((one) => one.holdId === id);
          if (hold) hold.state = 'open';
        }
        for (const store of all.stores) recount(all, store);
        return { reopened: BigInt(request.holdIds.length) };
      },
      getMenu: (request, context) => {
        const all = world(context);
        const store = all.stores.find((one) => one.merchantId === request.merchantId && one.storeId === request.storeId);
        if (!store) throw new ConnectError('No such store.', Code.NotFound);
        const shelves = new Map<string, Item[]>();
        for (const item of all.items) {
          if (item.merchantId !== store.merchantId || item.storeId !== store.storeId || !item.shown) continue;
          shelves.set(item.category, [...(shelves.get(item.category) ?? []), item]);
        }
        return {
          store, version: store.menuVersion, publishedAt: store.lastFeedAt,
          categories: [...shelves].map(([name, items]) => ({ name, items: items.map((item) => ({ ...item, $typeName: 'bodega.inventory.v1.MenuItem' as const, priceMinor: item.priceMinor ?? 0n })) })),
        };
      },
    });
  };
}

function visible(item: Item, visibility: Visibility): boolean {
  if (visibility === Visibility.SHOWN) return item.shown;
  if (visibility === Visibility.HIDDEN) return !item.shown;
  if (visibility === Visibility.HELD) return item.holdId !== '';
  return true;
}

function findFeed(feeds: Feed[], id: string): Feed {
  const feed = feeds.find((one) => one.feedId === id);
  if (!feed) throw new ConnectError(`There is no feed ${id}. Look for it in the list of feeds.`, Code.NotFound);
  return feed;
}
