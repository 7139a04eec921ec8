import { SegmentedControl } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, type ReactNode } from 'react';
import { Visibility, type Item } from '../gen/bodega/inventory/v1/item_pb';
import { Empty, Money, ProblemNotice, When } from '../ui/atoms';
import { DataTable, type Column, type TableView } from '../ui/DataTable';
import { formatShare, minorToDecimal, storeLabel, toDate } from '../ui/format';
import { IconItems } from '../ui/icons';
import { SearchField } from '../ui/SearchField';
import { Card, State, surface } from '../ui/surface';
import { itemWord } from '../ui/words';
import { itemAddress } from './addresses';
import { itemsQuery, type ItemFilter } from './queries';

export const visibilities: Record<string, Visibility> = {
  shown: Visibility.SHOWN,
  hidden: Visibility.HIDDEN,
  held: Visibility.HELD,
};

function columnsFor(filter: ItemFilter): Column<Item>[] {
  return [
    {
      key: 'name', title: 'Item', width: 180, grow: 3, value: (item) => item.name || item.itemId,
      cell: (item) => (
        <>
          <a tabIndex={-1} href={itemAddress(item)}>{item.name || item.itemId}</a>
          {item.size && <span className={surface.second}> {item.size}</span>}
        </>
      ),
    },
    { key: 'state', title: 'Shown?', width: 172, value: (item) => itemWord(item).label, cell: (item) => <State word={itemWord(item)} /> },
    {
      key: 'price', title: 'Price', width: 104, align: 'end', phone: false,
      value: (item) => (item.priceMinor === undefined ? undefined : Number(minorToDecimal(item.priceMinor, item.currency))),
      cell: (item) => <Money minor={item.priceMinor} currency={item.currency} per={item.pricePer} />,
    },
    { key: 'brand', title: 'Brand', width: 110, grow: 1, value: (item) => item.brand, phone: false },
    { key: 'category', title: 'Category', width: 130, grow: 2, value: (item) => item.category, phone: false },
    { key: 'store', title: 'Store', width: 120, grow: 1, value: (item) => item.storeName || item.storeId, cell: (item) => <span title={item.storeName}>{storeLabel(item.storeName || item.storeId, item.merchantName)}</span>, phone: false, optional: filter.storeId !== '' },
    { key: 'availability', title: 'Likely there', width: 96, align: 'end', value: (item) => item.availability, cell: (item) => formatShare(item.availability, 1), phone: false },
    { key: 'updated', title: 'Updated', width: 140, value: (item) => toDate(item.updatedAt)?.toISOString(), cell: (item) => <When at={item.updatedAt} />, phone: false },
    { key: 'id', title: 'Item id', width: 130, value: (item) => item.itemId, cell: (item) => <code>{item.itemId}</code>, optional: true },
    { key: 'gtin', title: 'Barcode', width: 140, value: (item) => item.gtin, optional: true },
    { key: 'merchant', title: 'Merchant', width: 130, value: (item) => item.merchantName || item.merchantId, optional: true },
  ];
}

/** Items as a table that fetches on as it is scrolled; its filter and sort are the page's URL. */
export function ItemList({ filter, view, onView, search, bar }: {
  filter: ItemFilter;
  view: TableView;
  onView: (view: TableView) => void;
  search: ReactNode;
  bar: ReactNode;
}) {
  const query = useInfiniteQuery(itemsQuery(filter));
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const narrowed = filter.query !== '' || filter.visibility !== Visibility.UNSPECIFIED || filter.category !== '';
  return (
    <>
      {query.error && <ProblemNotice error={query.error} retry={() => void query.refetch()} />}
      <Card flush>
        <DataTable
          id="items"
          label="Items"
          rows={rows}
          columns={columnsFor(filter)}
          rowKey={(item) => `${item.merchantId} ${item.storeId} ${item.itemId}`}
          loading={query.isPending}
          failed={query.isError}
          view={view}
          onView={onView}
          search={search}
          bar={bar}
          address={itemAddress}
          more={{ available: query.hasNextPage, loading: query.isFetchingNextPage, load: () => void query.fetchNextPage() }}
          empty={
            narrowed ? (
              <Empty icon={<IconItems size={32} />} title="No item matches">Search by name, brand, item id or barcode, or show items in any state.</Empty>
            ) : (
              <Empty
                icon={<IconItems size={32} />}
                title="No items yet"
                action={<Link to="/inventory/feeds/submit" className={surface.linkButton} data-primary>Submit a feed</Link>}
                command="bodega feed submit --merchant M --kind full FILE"
              >
                Items appear once a merchant’s feed has been applied.
              </Empty>
            )
          }
        />
      </Card>
    </>
  );
}

export function VisibilityChoice({ value, onChange }: { value: string | undefined; onChange: (value: string | undefined) => void }) {
  return (
    <SegmentedControl
      size="xs"
      aria-label="Which items"
      value={value && value in visibilities ? value : 'all'}
      onChange={(next) => onChange(next === 'all' ? undefined : next)}
      data={[
        { value: 'all', label: 'All' },
        { value: 'shown', label: 'Shown' },
        { value: 'hidden', label: 'Hidden' },
        { value: 'held', label: 'Held' },
      ]}
    />
  );
}

/** Searches at the server. */
export function ItemQuery({ value, onChange }: { value: string | undefined; onChange: (value: string | undefined) => void }) {
  return <SearchField label="Search items" placeholder="Name, brand, item id or barcode" value={value ?? ''} onChange={(query) => onChange(query || undefined)} />;
}
