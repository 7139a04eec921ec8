import { Button, Switch } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { feedAddress, itemAddress } from '../app/addresses';
import { decideHolds } from '../app/decide';
import { summarizeHolds } from '../app/holdSummary';
import { MerchantPicker, StorePicker } from '../app/pickers';
import { holdsQuery } from '../app/queries';
import { useMay } from '../app/useCaller';
import { Decision, type Hold } from '../gen/bodega/inventory/v1/item_pb';
import { Empty, Money, ProblemNotice, When } from '../ui/atoms';
import { DataTable, type Column } from '../ui/DataTable';
import { countOf, formatChange, formatCount, formatMoney, minorToDecimal, shortenId, storeLabel, toDate } from '../ui/format';
import { IconCheck, IconX } from '../ui/icons';
import { Card, PageHead, State, surface } from '../ui/surface';
import { guardLabel, holdStateWord } from '../ui/words';
import css from './Holds.module.css';
import { useSelection } from './useSelection';

const route = getRouteApi('/app/inventory/holds');

function decimal(minor: bigint | undefined, currency: string): number | undefined {
  return minor === undefined ? undefined : Number(minorToDecimal(minor, currency));
}

function columnsFor(withDecided: boolean): Column<Hold>[] {
  return [
    {
      key: 'item', title: 'Item', width: 180, grow: 2, value: (hold) => hold.itemName || hold.itemId || `${countOf(hold.removals, 'removal')}`,
      cell: (hold) =>
        hold.itemId ? (
          <a tabIndex={-1} href={itemAddress(hold)}>{hold.itemName || hold.itemId}</a>
        ) : (
          <a tabIndex={-1} href={feedAddress(hold)}>Remove {countOf(hold.removals, 'item')}</a>
        ),
    },
    { key: 'store', title: 'Store', width: 120, grow: 1, value: (hold) => hold.storeName || hold.storeId, cell: (hold) => <span title={hold.storeName}>{storeLabel(hold.storeName || hold.storeId, hold.merchantName)}</span>, phone: false },
    { key: 'before', title: 'Before', width: 112, align: 'end', value: (hold) => decimal(hold.beforeMinor, hold.currency), cell: (hold) => <Money minor={hold.beforeMinor} currency={hold.currency} />, phone: false },
    {
      key: 'after', title: 'After', width: 124, align: 'end', value: (hold) => decimal(hold.afterMinor, hold.currency),
      cell: (hold) => <strong><Money minor={hold.afterMinor} currency={hold.currency} /></strong>,
    },
    {
      key: 'change', title: 'Change', width: 88, align: 'end',
      value: (hold) => (hold.beforeMinor && hold.afterMinor !== undefined ? Number(hold.afterMinor) / Number(hold.beforeMinor) : undefined),
      cell: (hold) => formatChange(hold.beforeMinor, hold.afterMinor) || '–',
      phone: false,
    },
    {
      key: 'median', title: 'Other stores', width: 112, align: 'end', value: (hold) => decimal(hold.medianMinor, hold.currency), phone: false,
      cell: (hold) => <span title="Median over the merchant’s stores">{formatMoney(hold.medianMinor, hold.currency)}</span>,
    },
    { key: 'guard', title: 'Why it is held', width: 210, grow: 2, value: (hold) => guardLabel(hold.guard), cell: (hold) => <span title={hold.detail}>{guardLabel(hold.guard)}</span>, phone: false },
    { key: 'since', title: 'Held', width: 136, value: (hold) => toDate(hold.createdAt)?.toISOString(), cell: (hold) => <When at={hold.createdAt} />, phone: false },
    ...(withDecided
      ? [
          { key: 'state', title: 'State', width: 120, value: (hold: Hold) => holdStateWord(hold.state).label, cell: (hold: Hold) => <State word={holdStateWord(hold.state)} /> },
          { key: 'by', title: 'By', width: 130, value: (hold: Hold) => hold.decidedBy, phone: false },
        ]
      : []),
    { key: 'feed', title: 'Feed', width: 150, value: (hold) => hold.feedId, cell: (hold) => <a tabIndex={-1} href={feedAddress(hold)}>{shortenId(hold.feedId)}</a>, optional: true },
    { key: 'merchant', title: 'Merchant', width: 130, value: (hold) => hold.merchantName || hold.merchantId, optional: true },
    { key: 'detail', title: 'Detail', width: 260, grow: 3, value: (hold) => hold.detail, optional: true },
  ];
}

