import { createRootRoute, createRoute, createRouter, lazyRouteComponent, Outlet, redirect, retainSearchParams, type RouterHistory } from '@tanstack/react-router';
import { Code, ConnectError } from '@connectrpc/connect';
import { setTenant } from '../api/session';
import { probe } from '../api/problem';
import { callerQuery, queryClient } from './queries';
import { parseSearch, stringifySearch, texts, type RawSearch } from './search';
import { NotFound, RouteProblem } from './RouteProblem';
import { Shell } from './Shell';

declare module '@tanstack/react-router' {
  interface StaticDataRouteOption {
    /** A breadcrumb: a name, or feed, store or item for the thing that the route's parameters name. */
    crumb?: string;
    /** Where the breadcrumb leads when it is not the last. */
    crumbTo?: string;
  }
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}

/**
 * Fetches a page's code. What the server no longer has belongs to an older
 * build, and the router loads the new one; where the server cannot be reached
 * at all, the failure says that instead.
 */
function reaching<Module>(load: () => Promise<Module>): () => Promise<Module> {
  return () =>
    load().catch(async (error: unknown) => {
      await probe();
      throw error;
    });
}

const root = createRootRoute({
  validateSearch: (search: RawSearch): { tenant?: string } => texts('tenant')(search),
  search: { middlewares: [retainSearchParams<{ tenant?: string }>(['tenant'])] },
  beforeLoad: ({ search }: { search: { tenant?: string } }) => setTenant(search.tenant ?? ''),
  component: Outlet,
  notFoundComponent: NotFound,
});

const signIn = createRoute({
  getParentRoute: () => root,
  path: '/sign-in',
  validateSearch: texts('return'),
  component: lazyRouteComponent(reaching(() => import('../pages/SignIn')), 'SignIn'),
});

const app = createRoute({
  getParentRoute: () => root,
  id: 'app',
  beforeLoad: async ({ location }) => {
    try {
      await queryClient.ensureQueryData(callerQuery());
    } catch (error) {
      if (ConnectError.from(error).code === Code.Unauthenticated) {
        throw redirect({ to: '/sign-in', search: { return: location.href } });
      }
      throw error;
    }
  },
  component: Shell,
  errorComponent: RouteProblem,
  notFoundComponent: NotFound,
});

const index = createRoute({
  getParentRoute: () => root,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/today' });
  },
});

const today = createRoute({
  getParentRoute: () => app,
  path: '/today',
  staticData: { crumb: 'Today' },
  component: lazyRouteComponent(reaching(() => import('../pages/Today')), 'Today'),
});

const inventory = createRoute({
  getParentRoute: () => app,
  path: '/inventory',
  staticData: { crumb: 'Inventory', crumbTo: '/inventory' },
  component: Outlet,
});

const overview = createRoute({
  getParentRoute: () => inventory,
  path: '/',
  validateSearch: texts('merchant', 'hours', 'sort', 'filter'),
  component: lazyRouteComponent(reaching(() => import('../pages/Overview')), 'Overview'),
});

const feeds = createRoute({
  getParentRoute: () => inventory,
  path: '/feeds',
  validateSearch: texts('merchant', 'store', 'status', 'causes', 'sort', 'filter'),
  staticData: { crumb: 'Feeds' },
  component: lazyRouteComponent(reaching(() => import('../pages/Feeds')), 'Feeds'),
});

const submit = createRoute({
  getParentRoute: () => inventory,
  path: '/feeds/submit',
  validateSearch: texts('merchant', 'store', 'kind', 'mapping', 'sort', 'filter'),
  staticData: { crumb: 'Submit a feed' },
  component: lazyRouteComponent(reaching(() => import('../pages/SubmitFeed')), 'SubmitFeed'),
});

const feed = createRoute({
  getParentRoute: () => inventory,
  path: '/feeds/$feedId',
  validateSearch: texts('tab', 'sort', 'filter'),
  staticData: { crumb: 'feed' },
  component: lazyRouteComponent(reaching(() => import('../pages/FeedPage')), 'FeedPage'),
});

const items = createRoute({
  getParentRoute: () => inventory,
  path: '/items',
  validateSearch: texts('q', 'merchant', 'store', 'visibility', 'category', 'sort', 'filter'),
  staticData: { crumb: 'Items' },
  component: lazyRouteComponent(reaching(() => import('../pages/Items')), 'Items'),
});

const item = createRoute({
  getParentRoute: () => inventory,
  path: '/items/$merchantId/$storeId/$itemId',
  staticData: { crumb: 'item' },
  component: lazyRouteComponent(reaching(() => import('../pages/ItemStory')), 'ItemStory'),
});

const holds = createRoute({
  getParentRoute: () => inventory,
  path: '/holds',
  validateSearch: texts('merchant', 'store', 'feed', 'decided', 'select', 'sort', 'filter'),
  staticData: { crumb: 'Holds' },
  component: lazyRouteComponent(reaching(() => import('../pages/Holds')), 'Holds'),
});

const stores = createRoute({
  getParentRoute: () => inventory,
  path: '/stores',
  validateSearch: texts('merchant', 'sort', 'filter', 'add'),
  staticData: { crumb: 'Stores' },
  component: lazyRouteComponent(reaching(() => import('../pages/Stores')), 'Stores'),
});

const store = createRoute({
  getParentRoute: () => inventory,
  path: '/stores/$merchantId/$storeId',
  validateSearch: texts('tab', 'q', 'visibility', 'category', 'sort', 'filter'),
  staticData: { crumb: 'store' },
  component: lazyRouteComponent(reaching(() => import('../pages/StorePage')), 'StorePage'),
});

const mappings = createRoute({
  getParentRoute: () => inventory,
  path: '/mappings',
  validateSearch: texts('merchant'),
  staticData: { crumb: 'Mappings' },
  component: lazyRouteComponent(reaching(() => import('../pages/Mappings')), 'Mappings'),
});

const access = createRoute({
  getParentRoute: () => app,
  path: '/access',
  validateSearch: texts('tab', 'sort', 'filter'),
  staticData: { crumb: 'Access' },
  component: lazyRouteComponent(reaching(() => import('../pages/Access')), 'Access'),
});

const tree = root.addChildren([
  index,
  signIn,
  app.addChildren([
    today,
    inventory.addChildren([overview, feeds, submit, feed, items, item, holds, stores, store, mappings]),
    access,
  ]),
]);

export function makeRouter(history?: RouterHistory) {
  return createRouter({
    routeTree: tree,
    history,
    parseSearch,
    stringifySearch,
    defaultPreload: 'intent',
    defaultPreloadStaleTime: 0,
    defaultPendingMs: 150,
    defaultPendingMinMs: 0,
    defaultErrorComponent: RouteProblem,
    scrollRestoration: true,
  });
}
