import { ActionIcon, Kbd } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { Outlet, useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useState } from 'react';
import { IconCollapse, IconExpand, IconFlask, IconMenu, IconSearch } from '../ui/icons';
import { useRemembered } from '../ui/remembered';
import { AccountButton } from './AccountButton';
import { Crumbs } from './Crumbs';
import { Brand, Nav } from './Nav';
import css from './Shell.module.css';
import { useCaller } from './useCaller';

// What opens over the page is fetched when it is asked for: nobody waits for it to see the page.
const loadAccountMenu = () => import('./AccountMenu');
const AccountMenu = lazy(() => loadAccountMenu().then((module) => ({ default: module.AccountMenu })));
const NavDrawer = lazy(() => import('./NavDrawer').then((module) => ({ default: module.NavDrawer })));
const Palette = lazy(() => import('./Palette').then((module) => ({ default: module.Palette })));

export function Shell() {
  const caller = useCaller();
  const [folded, setFolded] = useRemembered('nav.folded', false);
  const [drawer, setDrawer] = useState<'never' | 'open' | 'closed'>('never');
  const [palette, setPalette] = useState(false);
  const pathname = useRouterState({ select: (state) => state.location.pathname });
  const test = caller?.tenant === 'test';
  useHotkeys([['mod+K', () => setPalette((open) => !open)]], []);
  useEffect(() => setDrawer((before) => (before === 'never' ? before : 'closed')), [pathname]);
  const foldLabel = folded ? 'Widen the navigation' : 'Narrow the navigation';

  return (
    <div className={css.shell} data-folded={folded || undefined} data-test={test || undefined}>
      <a className={css.skip} href="#content">Skip to the page</a>
      <aside className={css.side}>
        <Brand folded={folded} />
        <Nav folded={folded} />
        <div className={css.sideFoot}>
          <ActionIcon variant="subtle" color="gray" size={32} aria-label={foldLabel} title={foldLabel} onClick={() => setFolded(!folded)}>
            {folded ? <IconExpand size={18} /> : <IconCollapse size={18} />}
          </ActionIcon>
        </div>
      </aside>
      {drawer !== 'never' && (
        <Suspense fallback={null}>
          <NavDrawer opened={drawer === 'open'} onClose={() => setDrawer('closed')} />
        </Suspense>
      )}
      <div className={css.main}>
        <header className={css.top}>
          <ActionIcon className={css.burger} variant="subtle" color="gray" size={36} aria-label="Open the navigation" onClick={() => setDrawer('open')}>
            <IconMenu size={20} />
          </ActionIcon>
          <Crumbs />
          <div className={css.topEnd}>
            {test && (
              <span className={css.testBadge}>
                <IconFlask size={14} aria-hidden /> Test tenant
              </span>
            )}
            {caller?.demo && !test && <span className={css.demoBadge}>Demo data</span>}
            <button type="button" className={css.find} onClick={() => setPalette(true)} aria-keyshortcuts="Control+K">
              <IconSearch size={16} aria-hidden />
              <span className={css.findText}>Find anything</span>
              <Kbd size="xs" className={css.findKeys} aria-hidden>Ctrl K</Kbd>
            </button>
            <Account />
          </div>
        </header>
        <main id="content" className={css.content} tabIndex={-1}>
          {/* Another tenant is another world, so its pages start afresh. */}
          <Outlet key={caller?.tenant} />
        </main>
      </div>
      {palette && (
        <Suspense fallback={null}>
          <Palette onClose={() => setPalette(false)} />
        </Suspense>
      )}
    </div>
  );
}

/** The button of the account menu; the menu and what it is made of are fetched when somebody reaches for it. */
function Account() {
  const [wanted, setWanted] = useState(false);
  const button = <AccountButton aria-haspopup="dialog" onPointerEnter={() => void loadAccountMenu()} onFocus={() => void loadAccountMenu()} onClick={() => setWanted(true)} />;
  return wanted ? <Suspense fallback={button}><AccountMenu /></Suspense> : button;
}
