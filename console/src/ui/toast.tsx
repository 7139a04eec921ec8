import { Button, CloseButton } from '@mantine/core';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { toProblem } from '../api/problem';
import css from './toast.module.css';
import { Notice } from './surface';
import type { Tone } from './words';

export interface Toast {
  tone: Tone;
  title: string;
  detail?: string;
  /** Takes the action back; the button is offered while the message is shown. */
  undo?: () => void;
}

interface Shown extends Toast {
  id: number;
}

let shown: readonly Shown[] = [];
let nextId = 1;
const listeners = new Set<() => void>();

function change(to: readonly Shown[]): void {
  shown = to;
  for (const notify of listeners) notify();
}

/** Says at the edge of the page what has just happened. */
export function toast(message: Toast): void {
  change([...shown.slice(-2), { ...message, id: nextId++ }]);
}

export function toastProblem(error: unknown): void {
  const problem = toProblem(error);
  const quote = problem.requestId ? ` (request ${problem.requestId})` : '';
  toast({ tone: 'bad', title: problem.title, detail: problem.detail + quote });
}

function dismiss(id: number): void {
  change(shown.filter((message) => message.id !== id));
}

export function Toasts() {
  const messages = useSyncExternalStore(
    (notify) => {
      listeners.add(notify);
      return () => listeners.delete(notify);
    },
    () => shown,
  );
  return (
    <section className={css.region} aria-label="Messages" aria-live="polite">
      {messages.map((message) => (
        <Message key={message.id} message={message} />
      ))}
    </section>
  );
}

function Message({ message }: { message: Shown }) {
  const [paused, setPaused] = useState(false);
  // An undo and an error stay until they were read; a plain word of success goes.
  const lifetimeMs = message.undo ? 20_000 : message.tone === 'bad' ? 0 : 5_000;
  useEffect(() => {
    if (lifetimeMs === 0 || paused) return;
    const timer = setTimeout(() => dismiss(message.id), lifetimeMs);
    return () => clearTimeout(timer);
  }, [message.id, lifetimeMs, paused]);
  const { undo } = message;
  return (
    <div
      className={css.toast}
      onMouseEnter={() => setPaused(true)}
      onMouseLeave={() => setPaused(false)}
      onFocus={() => setPaused(true)}
      onBlur={() => setPaused(false)}
    >
      <Notice
        tone={message.tone}
        title={message.title}
        action={
          <span className={css.actions}>
            {undo && (
              <Button
                size="compact-sm"
                variant="default"
                onClick={() => {
                  dismiss(message.id);
                  undo();
                }}
              >
                Undo
              </Button>
            )}
            <CloseButton size="sm" c="inherit" aria-label="Dismiss message" onClick={() => dismiss(message.id)} />
          </span>
        }
      >
        {message.detail}
      </Notice>
    </div>
  );
}
