import { TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useMemo, useRef, useState } from 'react';
import { menuQuery } from '../app/queries';
import type { GetMenuResponse, MenuItem } from '../gen/bodega/inventory/v1/item_pb';
import { Empty, ProblemNotice, When } from '../ui/atoms';
import { countOf, formatCount, formatMoney, formatShare } from '../ui/format';
import { IconChevronDown, IconChevronRight, IconMenu, IconSearch } from '../ui/icons';
import { Card, SkeletonLines, surface } from '../ui/surface';
import { filterRows } from '../ui/tableRows';
import { categoryTree, type CategoryNode } from './categoryTree';
import css from './StoreMenu.module.css';

type Line = { kind: 'category'; name: string; count: number } | { kind: 'item'; item: MenuItem };

export function StoreMenu({ merchantId, storeId }: { merchantId: string; storeId: string }) {
  const { data, error, refetch } = useQuery(menuQuery(merchantId, storeId));
  if (error) return <ProblemNotice error={error} retry={() => void refetch()} />;
  if (!data) {
    return <Card title="As shoppers see it"><SkeletonLines lines={8} height={32} /></Card>;
  }
  if (data.categories.every((category) => category.items.length === 0)) {
    return (
      <Card flush>
        <Empty icon={<IconMenu size={32} />} title="Shoppers see nothing here yet" command={`bodega feed submit --merchant ${merchantId} --store ${storeId} --kind full FILE`}>
          The menu appears when a feed has been applied and at least one item is shown.
        </Empty>
      </Card>
    );
  }
  return <Menu merchantId={merchantId} storeId={storeId} data={data} />;
}

function Menu({ merchantId, storeId, data }: { merchantId: string; storeId: string; data: GetMenuResponse }) {
  const [query, setQuery] = useState('');
  const currency = data.store?.currency ?? '';
  const tree = useMemo(() => categoryTree(data.categories.map((category) => ({ name: category.name, count: category.items.length }))), [data]);
  const lines = useMemo(() => {
    const all: Line[] = [];
    for (const category of data.categories) {
      const items = filterRows(category.items, query, [(item) => item.name, (item) => item.brand, (item) => category.name + item.size]);
      if (items.length === 0) continue;
      all.push({ kind: 'category', name: category.name, count: items.length });
      for (const item of items) all.push({ kind: 'item', item });
    }
    return all;
  }, [data, query]);
  const scroller = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => scroller.current,
    estimateSize: (index) => (lines[index]?.kind === 'category' ? 44 : 52),
    overscan: 12,
  });
  const visible = virtual.getVirtualItems();
  const topIndex = virtual.getVirtualItemForOffset(virtual.scrollOffset ?? 0)?.index ?? 0;
  let here = '';
  for (let index = topIndex; index >= 0 && !here; index--) {
    const line = lines[index];
    if (line?.kind === 'category') here = line.name;
  }
  const goTo = (name: string) => {
    const index = lines.findIndex((line) => line.kind === 'category' && (line.name === name || line.name.startsWith(`${name} > `)));
    if (index >= 0) virtual.scrollToIndex(index, { align: 'start' });
  };
  const total = data.categories.reduce((sum, category) => sum + category.items.length, 0);
  return (
    <Card
      title="As shoppers see it"
      note={<>{countOf(total, 'item')} in {countOf(data.categories.length, 'category', 'categories')} · version {formatCount(data.version)}, published <When at={data.publishedAt} /></>}
      aside={<TextInput leftSection={<IconSearch size={15} aria-hidden />} aria-label="Search this menu" placeholder="Search this menu" value={query} onChange={(event) => setQuery(event.currentTarget.value)} />}
      flush
    >
      <div className={css.columns}>
        <nav className={css.tree} aria-label="Categories">
          <Branches nodes={tree} here={here} goTo={goTo} />
        </nav>
        <div ref={scroller} className={css.scroll} tabIndex={0} role="region" aria-label="Menu">
          {lines.length === 0 && <div className={css.none}>Nothing on this menu matches “{query}”.</div>}
          <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
            {visible.map(({ index, start, size }) => {
              const line = lines[index]!;
              return (
                <div key={index} className={css.line} style={{ transform: `translateY(${start}px)`, height: size }}>
                  {line.kind === 'category' ? (
                    <h3 className={css.category}>{line.name} <span className={surface.second}>{formatCount(line.count)}</span></h3>
                  ) : (
                    <div className={css.item}>
                      <div className={css.itemName}>
                        <Link to="/inventory/items/$merchantId/$storeId/$itemId" params={{ merchantId, storeId, itemId: line.item.itemId }}>{line.item.name}</Link>
                        <span className={surface.second}> {[line.item.name.startsWith(line.item.brand) ? '' : line.item.brand, line.item.size].filter(Boolean).join(' · ')}</span>
                      </div>
                      {line.item.availability < 0.6 && <span className={surface.second}>Likely there: {formatShare(line.item.availability, 1)}</span>}
                      <div className={`${css.price} tabular`}>
                        {line.item.regularPriceMinor !== undefined && <del className={surface.second}>{formatMoney(line.item.regularPriceMinor, currency)}</del>}
                        <strong>{formatMoney(line.item.priceMinor, currency)}</strong>
                        {line.item.pricePer && line.item.pricePer !== 'each' && <span className={surface.second}>/ {line.item.pricePer}</span>}
                      </div>
                    </div>
                  )}
                </div>
              );
            })}
          </div>
        </div>
      </div>
    </Card>
  );
}

function Branches({ nodes, here, goTo }: { nodes: CategoryNode[]; here: string; goTo: (path: string) => void }) {
  return <ul>{nodes.map((node) => <Branch key={node.path} node={node} here={here} goTo={goTo} />)}</ul>;
}

function Branch({ node, here, goTo }: { node: CategoryNode; here: string; goTo: (path: string) => void }) {
  const [open, setOpen] = useState(true);
  const parent = node.children.length > 0;
  return (
    <li>
      <div className={css.branch}>
        {parent && (
          <button type="button" className={css.fold} aria-expanded={open} aria-label={`${open ? 'Fold' : 'Unfold'} ${node.name}`} onClick={() => setOpen(!open)}>
            {open ? <IconChevronDown size={14} /> : <IconChevronRight size={14} />}
          </button>
        )}
        <button type="button" className={css.jump} aria-current={node.path === here ? 'true' : undefined} onClick={() => goTo(node.path)}>
          <span className={css.jumpName}>{node.name}</span>
          <span className={surface.second}>{formatCount(node.count)}</span>
        </button>
      </div>
      {parent && open && <Branches nodes={node.children} here={here} goTo={goTo} />}
    </li>
  );
}
