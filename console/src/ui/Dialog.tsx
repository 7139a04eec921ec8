import { CloseButton, Modal } from '@mantine/core';
import type { ReactNode } from 'react';
import css from './Dialog.module.css';

/** A modal dialog under a name, closed by Escape, by its button or from outside. */
export function Dialog({ title, onClose, keepOpen, children }: {
  title: string;
  onClose: () => void;
  /** Leaves only the deliberate ways to close it. */
  keepOpen?: boolean;
  children: ReactNode;
}) {
  return (
    <Modal opened onClose={onClose} withCloseButton={false} padding={0} closeOnClickOutside={!keepOpen} attributes={{ content: { 'aria-label': title } }}>
      {/* The library's own head is a header element, which reads as a second banner of the page. */}
      <div className={css.head}>
        <h2>{title}</h2>
        <CloseButton aria-label="Close" onClick={onClose} />
      </div>
      <div className={css.body}>{children}</div>
    </Modal>
  );
}
