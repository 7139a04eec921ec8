import { storeAddress } from '../app/addresses';
import { StackedBar } from '../charts/parts';
import type { Store } from '../gen/bodega/inventory/v1/merchant_pb';
import { When } from '../ui/atoms';
import type { Column } from '../ui/DataTable';
import { formatCount, formatShare, storeLabel, toDate } from '../ui/format';
import { State, surface } from '../ui/surface';

export function storeKey(store: Store): string {
  return `${store.merchantId}/${store.storeId}`;
}

export function storeColumns(withMerchant: boolean): Column<Store>[] {
  return [
    {
      key: 'name', title: 'Store', width: 200, grow: 2, value: (store) => store.name,
      cell: (store) => (
        <>
          <a tabIndex={-1} href={storeAddress(store)} title={store.name}>{withMerchant ? storeLabel(store.name, store.merchantName) : store.name}</a>
          <span className={surface.second}> {store.storeId}</span>
        </>
      ),
    },
    ...(withMerchant ? [{ key: 'merchant', title: 'Merchant', width: 140, grow: 1, value: (store: Store) => store.merchantName || store.merchantId, phone: false }] : []),
    { key: 'region', title: 'Region', width: 110, value: (store) => store.region, phone: false },
    {
      key: 'shown', title: 'Shown', width: 150, grow: 1, value: (store) => (store.items > 0n ? Number(store.shown) / Number(store.items) : undefined),
      phone: false,
      cell: (store) => (
        <div style={{ display: 'flex', alignItems: 'center', gap: 10 }}>
          <div style={{ flex: 1, minWidth: 50 }}>
            <StackedBar label="Items" parts={[{ label: 'Shown', value: Number(store.shown), tone: 'ok' }, { label: 'Hidden', value: Number(store.hidden), tone: 'quiet' }]} />
          </div>
          <span style={{ width: 48, textAlign: 'right' }}>{formatShare(store.shown, store.items)}</span>
        </div>
      ),
    },
    { key: 'items', title: 'Items', width: 84, align: 'end', value: (store) => store.items, cell: (store) => formatCount(store.items), phone: false },
    { key: 'hidden', title: 'Hidden', width: 84, align: 'end', value: (store) => store.hidden, cell: (store) => formatCount(store.hidden) },
    { key: 'held', title: 'Held', width: 76, align: 'end', value: (store) => store.held, cell: (store) => formatCount(store.held), phone: false },
    {
      key: 'feed', title: 'Last feed', width: 140, value: (store) => toDate(store.lastFeedAt)?.toISOString(), phone: false,
      cell: (store) => <When at={store.lastFeedAt} empty="None yet" />,
    },
    {
      key: 'late', title: 'Rhythm', width: 104, value: (store) => (store.late ? 'Late' : store.lastFeedAt ? 'On time' : ''),
      cell: (store) =>
        store.late ? <State word={{ label: 'Late', tone: 'warn' }} /> : store.lastFeedAt ? <State word={{ label: 'On time', tone: 'ok' }} /> : <span className={surface.muted}>–</span>,
    },
    { key: 'menu', title: 'Menu version', width: 110, align: 'end', value: (store) => store.menuVersion, cell: (store) => formatCount(store.menuVersion), optional: true },
  ];
}
