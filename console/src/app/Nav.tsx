import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { IconFeed, IconHold, IconItems, IconKey, IconMapping, IconOverview, IconStore, IconToday } from '../ui/icons';
import css from './Shell.module.css';
import { useMay } from './useCaller';

export function Brand({ folded }: { folded: boolean }) {
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

export function Nav({ folded }: { folded: boolean }) {
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
  return (
    <Link to={to} className={css.link} activeOptions={{ exact: exact ?? false, includeSearch: false }} aria-label={folded ? children : undefined} title={folded ? children : undefined}>
      <span aria-hidden className={css.linkIcon}>{icon}</span>
      {!folded && children}
    </Link>
  );
}
