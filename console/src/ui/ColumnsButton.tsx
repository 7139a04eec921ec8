import { ActionIcon, type ActionIconProps } from '@mantine/core';
import type { ComponentPropsWithRef } from 'react';
import { IconColumns } from './icons';

/** The same button before and after the menu behind it has been fetched. */
export function ColumnsButton(props: ActionIconProps & ComponentPropsWithRef<'button'>) {
  return (
    <ActionIcon variant="default" size={32} title="Columns" {...props}>
      <IconColumns size={16} />
    </ActionIcon>
  );
}
