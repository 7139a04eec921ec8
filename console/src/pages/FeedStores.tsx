import { Progress } from '@mantine/core';
import { getRouteApi } from '@tanstack/react-router';
import { storeAddress } from '../app/addresses';
import { StackedBar } from '../charts/parts';
import type { Feed, FeedStore } from '../gen/bodega/inventory/v1/feed_pb';
import { DataTable, type Column } from '../ui/DataTable';
import { formatCount } from '../ui/format';
import { Card, surface } from '../ui/surface';
import { accountParts } from './accountParts';

const route = getRouteApi('/app/inventory/feeds/$feedId');

export function FeedStores({ feed }: { feed: Feed }) {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const address = ({ storeId }: FeedStore) => storeAddress({ merchantId: feed.merchantId, storeId });
  const count = (key: string, title: string, pick: (store: FeedStore) => bigint | undefined): Column<FeedStore> => ({
    key, title, width: 92, align: 'end', value: pick, phone: key === 'applied' || key === 'rejected',
    cell: (store) => formatCount(pick(store) ?? 0n),
  });
  const columns: Column<FeedStore>[] = [
    {
      key: 'name', title: 'Store', width: 150, grow: 2, value: (store) => store.storeName || store.storeId,
      cell: (store) => (
        <a tabIndex={-1} href={address(store)}>{store.storeName || store.storeId}</a>
      ),
    },
    {
      key: 'parts', title: 'Rows', width: 140, grow: 1, value: (store) => store.account?.rowsRead, phone: false,
      cell: (store) => store.account && <StackedBar label="Rows" parts={accountParts(store.account)} />,
    },
    count('read', 'Read', (store) => store.account?.rowsRead),
    count('applied', 'Applied', (store) => store.account?.applied),
    count('unchanged', 'Unchanged', (store) => store.account?.unchanged),
    count('stale', 'Stale', (store) => store.account?.stale),
    count('held', 'Held', (store) => store.account?.held),
    count('rejected', 'Rejected', (store) => store.account?.rejected),
    count('duplicates', 'Duplicates', (store) => store.account?.duplicates),
    {
      key: 'chunks', title: 'Parts done', width: 120, value: (store) => (store.chunks > 0 ? store.chunksDone / store.chunks : undefined), phone: false,
      cell: (store) =>
        store.chunks > 0 ? (
          <div style={{ display: 'flex', gap: 8, alignItems: 'center' }}>
            <Progress value={(store.chunksDone / store.chunks) * 100} size={6} style={{ flex: 1 }} aria-label={`${store.chunksDone} of ${store.chunks} parts`} />
            {store.chunksDone}/{store.chunks}
          </div>
        ) : '–',
    },
  ];
  return (
    <Card flush>
      <DataTable
        id="feed-stores"
        label="Accounts by store"
        rows={feed.stores}
        columns={columns}
        rowKey={(store) => store.storeId}
        view={search}
        onView={(view) => void navigate({ search: (before) => ({ ...before, ...view }), replace: true })}
        address={address}
        empty={<div style={{ padding: 16 }} className={surface.muted}>No row of this feed has named a store yet.</div>}
      />
    </Card>
  );
}
