import { ActionIcon, Skeleton } from '@mantine/core';
import { useMediaQuery } from '@mantine/hooks';
import { useRouter } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { lazy, memo, Suspense, useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState, type CSSProperties, type KeyboardEvent, type MouseEvent, type ReactNode } from 'react';
import { ColumnsButton } from './ColumnsButton';
import { saveFile, toCsv } from './csv';
import css from './DataTable.module.css';
import { formatCount } from './format';
import { IconDownload, IconSortDown, IconSortUp, IconX } from './icons';
import { useDensity } from './density';
import { useRemembered } from './remembered';
import { SearchField } from './SearchField';
import { filterRows, nextSort, parseSort, rowSorter, sortText, type CellValue } from './tableRows';

export interface Column<Row> {
  key: string;
  title: string;
  /** The least width in pixels, and the share of what is left over. */
  width: number;
  grow?: number;
  align?: 'end';
  /** What the column sorts, filters and exports by. */
  value: (row: Row) => CellValue;
  cell?: (row: Row) => ReactNode;
  /** False keeps it off a phone's screen until somebody chooses it. */
  phone?: boolean;
  /** True leaves it out until somebody chooses it. */
  optional?: boolean;
}

/** The part of a table's state that its page keeps in the URL. */
export interface TableView {
  sort?: string;
  filter?: string;
}

export interface Selection {
  keys: ReadonlySet<string>;
  onChange: (keys: ReadonlySet<string>) => void;
  toggle: (key: string) => void;
}

export interface DataTableProps<Row> {
  /** Names the table in the browser's storage and in exported files. */
  id: string;
  label: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  rowKey: (row: Row) => string;
  view: TableView;
  onView: (view: TableView) => void;
  /** Where a row leads; one that leads nowhere is chosen instead, where rows can be. */
  address?: (row: Row) => string;
  selection?: Selection;
  loading?: boolean;
  /** True where the rows could not be read: then nothing claims that there are none. */
  failed?: boolean;
  empty?: ReactNode;
  /** More rows at the server: they are fetched as the table nears its end. */
  more?: { available: boolean; loading: boolean; load: () => void; /** True fetches them all. */ all?: boolean };
  height?: string;
  bar?: ReactNode;
  /** A search at the server in the place of the filter of the rows that are here. */
  search?: ReactNode;
}

const rowHeights = { comfortable: 48, compact: 34 } as const;
const nothingChosen: Record<string, boolean> = {};

