import { Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { lazy, Suspense } from 'react';
import { ItemList, ItemQuery, VisibilityChoice, visibilities } from '../app/ItemList';
import { storesQuery } from '../app/queries';
import { useMay } from '../app/useCaller';
import { Visibility } from '../gen/bodega/inventory/v1/item_pb';
import { ProblemNotice, When } from '../ui/atoms';
import { formatCount, formatShare } from '../ui/format';
import { Card, Metric, Notice, PageHead, SkeletonLines, State, surface } from '../ui/surface';

// What the other tabs are made of is fetched with the tab.
const PriceSettings = lazy(() => import('./PriceSettings').then((module) => ({ default: module.PriceSettings })));
const StoreFeeds = lazy(() => import('./StoreFeeds').then((module) => ({ default: module.StoreFeeds })));
const StoreMenu = lazy(() => import('./StoreMenu').then((module) => ({ default: module.StoreMenu })));

const route = getRouteApi('/app/inventory/stores/$merchantId/$storeId');

export function StorePage() {
  const { merchantId, storeId } = route.useParams();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const maySubmit = useMay('inventory.feed.submit');
  const maySet = useMay('inventory.settings.write');
  const { data: stores, error, refetch } = useQuery(storesQuery());
  const store = stores?.find((one) => one.merchantId === merchantId && one.storeId === storeId);
  const tab = search.tab ?? 'items';
  if (error) return <><PageHead title={storeId} /><ProblemNotice error={error} retry={() => void refetch()} /></>;
  if (stores && !store) {
    return (
      <>
        <PageHead title={storeId} />
        <Notice tone="quiet" title={`There is no store ${storeId} of ${merchantId} here`} action={<Link to="/inventory/stores" className={surface.linkButton}>See all stores</Link>}>
          It may belong to another tenant, or to a merchant that you do not see.
        </Notice>
      </>
    );
  }
  return (
    <>
      <PageHead
        title={store?.name ?? storeId}
        lede={
          // The same two lines before and after the store is known, so that nothing below them moves.
          <>
            <div className={surface.actions}>
              <State word={!store ? { label: 'Reading', tone: 'quiet' } : store.late ? { label: 'Feed is late', tone: 'warn' } : { label: 'On time', tone: 'ok' }} />
              {store && <span>last feed <When at={store.lastFeedAt} empty="not yet" /></span>}
            </div>
            <div className={surface.oneLine}>{store ? `${store.merchantName || merchantId} · store ${storeId}${store.region && ` · ${store.region}`}` : '\u00a0'}</div>
          </>
        }
      >
        {maySubmit && <Link to="/inventory/feeds/submit" search={{ merchant: merchantId, store: storeId }} className={surface.linkButton} data-primary>Submit a feed</Link>}
      </PageHead>
      <div className={surface.stack}>
        <div className={surface.metrics}>
          <Metric label="Items" value={store ? formatCount(store.items) : '–'} />
          <Metric label="Shown" value={store ? formatCount(store.shown) : '–'} note={store ? formatShare(store.shown, store.items) : '\u00a0'} />
          <Metric label="Hidden" value={store ? formatCount(store.hidden) : '–'} note={store ? formatShare(store.hidden, store.items) : '\u00a0'} href={store && `/inventory/stores/${encodeURIComponent(merchantId)}/${encodeURIComponent(storeId)}?visibility=hidden`} />
          <Metric label="Held" value={store ? formatCount(store.held) : '–'} href={store && `/inventory/holds?merchant=${encodeURIComponent(merchantId)}&store=${encodeURIComponent(storeId)}`} />
          <Metric label="Menu version" value={store ? formatCount(store.menuVersion) : '–'} />
        </div>
        <Tabs value={tab} onChange={(next) => void navigate({ search: { tab: next === 'items' ? undefined : (next ?? undefined) } })} keepMounted={false}>
          <Tabs.List mb="md">
            <Tabs.Tab value="items">Items</Tabs.Tab>
            <Tabs.Tab value="menu">Menu</Tabs.Tab>
            <Tabs.Tab value="feeds">Feeds</Tabs.Tab>
            {maySet && <Tabs.Tab value="settings">Price settings</Tabs.Tab>}
          </Tabs.List>
          <Tabs.Panel value="items"><StoreItems /></Tabs.Panel>
          <Tabs.Panel value="menu"><Suspense fallback={<Card title="As shoppers see it"><SkeletonLines lines={8} height={32} /></Card>}><StoreMenu merchantId={merchantId} storeId={storeId} /></Suspense></Tabs.Panel>
          <Tabs.Panel value="feeds"><Suspense fallback={<Card><SkeletonLines lines={8} height={20} /></Card>}><StoreFeeds /></Suspense></Tabs.Panel>
          <Tabs.Panel value="settings"><Suspense fallback={<SettingsToCome />}>{store ? <PriceSettings key={storeId} store={store} /> : <SettingsToCome />}</Suspense></Tabs.Panel>
        </Tabs>
      </div>
    </>
  );
}

function SettingsToCome() {
  return <Card title="How prices are computed"><SkeletonLines lines={6} height={20} /></Card>;
}

function StoreItems() {
  const { merchantId, storeId } = route.useParams();
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const set = (part: Partial<typeof search>, replace = false) => void navigate({ search: (before) => ({ ...before, ...part }), replace });
  return (
    <ItemList
      filter={{ merchantId, storeId, query: search.q ?? '', visibility: visibilities[search.visibility ?? ''] ?? Visibility.UNSPECIFIED, category: search.category ?? '' }}
      view={search}
      onView={(view) => set(view, true)}
      search={<ItemQuery value={search.q} onChange={(q) => set({ q }, true)} />}
      bar={<VisibilityChoice value={search.visibility} onChange={(visibility) => set({ visibility })} />}
    />
  );
}
