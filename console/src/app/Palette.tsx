import { Modal, Skeleton, useMantineColorScheme } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useId, useRef, useState, type KeyboardEvent, type ReactNode } from 'react';
import { ProblemNotice } from '../ui/atoms';
import { useDensity } from '../ui/density';
import { formatMoney, shortenId } from '../ui/format';
import { IconDensity, IconExternal, IconFeed, IconItems, IconMoon, IconSearch, IconStore, IconUpload } from '../ui/icons';
import { feedStatusWord, hiddenReasonLabel } from '../ui/words';
import css from './Palette.module.css';
import { findQuery } from './queries';
import { useMay } from './useCaller';

interface Choice {
  key: string;
  group: string;
  icon: ReactNode;
  title: string;
  note: string;
  run: () => void;
}

/** Finds stores, items and feeds at the server, and the console's own actions, from one line. */
export function Palette({ onClose }: { onClose: () => void }) {
  const [query, setQuery] = useState('');
  const [settled] = useDebouncedValue(query.trim(), 120);
  const [active, setActive] = useState(0);
  const navigate = useNavigate();
  const found = useQuery(findQuery(settled));
  const actions = useActions();
  const listId = useId();
  const list = useRef<HTMLDivElement>(null);

  const matching = actions.filter((action) => action.title.toLowerCase().includes(query.trim().toLowerCase()));
  const choices: Choice[] = settled && found.data
    ? [
        ...found.data.stores.map((store) => ({
          key: `store ${store.merchantId} ${store.storeId}`,
          group: 'Stores',
          icon: <IconStore size={17} />,
          title: store.name,
          note: `${store.merchantName || store.merchantId} · ${store.storeId}`,
          run: () => void navigate({ to: '/inventory/stores/$merchantId/$storeId', params: { merchantId: store.merchantId, storeId: store.storeId } }),
        })),
        ...found.data.items.map((item) => ({
          key: `item ${item.merchantId} ${item.storeId} ${item.itemId}`,
          group: 'Items',
          icon: <IconItems size={17} />,
          title: item.name || item.itemId,
          note: `${item.storeName || item.storeId} · ${item.shown ? formatMoney(item.priceMinor, item.currency) : hiddenReasonLabel(item.hiddenReason)}`,
          run: () =>
            void navigate({ to: '/inventory/items/$merchantId/$storeId/$itemId', params: { merchantId: item.merchantId, storeId: item.storeId, itemId: item.itemId } }),
        })),
        ...found.data.feeds.map((feed) => ({
          key: `feed ${feed.feedId}`,
          group: 'Feeds',
          icon: <IconFeed size={17} />,
          title: feed.fileName || shortenId(feed.feedId),
          note: `${feed.merchantName || feed.merchantId} · ${feedStatusWord(feed.status).label}`,
          run: () => void navigate({ to: '/inventory/feeds/$feedId', params: { feedId: feed.feedId } }),
        })),
        ...matching,
      ]
    : matching;

  useEffect(() => setActive(0), [settled]);
  const current = Math.min(active, choices.length - 1);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [current]);

  const choose = (choice: Choice | undefined) => {
    if (!choice) return;
    onClose();
    choice.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setActive(Math.min(current + 1, choices.length - 1));
    else if (event.key === 'ArrowUp') setActive(Math.max(current - 1, 0));
    else if (event.key === 'Enter') choose(choices[current]);
    else return;
    event.preventDefault();
  };

  return (
    <Modal opened onClose={onClose} withCloseButton={false} padding={0} size={600} yOffset="12dvh" centered={false} attributes={{ content: { 'aria-label': 'Find anything or run an action' } }}>
      <div className={css.line}>
        <IconSearch size={18} aria-hidden />
        <input
          data-autofocus
          className={css.input}
          placeholder="Find a store, an item, a feed – or an action"
          aria-label="Find a store, an item, a feed or an action"
          role="combobox"
          aria-expanded="true"
          aria-controls={listId}
          aria-activedescendant={choices[current] ? `${listId}-${current}` : undefined}
          autoComplete="off"
          spellCheck={false}
          value={query}
          onChange={(event) => setQuery(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
      </div>
      <div className={css.list} id={listId} role="listbox" aria-label="Found" ref={list}>
        {choices.map((choice, index) => (
          <div key={choice.key} role="presentation">
            {choice.group !== choices[index - 1]?.group && <div className={css.group} role="presentation">{choice.group}</div>}
            <div
              id={`${listId}-${index}`}
              role="option"
              aria-selected={index === current}
              className={css.option}
              onMouseMove={() => setActive(index)}
              onClick={() => choose(choice)}
            >
              <span aria-hidden className={css.icon}>{choice.icon}</span>
              <span className={css.title}>{choice.title}</span>
              <span className={css.note}>{choice.note}</span>
            </div>
          </div>
        ))}
      </div>
      {settled && found.isPending && <div className={css.word}><Skeleton height={14} width="60%" /></div>}
      {settled && found.error && <div className={css.word}><ProblemNotice error={found.error} retry={() => void found.refetch()} /></div>}
      {settled && !found.isPending && !found.error && choices.length === 0 && (
        <div className={css.word} role="status">Nothing is called “{settled}”. Names, brands, ids, barcodes and file names are searched.</div>
      )}
    </Modal>
  );
}

function useActions(): Choice[] {
  const navigate = useNavigate();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [density, setDensity] = useDensity();
  const maySubmit = useMay('inventory.feed.submit');
  const mayHold = useMay('inventory.hold.read');
  const mayAccess = useMay('identity.user.read');
  const go = (title: string, run: () => void): Choice => ({ key: title, group: 'Go to', icon: <IconExternal size={17} />, title, note: '', run });
  const actions: Choice[] = [];
  if (maySubmit) {
    actions.push({ key: 'submit', group: 'Actions', icon: <IconUpload size={17} />, title: 'Submit a feed', note: '', run: () => void navigate({ to: '/inventory/feeds/submit' }) });
  }
  actions.push(
    {
      key: 'scheme', group: 'Actions', icon: <IconMoon size={17} />, title: colorScheme === 'dark' ? 'Switch to light' : 'Switch to dark', note: '',
      run: () => setColorScheme(colorScheme === 'dark' ? 'light' : 'dark'),
    },
    {
      key: 'density', group: 'Actions', icon: <IconDensity size={17} />, title: density === 'compact' ? 'Use comfortable density' : 'Use compact density', note: '',
      run: () => setDensity(density === 'compact' ? 'comfortable' : 'compact'),
    },
    go('Today', () => void navigate({ to: '/today' })),
    go('Overview', () => void navigate({ to: '/inventory' })),
    go('Items', () => void navigate({ to: '/inventory/items' })),
    go('Hidden items', () => void navigate({ to: '/inventory/items', search: { visibility: 'hidden' } })),
    go('Feeds', () => void navigate({ to: '/inventory/feeds' })),
    go('Stores', () => void navigate({ to: '/inventory/stores' })),
  );
  if (mayHold) actions.push(go('Holds', () => void navigate({ to: '/inventory/holds' })));
  if (mayAccess) actions.push(go('Access', () => void navigate({ to: '/access' })));
  return actions;
}