export function DataTable<Row>(props: DataTableProps<Row>) {
  const { id, label, rows, columns, rowKey, view, onView, address, selection, more } = props;
  const phone = useMediaQuery('(max-width: 600px)', false, { getInitialValueInEffect: false }) ?? false;
  const [density] = useDensity();
  const [chosen, setChosen] = useRemembered<Record<string, boolean>>(`columns.${id}${phone ? '.phone' : ''}`, nothingChosen);
  const isVisible = (column: Column<Row>) => chosen[column.key] ?? !(column.optional || (phone && column.phone === false));
  const visible = columns.filter(isVisible);
  const sort = parseSort(view.sort);
  const sortColumn = columns.find((column) => column.key === sort?.column);

  // The columns are rebuilt with each render of the page; which they are is what counts.
  const columnKeys = columns.map((column) => column.key).join();
  // eslint-disable-next-line react-hooks/exhaustive-deps -- columnKeys stands for the columns
  const kept = useMemo(() => filterRows(rows, view.filter ?? '', columns.map((column) => column.value)), [rows, view.filter, columnKeys]);
  // eslint-disable-next-line react-hooks/exhaustive-deps -- columnKeys stands for the columns
  const inOrder = useMemo(() => (sortColumn && sort ? rowSorter(sortColumn.value, sort.descending) : undefined), [view.sort, columnKeys]);
  const ordered = useMemo(() => inOrder?.(kept) ?? kept, [inOrder, kept]);

  const scroller = useRef<HTMLDivElement>(null);
  const rowHeight = rowHeights[density];
  const virtual = useVirtualizer({
    count: ordered.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 8,
    scrollPaddingStart: 40,
  });
  useEffect(() => virtual.measure(), [rowHeight, virtual]);

  const [activeKey, setActiveKey] = useState<string>();
  const active = activeKey === undefined ? -1 : ordered.findIndex((row) => rowKey(row) === activeKey);
  const gridId = useId();
  const searchRef = useRef<HTMLDivElement>(null);

  const items = virtual.getVirtualItems();
  const lastIndex = items.at(-1)?.index ?? 0;
  const wantsAll = Boolean(view.sort || view.filter);
  useEffect(() => {
    // A sort or a filter speaks of all rows, so all are fetched; else only what is near.
    if (more?.available && !more.loading && (wantsAll || more.all || lastIndex >= ordered.length - 60)) more.load();
  }, [more, lastIndex, ordered.length, wantsAll]);

  const move = (to: number) => {
    const index = Math.max(0, Math.min(ordered.length - 1, to));
    const row = ordered[index];
    if (row === undefined) return;
    setActiveKey(rowKey(row));
    virtual.scrollToIndex(index, { align: 'auto' });
  };
  // Rows are drawn again only when they change, so what they call must stay the same function.
  const latest = useRef(selection);
  useLayoutEffect(() => {
    latest.current = selection;
  });
  const toggle = useCallback((key: string) => latest.current?.toggle(key), []);
  const router = useRouter();
  const open = (row: Row) => {
    if (address) router.history.push(address(row));
    else selection?.toggle(rowKey(row));
  };
  // One for all rows: a component of the router in each would cost the table its scrolling.
  const onClick = (event: MouseEvent) => {
    const target = event.target as HTMLElement;
    const row = ordered[Number(target.closest<HTMLElement>('[data-index]')?.dataset.index)];
    if (row === undefined) return;
    setActiveKey(rowKey(row));
    const link = target.closest('a');
    if (link) {
      // With one of these keys the browser opens it elsewhere.
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      router.history.push(link.getAttribute('href')!);
    } else if (!target.closest('button, input, label')) {
      open(row);
    }
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.target !== event.currentTarget) return;
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / rowHeight) - 2);
    const row = ordered[active];
    switch (event.key) {
      case 'ArrowDown': move(active + 1); break;
      case 'ArrowUp': move(Math.max(active, 1) - 1); break;
      case 'PageDown': move(active + page); break;
      case 'PageUp': move(active - page); break;
      case 'Home': move(0); break;
      case 'End': move(ordered.length - 1); break;
      case 'Enter': if (row !== undefined) open(row); break;
      case ' ': if (row !== undefined) toggle(rowKey(row)); break;
      case 'a':
        if (!selection || !(event.ctrlKey || event.metaKey)) return;
        selection.onChange(new Set(ordered.map(rowKey)));
        break;
      case '/': searchRef.current?.querySelector('input')?.focus(); break;
      default: return;
    }
    event.preventDefault();
  };

  // On a phone the first column takes what the others can spare.
  const widthOf = (column: Column<Row>) => (phone ? Math.min(column.width, 140) : column.width);
  const template = [...(selection ? ['44px'] : []), ...visible.map((c) => (c.grow ? `minmax(${widthOf(c)}px, ${c.grow}fr)` : `${widthOf(c)}px`))].join(' ');
  const width = visible.reduce((sum, column) => sum + widthOf(column), selection ? 44 : 0);
  const vars = { '--columns': template, '--table-width': `${width}px`, ...(props.height ? { '--table-height': props.height } : {}) } as CSSProperties;
  const allSelected = selection !== undefined && ordered.length > 0 && ordered.every((row) => selection.keys.has(rowKey(row)));

  const exportShown = () => {
    const csv = toCsv(visible.map((c) => c.title), ordered.map((row) => visible.map((c) => String(c.value(row) ?? ''))));
    saveFile(`${id}.csv`, new Blob([csv], { type: 'text/csv' }));
  };

  if (props.failed && rows.length === 0) return null;
  return (
    <div className={css.frame}>
      <div className={css.bar}>
        <div
          ref={searchRef}
          className={css.barFilter}
          onKeyDown={(event) => {
            if (event.key === 'ArrowDown') scroller.current?.focus();
          }}
        >
          {props.search ?? (
            <SearchField label={`Filter ${label.toLowerCase()}`} placeholder="Filter these rows" value={view.filter ?? ''} onChange={(filter) => onView({ ...view, filter: filter || undefined })} />
          )}
        </div>
        {props.bar}
        {props.search !== undefined && view.filter && (
          <button type="button" className={css.chip} onClick={() => onView({ ...view, filter: undefined })} aria-label={`Show all rows, not only those with ${view.filter}`}>
            {view.filter} <IconX size={12} aria-hidden />
          </button>
        )}
        <div className={css.barEnd}>
          <span className={css.barCount} role="status">
            {props.loading ? 'Loading' : `${formatCount(ordered.length)}${more?.available ? '+' : ''} ${view.filter ? `of ${formatCount(rows.length)} ` : ''}${rows.length === 1 ? 'row' : 'rows'}`}
          </span>
          <ColumnChoice
            label={`Choose columns of ${label.toLowerCase()}`}
            choices={columns.map((column) => ({ key: column.key, title: column.title, shown: isVisible(column) }))}
            onToggle={(key, shown) => setChosen({ ...chosen, [key]: shown })}
          />
          <ActionIcon variant="default" size={32} title="Export what is shown (CSV)" aria-label={`Export ${label.toLowerCase()} as CSV`} onClick={exportShown} disabled={ordered.length === 0}>
            <IconDownload size={16} />
          </ActionIcon>
        </div>
      </div>
      {!props.loading && ordered.length === 0 ? (
        rows.length > 0 ? <div className={css.foot}>No row matches “{view.filter}”.</div> : props.empty
      ) : (
        <div
          ref={scroller}
          className={css.scroll}
          style={vars}
          role="grid"
          aria-label={label}
          aria-rowcount={props.loading ? -1 : ordered.length + 1}
          aria-colcount={visible.length + (selection ? 1 : 0)}
          aria-multiselectable={selection ? true : undefined}
          aria-busy={props.loading || undefined}
          aria-activedescendant={active >= 0 && items.some((item) => item.index === active) ? `${gridId}-${active}` : undefined}
          tabIndex={0}
          onKeyDown={onKeyDown}
        >
          <div role="rowgroup" className={css.head}>
            <div role="row" aria-rowindex={1} style={{ display: 'contents' }}>
              {selection && (
                <div role="columnheader" className={css.check}>
                  <input
                    type="checkbox"
                    aria-label="Select all rows"
                    checked={allSelected}
                    ref={(box) => {
                      if (box) box.indeterminate = !allSelected && selection.keys.size > 0;
                    }}
                    onChange={() => selection.onChange(allSelected ? new Set() : new Set(ordered.map(rowKey)))}
                  />
                </div>
              )}
              {visible.map((column) => (
                <Heading key={column.key} column={column} sort={sort} onSort={() => onView({ ...view, sort: sortText(nextSort(sort, column.key)) })} />
              ))}
            </div>
          </div>
          {props.loading ? (
            // No rows yet: whoever counts rows, or presses keys on them, waits for real ones.
            <div className={css.body} aria-hidden>
              {Array.from({ length: 8 }, (_, line) => (
                <div key={line} className={css.skeletonRow}><Skeleton height={12} width={`${88 - ((line * 29) % 45)}%`} /></div>
              ))}
            </div>
          ) : (
            <div role="rowgroup" className={css.body} style={{ height: virtual.getTotalSize() }} onClick={onClick}>
              {items.map((item) => {
                const row = ordered[item.index]!;
                const key = rowKey(row);
                return (
                  <TableRow
                    key={key}
                    id={`${gridId}-${item.index}`}
                    index={item.index}
                    start={item.start}
                    row={row}
                    rowId={key}
                    columns={visible as Column<unknown>[]}
                    columnKeys={template + visible.map((column) => column.key).join()}
                    active={item.index === active}
                    selected={selection?.keys.has(key)}
                    onToggle={selection ? toggle : undefined}
                    opens={address !== undefined || selection !== undefined}
                  />
                );
              })}
            </div>
          )}
        </div>
      )}
      {more?.available && !props.loading && (
        <div className={css.foot} role="status">
          {more.loading ? `Fetching more rows; ${formatCount(rows.length)} are here…` : `The first ${formatCount(rows.length)} rows are here; more come as you scroll.`}
        </div>
      )}
    </div>
  );
}

