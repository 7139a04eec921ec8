import { useQuery } from '@tanstack/react-query';
import { Link, useMatches } from '@tanstack/react-router';
import { useEffect } from 'react';
import { shortenId } from '../ui/format';
import { IconChevronRight } from '../ui/icons';
import { itemStoryQuery, storesQuery } from './queries';
import css from './Shell.module.css';

interface Place {
  name: string;
  to?: string;
}

/** Where this page is, from the outermost to itself; it also names the browser's tab. */
export function Crumbs() {
  const matches = useMatches();
  // The names of stores are used where they happen to be known: a crumb is no reason to fetch.
  const { data: stores } = useQuery({ ...storesQuery(), enabled: false });
  const itemParams = matches.at(-1)?.params as Record<string, string | undefined> | undefined;
  const { data: itemStory } = useQuery({ ...itemStoryQuery(itemParams?.merchantId ?? '', itemParams?.storeId ?? '', itemParams?.itemId ?? ''), enabled: false });
  const places: Place[] = [];
  for (const match of matches) {
    const { crumb, crumbTo } = match.staticData;
    const params = match.params as Record<string, string | undefined>;
    const { merchantId = '', storeId = '', itemId = '', feedId = '' } = params;
    const storeName = stores?.find((one) => one.merchantId === merchantId && one.storeId === storeId)?.name ?? (itemStory?.item?.storeName || `Store ${storeId}`);
    if (!crumb) continue;
    if (crumb === 'feed') places.push({ name: 'Feeds', to: '/inventory/feeds' }, { name: shortenId(feedId) });
    else if (crumb === 'store') places.push({ name: 'Stores', to: '/inventory/stores' }, { name: storeName });
    else if (crumb === 'item') {
      places.push(
        { name: 'Stores', to: '/inventory/stores' },
        { name: storeName, to: `/inventory/stores/${encodeURIComponent(merchantId)}/${encodeURIComponent(storeId)}` },
        { name: itemStory?.item?.name || itemId },
      );
    } else places.push({ name: crumb, to: crumbTo });
  }
  const here = places.at(-1)?.name;
  useEffect(() => {
    document.title = here ? `${here} – Bodega` : 'Bodega';
  }, [here]);
  return (
    <nav aria-label="Breadcrumbs" className={css.crumbs}>
      <ol>
        {places.map((place, index) => (
          <li key={index} className={css.crumb}>
            {index > 0 && <IconChevronRight size={14} aria-hidden />}
            {place.to && index < places.length - 1 ? <Link to={place.to} activeOptions={{ exact: true, includeSearch: false }}>{place.name}</Link> : <span aria-current="page">{place.name}</span>}
          </li>
        ))}
      </ol>
    </nav>
  );
}
