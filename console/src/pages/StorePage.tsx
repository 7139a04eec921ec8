import { Button, NumberInput, Tabs } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { api } from '../api/clients';
import { ItemList, visibilities } from '../app/ItemList';
import { feedsQuery, refreshInventory, storesQuery } from '../app/queries';
import { useMay } from '../app/useCaller';
import { Visibility } from '../gen/bodega/inventory/v1/item_pb';
import type { Store } from '../gen/bodega/inventory/v1/merchant_pb';
import { Empty, ProblemNotice, When } from '../ui/atoms';
import { DataTable } from '../ui/DataTable';
import { countOf, currencyExponent, formatCount, formatMoney, formatShare } from '../ui/format';
import { IconFeed } from '../ui/icons';
import { Card, Metric, Notice, PageHead, SkeletonLines, State, surface } from '../ui/surface';
import { toast } from '../ui/toast';
import { useSubmit } from './AddStore';
import { feedColumns } from './feedColumns';
import { ItemQuery, VisibilityChoice } from './Items';
import { StoreMenu } from './StoreMenu';

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
        title={store ? store.name : <SkeletonLines lines={1} height={26} />}
        lede={store && (
          <span className={surface.actions}>
            {store.late ? <State word={{ label: 'Feed is late', tone: 'warn' }} /> : <State word={{ label: 'On time', tone: 'ok' }} />}
            <span>{store.merchantName || store.merchantId} · store {store.storeId}{store.region && ` · ${store.region}`} · last feed <When at={store.lastFeedAt} empty="not yet" /></span>
          </span>
        )}
      >
        {maySubmit && <Link to="/inventory/feeds/submit" search={{ merchant: merchantId, store: storeId }} className={surface.linkButton} data-primary>Submit a feed</Link>}
      </PageHead>
      <div className={surface.stack}>
        <div className={surface.metrics}>
          <Metric label="Items" value={store ? formatCount(store.items) : '–'} />
          <Metric label="Shown" value={store ? formatCount(store.shown) : '–'} note={store && formatShare(store.shown, store.items)} />
          <Metric label="Hidden" value={store ? formatCount(store.hidden) : '–'} note={store && formatShare(store.hidden, store.items)} href={store && `/inventory/stores/${encodeURIComponent(merchantId)}/${encodeURIComponent(storeId)}?visibility=hidden`} />
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
          <Tabs.Panel value="menu"><StoreMenu merchantId={merchantId} storeId={storeId} /></Tabs.Panel>
          <Tabs.Panel value="feeds"><StoreFeeds /></Tabs.Panel>
          <Tabs.Panel value="settings">{store && <PriceSettingsForm key={storeId} store={store} />}</Tabs.Panel>
        </Tabs>
      </div>
    </>
  );
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
      search={<ItemQuery value={search.q ?? ''} onChange={(q) => set({ q: q || undefined }, true)} />}
      bar={<VisibilityChoice value={search.visibility} onChange={(visibility) => set({ visibility })} />}
    />
  );
}

function StoreFeeds() {
  const { merchantId, storeId } = route.useParams();
  const search = route.useSearch();
  const pageNavigate = route.useNavigate();
  const navigate = useNavigate();
  const query = useInfiniteQuery(feedsQuery({ merchantId, storeId, statuses: [], allCauses: true }));
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.feeds) ?? [], [query.data]);
  return (
    <Card flush>
      {query.error && <ProblemNotice error={query.error} retry={() => void query.refetch()} />}
      <DataTable
        id="store-feeds"
        label="Feeds of this store"
        rows={rows}
        columns={feedColumns(true).filter((column) => column.key !== 'merchant')}
        rowKey={(feed) => feed.feedId}
        loading={query.isPending}
        failed={query.isError}
        view={search}
        onView={(view) => void pageNavigate({ search: (before) => ({ ...before, ...view }), replace: true })}
        onOpen={(feed) => void navigate({ to: '/inventory/feeds/$feedId', params: { feedId: feed.feedId } })}
        more={{ available: query.hasNextPage, loading: query.isFetchingNextPage, load: () => void query.fetchNextPage() }}
        empty={
          <Empty icon={<IconFeed size={32} />} title="No feed has named this store yet" command={`bodega feed submit --merchant ${merchantId} --store ${storeId} --kind full FILE`}>
            Its items appear with the first feed.
          </Empty>
        }
      />
    </Card>
  );
}

function PriceSettingsForm({ store }: { store: Store }) {
  const navigate = useNavigate();
  const [percent, setPercent] = useState<number | string>((store.settings?.inflationBasisPoints ?? 0) / 100);
  const [round, setRound] = useState<number | string>(store.settings?.roundToMinor ?? 0);
  const basisPoints = Math.round(Number(percent) * 100);
  const roundTo = Number(round);
  // One price carried through shows what the two numbers mean.
  const sample = 10n * 10n ** BigInt(currencyExponent(store.currency)) - 1n;
  const raised = Math.round((Number(sample) * (10_000 + basisPoints)) / 10_000);
  const rounded = roundTo > 1 ? Math.round(raised / roundTo) * roundTo : raised;
  const form = useSubmit(async (key) => {
    const before = store.settings;
    const { feedId } = await api().merchants.setPriceSettings({
      merchantId: store.merchantId,
      storeId: store.storeId,
      settings: { inflationBasisPoints: basisPoints, roundToMinor: roundTo },
      idempotencyKey: key,
    });
    toast({
      tone: 'ok',
      title: `Price settings of ${store.name} changed`,
      detail: `Its ${countOf(store.items, 'item')} are judged again now.`,
      undo: () =>
        void api()
          .merchants.setPriceSettings({
            merchantId: store.merchantId,
            storeId: store.storeId,
            settings: { inflationBasisPoints: before?.inflationBasisPoints ?? 0, roundToMinor: before?.roundToMinor ?? 0 },
            idempotencyKey: `${key}-undo`,
          })
          .then(refreshInventory),
    });
    if (feedId) void navigate({ to: '/inventory/feeds/$feedId', params: { feedId } });
  });
  return (
    <Card title="How prices are computed" note={`Changing them judges the store’s ${countOf(store.items, 'item')} again`}>
      <form onSubmit={form.onSubmit} className={surface.stack} style={{ gap: 16, maxWidth: 420 }}>
        {form.error !== undefined && <ProblemNotice error={form.error} />}
        <NumberInput label="Added to every price" suffix="%" decimalScale={2} step={0.5} min={-50} max={200} value={percent} onChange={setPercent} />
        <NumberInput label="Rounded to a multiple of" description="In minor units of the currency; 0 leaves prices as they are" min={0} max={10_000} allowDecimal={false} value={round} onChange={setRound} />
        <p className={surface.muted}>
          {formatMoney(sample, store.currency)} in the merchant’s file becomes <strong className="tabular">{formatMoney(BigInt(rounded), store.currency)}</strong> here.
        </p>
        <Button type="submit" loading={form.busy} style={{ alignSelf: 'start' }}>Change the settings</Button>
      </form>
    </Card>
  );
}
