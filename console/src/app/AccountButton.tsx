import { ActionIcon, type ActionIconProps } from '@mantine/core';
import type { ComponentPropsWithRef } from 'react';
import { IconUser } from '../ui/icons';

/** The same button before and after the menu behind it has been fetched. */
export function AccountButton(props: ActionIconProps & ComponentPropsWithRef<'button'>) {
  return (
    <ActionIcon variant="subtle" color="gray" size={36} aria-label="Your account and settings" {...props}>
      <IconUser size={20} />
    </ActionIcon>
  );
}