function Heading<Row>({ column, sort, onSort }: { column: Column<Row>; sort: ReturnType<typeof parseSort>; onSort: () => void }) {
  const on = sort?.column === column.key;
  const Arrow = on && sort.descending ? IconSortDown : IconSortUp;
  return (
    <div
      role="columnheader"
      className={css.headCell}
      data-end={column.align === 'end' || undefined}
      aria-sort={on ? (sort.descending ? 'descending' : 'ascending') : 'none'}
    >
      <button type="button" className={css.sort} data-on={on || undefined} onClick={onSort}>
        {column.title}
        {on && <Arrow size={12} aria-hidden />}
      </button>
    </div>
  );
}

const loadColumnsMenu = () => import('./ColumnsMenu');
const ColumnsMenu = lazy(() => loadColumnsMenu().then((module) => ({ default: module.ColumnsMenu })));

export interface ColumnChoiceProps {
  label: string;
  choices: { key: string; title: string; shown: boolean }[];
  onToggle: (key: string, shown: boolean) => void;
}

/** The button of the menu of columns; the menu is fetched when somebody reaches for it. */
function ColumnChoice(props: ColumnChoiceProps) {
  const [wanted, setWanted] = useState(false);
  const button = (
    <ColumnsButton aria-label={props.label} aria-haspopup="menu" onPointerEnter={() => void loadColumnsMenu()} onFocus={() => void loadColumnsMenu()} onClick={() => setWanted(true)} />
  );
  return wanted ? <Suspense fallback={button}><ColumnsMenu {...props} /></Suspense> : button;
}

