import { Skeleton } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import css from './surface.module.css';
import type { Tone, Word } from './words';
import { IconAlert, IconCheck, IconCircle, IconInfo, IconX } from './icons';

export { css as surface };

export function PageHead({ title, lede, children }: { title: ReactNode; lede?: ReactNode; children?: ReactNode }) {
  return (
    <div className={css.pageHead}>
      <div>
        <h1>{title}</h1>
        {lede !== undefined && <div className={css.lede}>{lede}</div>}
      </div>
      {children !== undefined && <div className={css.actions}>{children}</div>}
    </div>
  );
}

export function Card({ title, note, aside, children, flush }: {
  title?: ReactNode;
  note?: ReactNode;
  aside?: ReactNode;
  children: ReactNode;
  /** Lets the content touch the border, as tables do. */
  flush?: boolean;
}) {
  return (
    <section className={css.card}>
      {title !== undefined && (
        <div className={css.cardHead}>
          <div>
            <h2>{title}</h2>
            {note !== undefined && <div className={css.cardNote}>{note}</div>}
          </div>
          {aside}
        </div>
      )}
      {flush ? children : <div className={css.cardBody}>{children}</div>}
    </section>
  );
}

export function Metric({ label, value, note, href }: { label: ReactNode; value: ReactNode; note?: ReactNode; href?: string }) {
  const body = (
    <>
      <div className={css.metricLabel}>{label}</div>
      <div className={css.metricValue}>{value}</div>
      {note !== undefined && <div className={css.metricNote}>{note}</div>}
    </>
  );
  return href ? <Link to={href} className={css.metric}>{body}</Link> : <div className={css.metric}>{body}</div>;
}

const toneIcons = { ok: IconCheck, warn: IconAlert, bad: IconX, info: IconInfo, quiet: IconCircle } as const;

/** A state by colour, icon and word together. */
export function State({ word, title }: { word: Word; title?: string }) {
  const Icon = toneIcons[word.tone];
  return (
    <span className={`${css.state} ${css[word.tone]}`} title={title}>
      <Icon size={13} stroke={2.2} aria-hidden />
      <span className={css.stateText}>{word.label}</span>
    </span>
  );
}

export function Notice({ tone, title, children, action }: { tone: Tone; title: ReactNode; children?: ReactNode; action?: ReactNode }) {
  const Icon = toneIcons[tone];
  return (
    <div className={`${css.notice} ${css[tone]}`}>
      <Icon size={20} aria-hidden />
      <div className={css.noticeBody}>
        <div className={css.noticeTitle}>{title}</div>
        {children !== undefined && <div>{children}</div>}
      </div>
      {action}
    </div>
  );
}

export function Facts({ children }: { children: ReactNode }) {
  return <dl className={css.facts}>{children}</dl>;
}

export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

/** Grey lines in the place of text that is on its way. */
export function SkeletonLines({ lines, height = 14 }: { lines: number; height?: number }) {
  return (
    <div style={{ display: 'grid', gap: 14 }} aria-hidden>
      {Array.from({ length: lines }, (_, line) => (
        <Skeleton key={line} height={height} width={`${92 - ((line * 37) % 40)}%`} />
      ))}
    </div>
  );
}
