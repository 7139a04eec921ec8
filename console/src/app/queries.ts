import { infiniteQueryOptions, QueryClient, queryOptions } from '@tanstack/react-query';
import { Code, ConnectError } from '@connectrpc/connect';
import { api } from '../api/clients';
import { currentTenant, setCsrfToken } from '../api/session';
import { previewFeed, type Upload } from '../api/upload';
import { toProblem } from '../api/problem';
import type { Visibility } from '../gen/bodega/inventory/v1/item_pb';
import type { FeedStatus } from '../gen/bodega/inventory/v1/feed_pb';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      // Bodega may run on this very machine: whether that is "online" says nothing about reaching it.
      networkMode: 'always',
      staleTime: 5_000,
      gcTime: 5 * 60_000,
      retry: (attempt, error) => {
        const { code } = ConnectError.from(error);
        return attempt < 2 && code !== Code.Unauthenticated && toProblem(error).retryable;
      },
      // The default sharing compares plain objects; messages are none.
      structuralSharing: false,
    },
  },
});

// Another tenant is another world: nothing that was read in one is shown in the other.
const keyed = (...parts: unknown[]) => [currentTenant(), ...parts] as const;

export const callerQuery = () =>
  queryOptions({
    queryKey: keyed('caller'),
    queryFn: async ({ signal }) => {
      const { caller } = await api().identity.getCaller({}, { signal });
      if (!caller) throw new ConnectError('the server did not say who is calling', Code.Internal);
      setCsrfToken(caller.csrfToken);
      return caller;
    },
    staleTime: Infinity,
  });

export const demoSignInsQuery = () =>
  queryOptions({
    queryKey: ['demo-sign-ins'],
    queryFn: async ({ signal }) => (await api().identity.listDemoSignIns({}, { signal })).signIns,
    staleTime: Infinity,
    retry: false,
  });

export const todayQuery = () =>
  queryOptions({
    queryKey: keyed('today'),
    queryFn: ({ signal }) => api().console.getToday({}, { signal }),
    refetchInterval: 15_000,
  });

export const overviewQuery = (merchantId: string, hours: number) =>
  queryOptions({
    queryKey: keyed('overview', merchantId, hours),
    queryFn: ({ signal }) => api().console.getOverview({ merchantId, hours }, { signal }),
    refetchInterval: 30_000,
  });

export const merchantsQuery = () =>
  queryOptions({
    queryKey: keyed('merchants'),
    queryFn: async ({ signal }) => (await api().merchants.listMerchants({ pageSize: 1000 }, { signal })).merchants,
    staleTime: 60_000,
  });

export const storesQuery = (merchantId = '') =>
  queryOptions({
    queryKey: keyed('stores', merchantId),
    queryFn: async ({ signal }) => {
      const stores = [];
      let pageToken = '';
      do {
        const page = await api().merchants.listStores({ merchantId, pageSize: 1000, pageToken }, { signal });
        stores.push(...page.stores);
        pageToken = page.nextPageToken;
      } while (pageToken);
      return stores;
    },
    staleTime: 15_000,
  });

export interface FeedFilter {
  merchantId: string;
  storeId: string;
  statuses: FeedStatus[];
  allCauses: boolean;
}

