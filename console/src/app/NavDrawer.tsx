import { CloseButton, Drawer } from '@mantine/core';
import { Brand, Nav } from './Nav';
import css from './Shell.module.css';

/** The navigation of a narrow screen. */
export function NavDrawer({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  return (
    <Drawer opened={opened} onClose={onClose} size={264} withCloseButton={false} attributes={{ content: { 'aria-label': 'Navigation' } }}>
      <div className={css.drawerHead}>
        <Brand folded={false} />
        <CloseButton aria-label="Close the navigation" onClick={onClose} />
      </div>
      <Nav folded={false} />
    </Drawer>
  );
}