interface TableRowProps {
  id: string;
  index: number;
  start: number;
  row: unknown;
  rowId: string;
  columns: readonly Column<unknown>[];
  /** Changes when the shown columns do. */
  columnKeys: string;
  active: boolean;
  selected: boolean | undefined;
  onToggle: ((key: string) => void) | undefined;
  opens: boolean;
}

const TableRow = memo(
  function TableRow({ id, index, start, row, rowId, columns, active, selected, onToggle, opens }: TableRowProps) {
    return (
      <div
        id={id}
        role="row"
        aria-rowindex={index + 2}
        aria-selected={selected}
        className={css.row}
        data-index={index}
        data-opens={opens || undefined}
        data-active={active || undefined}
        data-selected={selected || undefined}
        style={{ transform: `translateY(${start}px)` }}
      >
        {onToggle && (
          <div role="gridcell" className={css.check}>
            <input type="checkbox" tabIndex={-1} aria-label={`Select row ${index + 1}`} checked={selected ?? false} onChange={() => onToggle(rowId)} />
          </div>
        )}
        {columns.map((column) => (
          <div key={column.key} role="gridcell" className={css.cell} data-end={column.align === 'end' || undefined}>
            {column.cell ? column.cell(row) : String(column.value(row) ?? '–')}
          </div>
        ))}
      </div>
    );
  },
  (before, after) =>
    before.row === after.row &&
    before.index === after.index &&
    before.start === after.start &&
    before.active === after.active &&
    before.selected === after.selected &&
    before.columnKeys === after.columnKeys,
);