export const feedsQuery = (filter: FeedFilter) =>
  infiniteQueryOptions({
    queryKey: keyed('feeds', filter),
    queryFn: ({ signal, pageParam }) => api().feeds.listFeeds({ ...filter, pageSize: 200, pageToken: pageParam }, { signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
    refetchInterval: 10_000,
  });

export const feedQuery = (feedId: string) =>
  queryOptions({
    queryKey: keyed('feed', feedId),
    queryFn: async ({ signal }) => (await api().feeds.getFeed({ feedId }, { signal })).feed,
  });

/** What is wrong with a file that has not been sent; chosen tells one choice of a file from the next. */
export const previewQuery = (upload: Omit<Upload, 'file'>, file: File | undefined, chosen: number) =>
  queryOptions({
    queryKey: keyed('preview', chosen, upload.merchantId, upload.storeId, upload.kind, upload.mapping),
    queryFn: ({ signal }) => previewFeed({ ...upload, file: file! }, signal),
    enabled: file !== undefined && upload.merchantId !== '',
    staleTime: Infinity,
    gcTime: 0,
  });

export const rejectsQuery = (feedId: string) =>
  infiniteQueryOptions({
    queryKey: keyed('rejects', feedId),
    queryFn: ({ signal, pageParam }) => api().feeds.listRejects({ feedId, pageSize: 1000, pageToken: pageParam }, { signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
  });

export interface ItemFilter {
  merchantId: string;
  storeId: string;
  query: string;
  visibility: Visibility;
  category: string;
}

export const itemsQuery = (filter: ItemFilter) =>
  infiniteQueryOptions({
    queryKey: keyed('items', filter),
    queryFn: ({ signal, pageParam }) => api().items.searchItems({ ...filter, pageSize: 500, pageToken: pageParam }, { signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
  });

export const itemStoryQuery = (merchantId: string, storeId: string, itemId: string) =>
  queryOptions({
    queryKey: keyed('item', merchantId, storeId, itemId),
    queryFn: ({ signal }) => api().items.explainItem({ merchantId, storeId, itemId }, { signal }),
  });

export interface HoldFilter {
  merchantId: string;
  storeId: string;
  feedId: string;
  includeDecided: boolean;
}

export const holdsQuery = (filter: HoldFilter) =>
  infiniteQueryOptions({
    queryKey: keyed('holds', filter),
    queryFn: ({ signal, pageParam }) => api().items.listHolds({ ...filter, pageSize: 1000, pageToken: pageParam }, { signal }),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
  });

/** Every open hold of one feed, so that all can be decided, and taken back, by name. */
export const feedHoldsQuery = (feedId: string) =>
  queryOptions({
    queryKey: keyed('feed-holds', feedId),
    queryFn: async ({ signal }) => {
      const holds = [];
      let pageToken = '';
      do {
        const page = await api().items.listHolds({ feedId, pageSize: 5000, pageToken }, { signal });
        holds.push(...page.holds);
        pageToken = page.nextPageToken;
      } while (pageToken);
      return holds;
    },
  });

export const menuQuery = (merchantId: string, storeId: string) =>
  queryOptions({
    queryKey: keyed('menu', merchantId, storeId),
    queryFn: ({ signal }) => api().items.getMenu({ merchantId, storeId }, { signal }),
  });

export const mappingQuery = (merchantId: string) =>
  queryOptions({
    queryKey: keyed('mapping', merchantId),
    queryFn: ({ signal }) => api().merchants.getMapping({ merchantId }, { signal }),
    enabled: merchantId !== '',
    retry: false,
  });

export const usersQuery = () =>
  queryOptions({
    queryKey: keyed('users'),
    queryFn: async ({ signal }) => (await api().identity.listUsers({ pageSize: 1000 }, { signal })).users,
  });

export const tokensQuery = () =>
  queryOptions({
    queryKey: keyed('tokens'),
    queryFn: async ({ signal }) => (await api().identity.listTokens({ pageSize: 1000 }, { signal })).tokens,
  });

export const findQuery = (query: string) =>
  queryOptions({
    queryKey: keyed('find', query),
    queryFn: ({ signal }) => api().console.find({ query }, { signal }),
    enabled: query.trim().length > 0,
    placeholderData: (before) => before,
  });

/** Reads again whatever a decision or a feed may have changed. */
export function refreshInventory(): void {
  void queryClient.invalidateQueries({
    predicate: ({ queryKey }) => !['caller', 'merchants', 'users', 'tokens', 'mapping'].includes(String(queryKey[1])),
  });
}
