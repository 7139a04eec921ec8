import { Button, Popover, SegmentedControl, useMantineColorScheme } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api } from '../api/clients';
import { setCsrfToken } from '../api/session';
import { useDensity } from '../ui/density';
import { IconDensity, IconFlask, IconMoon, IconSignOut, IconSun } from '../ui/icons';
import { toastProblem } from '../ui/toast';
import { roleLabel } from '../ui/words';
import { AccountButton } from './AccountButton';
import { queryClient } from './queries';
import css from './Shell.module.css';
import { useCaller } from './useCaller';

/** Who is signed in, and what they chose for themselves; open from the start, as its button asked for it. */
export function AccountMenu() {
  const caller = useCaller();
  const navigate = useNavigate();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const [density, setDensity] = useDensity();
  const [opened, setOpened] = useState(true);
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
    <Popover opened={opened} onChange={setOpened} position="bottom-end" width={280} trapFocus returnFocus>
      <Popover.Target>
        <AccountButton onClick={() => setOpened(!opened)} />
      </Popover.Target>
      <Popover.Dropdown p={4} aria-label="Your account and settings">
        <div className={css.who}>
          <strong>{caller?.name || caller?.subject}</strong>
          <span>{caller?.subject}</span>
          <span>{caller && roleLabel(caller.role)}{caller?.merchantId ? ` of ${caller.merchantId}` : ''}</span>
        </div>
        <hr className={css.divider} />
        <div className={css.choice}>
          <span className={css.choiceLabel}><IconSun size={14} aria-hidden /> Light or dark</span>
          <SegmentedControl
            fullWidth
            size="xs"
            aria-label="Light or dark"
            value={colorScheme}
            onChange={(value) => setColorScheme(value)}
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
            onChange={(value) => setDensity(value)}
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
        <hr className={css.divider} />
        <Button variant="subtle" color="gray" fullWidth justify="start" leftSection={<IconSignOut size={16} />} onClick={() => void signOut()}>Sign out</Button>
      </Popover.Dropdown>
    </Popover>
  );
}
