import { Checkbox, Menu } from '@mantine/core';
import { ColumnsButton } from './ColumnsButton';
import type { ColumnChoiceProps } from './DataTable';

/** Which columns a table shows; open from the start, as its button asked for it. */
export function ColumnsMenu({ label, choices, onToggle }: ColumnChoiceProps) {
  const last = choices.filter((choice) => choice.shown).length === 1;
  return (
    <Menu position="bottom-end" closeOnItemClick={false} defaultOpened>
      <Menu.Target>
        <ColumnsButton aria-label={label} />
      </Menu.Target>
      <Menu.Dropdown>
        {choices.map(({ key, title, shown }) => (
          <Menu.Item
            key={key}
            disabled={last && shown}
            onClick={() => onToggle(key, !shown)}
            leftSection={<Checkbox.Indicator checked={shown} size="xs" />}
            role="menuitemcheckbox"
            aria-checked={shown}
          >
            {title}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
