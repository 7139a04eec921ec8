import { ActionIcon, CloseButton, Drawer, Kbd, Menu, SegmentedControl, Tooltip, useMantineColorScheme } from '@mantine/core';
import { useHotkeys } from '@mantine/hooks';
import { Link, Outlet, useNavigate, useRouterState } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useState, type ReactNode } from 'react';
import { api } from '../api/clients';
import { setCsrfToken } from '../api/session';
import { useDensity, type Density } from '../ui/density';
import {
  IconCollapse, IconDensity, IconExpand, IconFeed, IconFlask, IconHold, IconItems, IconKey, IconMapping, IconMenu, IconMoon, IconOverview, IconSearch,
  IconSignOut, IconStore, IconSun, IconToday, IconUser,
} from '../ui/icons';
import { useRemembered } from '../ui/remembered';
import { toastProblem } from '../ui/toast';
import { roleLabel } from '../ui/words';
import { Crumbs } from './Crumbs';
import { queryClient } from './queries';
import css from './Shell.module.css';
import { useCaller, useMay } from './useCaller';

const Palette = lazy(() => import('./Palette').then((module) => ({ default: module.Palette })));

export function Shell() {
  const caller = useCaller();
  const [folded, setFolded] = useRemembered('nav.folded', false);
  const [drawer, setDrawer] = useState(false);
  const [palette, setPalette] = useState(false);
  const pathname = useRouterState({ select: (state) => state.location.pathname });
  const test = caller?.tenant === 'test';
  useHotkeys([['mod+K', () => setPalette((open) => !open)]], []);
  useEffect(() => setDrawer(false), [pathname]);

  return (
    <div className={css.shell} data-folded={folded || undefined} data-test={test || undefined}>
      <a className={css.skip} href="#content">Skip to the page</a>
      <aside className={css.side}>
        <Brand folded={folded} />
        <Nav folded={folded} />
        <div className={css.sideFoot}>
          <Tooltip label={folded ? 'Widen the navigation' : 'Narrow the navigation'} position="right">
            <ActionIcon variant="subtle" color="gray" size={32} aria-label={folded ? 'Widen the navigation' : 'Narrow the navigation'} onClick={() => setFolded(!folded)}>
              {folded ? <IconExpand size={18} /> : <IconCollapse size={18} />}
            </ActionIcon>
          </Tooltip>
        </div>
      </aside>
      <Drawer opened={drawer} onClose={() => setDrawer(false)} size={264} withCloseButton={false} attributes={{ content: { 'aria-label': 'Navigation' } }}>
        <div className={css.drawerHead}>
          <Brand folded={false} />
          <CloseButton aria-label="Close the navigation" onClick={() => setDrawer(false)} />
        </div>
        <Nav folded={false} />
      </Drawer>
      <div className={css.main}>
        <header className={css.top}>
          <ActionIcon className={css.burger} variant="subtle" color="gray" size={36} aria-label="Open the navigation" onClick={() => setDrawer(true)}>
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
            <AccountMenu />
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

function Brand({ folded }: { folded: boolean }) {
  return (
    <Link to="/today" className={css.brand} aria-label="Bodega: Today">
      <svg width="26" height="26" viewBox="0 0 32 32" aria-hidden>
        <rect width="32" height="32" rx="7" fill="#3d4fc4" />
        <path d="M6 13.5 8.2 7h15.6l2.2 6.5a3.3 3.3 0 0 1-6.6 0 3.4 3.4 0 0 1-6.8 0 3.3 3.3 0 0 1-6.6 0Z" fill="#fff" />
        <path d="M8.5 18.5V25h15v-6.5" fill="none" stroke="#fff" strokeWidth="2.4" />
      </svg>
      {!folded && <span>Bodega</span>}
    </Link>
  );
}

function Nav({ folded }: { folded: boolean }) {
  const mayHold = useMay('inventory.hold.read');
  const mayMap = useMay('inventory.mapping.read');
  const mayAccess = useMay('identity.user.read');
  return (
    <nav className={css.nav} aria-label="Main">
      <NavLink to="/today" icon={<IconToday size={18} />} folded={folded}>Today</NavLink>
      <div className={css.group} aria-hidden={folded || undefined}>{folded ? '' : 'Marketplace · Inventory'}</div>
      <NavLink to="/inventory" exact icon={<IconOverview size={18} />} folded={folded}>Overview</NavLink>
      <NavLink to="/inventory/items" icon={<IconItems size={18} />} folded={folded}>Items</NavLink>
      <NavLink to="/inventory/feeds" icon={<IconFeed size={18} />} folded={folded}>Feeds</NavLink>
      {mayHold && <NavLink to="/inventory/holds" icon={<IconHold size={18} />} folded={folded}>Holds</NavLink>}
      <NavLink to="/inventory/stores" icon={<IconStore size={18} />} folded={folded}>Stores</NavLink>
      {mayMap && <NavLink to="/inventory/mappings" icon={<IconMapping size={18} />} folded={folded}>Mappings</NavLink>}
      {mayAccess && (
        <>
          <div className={css.group} aria-hidden={folded || undefined}>{folded ? '' : 'Administration'}</div>
          <NavLink to="/access" icon={<IconKey size={18} />} folded={folded}>Access</NavLink>
        </>
      )}
    </nav>
  );
}

function NavLink({ to, exact, icon, folded, children }: { to: string; exact?: boolean; icon: ReactNode; folded: boolean; children: string }) {
  const link = (
    <Link to={to} className={css.link} activeOptions={{ exact: exact ?? false, includeSearch: false }} aria-label={folded ? children : undefined}>
      <span aria-hidden className={css.linkIcon}>{icon}</span>
      {!folded && children}
    </Link>
  );
  return folded ? <Tooltip label={children} position="right">{link}</Tooltip> : link;
}

function AccountMenu() {
  const caller = useCaller();
  const navigate = useNavigate();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [density, setDensity] = useDensity();
  const tenants = caller?.tenants ?? [];
  const signOut = async () => {
    try {
      await api().identity.signOut({});
    } catch (error) {
      toastProblem(error);
      return;
    }
    setCsrfToken('');
    queryClient.clear();
    await navigate({ to: '/sign-in', search: {} });
  };
  return (
    <Menu position="bottom-end" width={280} closeOnItemClick={false}>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size={36} aria-label="Your account and settings">
          <IconUser size={20} />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <div className={css.who}>
          <strong>{caller?.name || caller?.subject}</strong>
          <span>{caller?.subject}</span>
          <span>{caller && roleLabel(caller.role)}{caller?.merchantId ? ` of ${caller.merchantId}` : ''}</span>
        </div>
        <Menu.Divider />
        <div className={css.choice}>
          <span className={css.choiceLabel}><IconSun size={14} aria-hidden /> Light or dark</span>
          <SegmentedControl
            fullWidth
            size="xs"
            aria-label="Light or dark"
            value={colorScheme}
            onChange={(value) => setColorScheme(value as 'light' | 'dark' | 'auto')}
            data={[{ value: 'light', label: 'Light' }, { value: 'dark', label: <><IconMoon size={12} aria-hidden /> Dark</> }, { value: 'auto', label: 'System' }]}
          />
        </div>
        <div className={css.choice}>
          <span className={css.choiceLabel}><IconDensity size={14} aria-hidden /> Density</span>
          <SegmentedControl
            fullWidth
            size="xs"
            aria-label="Density"
            value={density}
            onChange={(value) => setDensity(value as Density)}
            data={[{ value: 'comfortable', label: 'Comfortable' }, { value: 'compact', label: 'Compact' }]}
          />
        </div>
        {tenants.length > 1 && (
          <div className={css.choice}>
            <span className={css.choiceLabel}><IconFlask size={14} aria-hidden /> Tenant</span>
            <SegmentedControl
              fullWidth
              size="xs"
              aria-label="Tenant"
              value={caller?.tenant ?? ''}
              onChange={(tenant) => void navigate({ to: '/today', search: { tenant } })}
              data={tenants}
            />
          </div>
        )}
        <Menu.Divider />
        <Menu.Item leftSection={<IconSignOut size={16} />} onClick={() => void signOut()} closeMenuOnClick>Sign out</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
