import { ActionIcon, Button } from '@mantine/core';
import { useSyncExternalStore, type ReactNode } from 'react';
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import { toProblem } from '../api/problem';
import { formatChange, formatExact, formatMoney, formatRelative, shortenId, toDate } from './format';
import { IconCopy } from './icons';
import { Notice, surface } from './surface';
import { toast } from './toast';

// One clock for every relative time on the page, so that they move together.
let now = new Date();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = new Date();
    for (const notify of listeners) notify();
  }, 10_000);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

export function useNow(): Date {
  return useSyncExternalStore(subscribe, () => now);
}

/** A relative time with the exact one on hover and for screen readers. */
export function When({ at, empty = '–' }: { at: Timestamp | undefined; empty?: string }) {
  const current = useNow();
  const date = toDate(at);
  if (!date) return <span>{empty}</span>;
  // The page's clock may lag behind a time that has just been stamped.
  const reference = date > current ? new Date() : current;
  // The browser's own tooltip: a table draws hundreds of times, and a component for each would cost its scrolling.
  return <time dateTime={date.toISOString()} title={formatExact(date)}>{formatRelative(date, reference)}</time>;
}

export function Money({ minor, currency, per }: { minor: bigint | undefined; currency: string; per?: string }) {
  return (
    <span className="tabular">
      {formatMoney(minor, currency)}
      {minor !== undefined && per && per !== 'each' && <span className={surface.second}> / {per}</span>}
    </span>
  );
}

/** From one price to another, with how far it moved. */
export function PriceMove({ before, after, currency }: { before?: bigint; after?: bigint; currency: string }) {
  const change = formatChange(before, after);
  return (
    <span className="tabular">
      {formatMoney(before, currency)} <span aria-hidden>→</span>
      <span className="unseen"> to </span> <strong>{formatMoney(after, currency)}</strong>
      {change && <span className={surface.second}> {change}</span>}
    </span>
  );
}

export async function copyText(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast({ tone: 'ok', title: `${what} copied` });
  } catch {
    toast({ tone: 'warn', title: `The browser did not allow copying`, detail: text });
  }
}

export function CopyId({ id, what = 'Id', keep }: { id: string; what?: string; keep?: number }) {
  if (!id) return <span>–</span>;
  return (
    <button type="button" className={surface.copy} title={id} onClick={() => void copyText(id, what)}>
      <span aria-hidden>{shortenId(id, keep)}</span>
      <span className="unseen">Copy {what.toLowerCase()} {id}</span>
      <IconCopy size={13} aria-hidden />
    </button>
  );
}

// Dates, parts and endings stand at the end of a file's name.
const nameEnd = 12;

/** A file's name that gives way in its middle where there is no room. */
export function FileName({ name }: { name: string }) {
  const cut = name.length - nameEnd;
  if (cut < 6) return <>{name}</>;
  return (
    <span className={surface.middle} title={name}>
      <span className={surface.middleHead}>{name.slice(0, cut)}</span>
      <span>{name.slice(cut)}</span>
    </span>
  );
}

/** The command that does the same as the page, ready to copy. */
export function Command({ children }: { children: string }) {
  return (
    <div className={surface.command}>
      <code>{children}</code>
      <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`Copy command ${children}`} onClick={() => void copyText(children, 'Command')}>
        <IconCopy size={14} />
      </ActionIcon>
    </div>
  );
}

export function Empty({ icon, title, children, action, command }: {
  icon: ReactNode;
  title: string;
  children?: ReactNode;
  action?: ReactNode;
  command?: string;
}) {
  return (
    <div className={surface.empty}>
      <div className={surface.emptyIcon} aria-hidden>{icon}</div>
      <h2>{title}</h2>
      {children && <p>{children}</p>}
      {action}
      {command && (
        <>
          <span className={surface.second}>The same from a terminal</span>
          <Command>{command}</Command>
        </>
      )}
    </div>
  );
}

/** What went wrong, in words, with the id to quote and a way to try again. */
export function ProblemNotice({ error, retry }: { error: unknown; retry?: () => void }) {
  const problem = toProblem(error);
  return (
    <div role="alert">
      <Notice
        tone="bad"
        title={problem.title}
        action={retry && problem.retryable ? <Button variant="default" onClick={retry}>Try again</Button> : undefined}
      >
        <div>{problem.detail}</div>
        {problem.requestId && (
          <div>
            Request <CopyId id={problem.requestId} what="Request id" />
          </div>
        )}
      </Notice>
    </div>
  );
}