export function Holds() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const mayDecide = useMay('inventory.hold.decide');
  const withDecided = search.decided === 'yes';
  const query = useInfiniteQuery(
    holdsQuery({ merchantId: search.merchant ?? '', storeId: search.store ?? '', feedId: search.feed ?? '', includeDecided: withDecided }),
  );
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.holds) ?? [], [query.data]);
  // The server counts what the caller may see; a narrower view counts its own rows.
  const scoped = Boolean(search.feed || search.store || search.merchant);
  const openTotal = scoped ? (query.data && BigInt(rows.filter((hold) => hold.state === 'open').length)) : query.data?.pages[0]?.openTotal;
  const set = (part: Partial<typeof search>, replace = false) => void navigate({ search: (before) => ({ ...before, ...part }), replace });
  const selection = useSelection(search.select, (select) => set({ select }, true), rows, (hold) => hold.holdId);
  // A decided hold stays selectable for the eye, but is no longer touched.
  const chosen = useMemo(() => rows.filter((hold) => selection.keys.has(hold.holdId) && hold.state === 'open'), [rows, selection.keys]);
  const decide = (decision: Decision.APPROVE | Decision.DISCARD) => {
    selection.onChange(new Set());
    void decideHolds(chosen, decision);
  };

  return (
    <>
      <PageHead
        title="Holds"
        lede={openTotal === undefined ? 'Prices and removals wait for a person. Until then shoppers see the last good state.' : `${countOf(openTotal, 'price or removal', 'prices and removals')} ${openTotal === 1n ? 'waits' : 'wait'} for a person. Until then shoppers see the last good state.`}
      />
      <div className={surface.stack}>
        {query.error && <ProblemNotice error={query.error} retry={() => void query.refetch()} />}
        <Card flush>
          {search.feed && (
            <div className={css.scope}>
              Only what feed <Link to="/inventory/feeds/$feedId" params={{ feedId: search.feed }}>{shortenId(search.feed)}</Link> brought.
              <Button size="compact-xs" variant="subtle" onClick={() => set({ feed: undefined })}>Show all</Button>
            </div>
          )}
          <DataTable
            id="holds"
            label="Holds"
            rows={rows}
            columns={columnsFor(withDecided)}
            rowKey={(hold) => hold.holdId}
            loading={query.isPending}
            failed={query.isError}
            view={search}
            onView={(view) => set(view, true)}
            selection={mayDecide ? selection : undefined}
            more={{ available: query.hasNextPage, loading: query.isFetchingNextPage, load: () => void query.fetchNextPage(), all: search.select === 'all' }}
            bar={
              <>
                <MerchantPicker value={search.merchant} onChange={(merchant) => set({ merchant, store: undefined })} />
                {search.merchant && <StorePicker merchantId={search.merchant} value={search.store} onChange={(store) => set({ store })} />}
                <Switch size="xs" label="Also decided" checked={withDecided} onChange={(event) => set({ decided: event.currentTarget.checked ? 'yes' : undefined })} />
              </>
            }
            empty={
              <Empty icon={<IconCheck size={32} />} title="Nothing is held" command="bodega hold list">
                When a price moves too far, or a file would remove too many items, the change waits here until a person approves or discards it.
              </Empty>
            }
          />
        </Card>
        {mayDecide && chosen.length > 0 && !(search.select === 'all' && query.hasNextPage) && <BulkBar holds={chosen} onDecide={decide} onClear={() => selection.onChange(new Set())} />}
      </div>
    </>
  );
}

/** What a decision will touch, said before it is made. */
function BulkBar({ holds, onDecide, onClear }: { holds: Hold[]; onDecide: (decision: Decision.APPROVE | Decision.DISCARD) => void; onClear: () => void }) {
  const { headline, approve, discard } = summarizeHolds(holds);
  return (
    <section className={css.bulk} aria-label="Selected holds">
      <div className={css.bulkText} role="status">
        <strong>{headline}</strong>
        <div className={surface.second}>{approve} {discard}</div>
      </div>
      <div className={surface.actions}>
        <Button variant="subtle" color="gray" onClick={onClear}>Clear</Button>
        <Button variant="default" leftSection={<IconX size={16} />} onClick={() => onDecide(Decision.DISCARD)}>Discard {formatCount(holds.length)}</Button>
        <Button leftSection={<IconCheck size={16} />} onClick={() => onDecide(Decision.APPROVE)}>Approve {formatCount(holds.length)}</Button>
      </div>
    </section>
  );
}
