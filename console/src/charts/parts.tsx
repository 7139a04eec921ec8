import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { formatCount, formatShare } from '../ui/format';
import type { Tone } from '../ui/words';
import css from './charts.module.css';

export interface Part {
  label: string;
  value: number;
  tone: Tone;
  /** Tells two parts of the same tone apart. */
  faint?: boolean;
}

/** One whole as a bar of its parts, each with its number below. */
export function StackedBar({ label, parts }: { label: string; parts: readonly Part[] }) {
  const total = parts.reduce((sum, part) => sum + part.value, 0);
  const spoken = `${label}: ${parts.map((part) => `${part.label} ${formatCount(part.value)}`).join(', ')}`;
  return (
    <div className={css.stack} role="img" aria-label={spoken}>
      {total > 0 &&
        parts
          .filter((part) => part.value > 0)
          .map((part) => (
            <div key={part.label} className={`${css.segment} ${css[part.tone]}`} data-faint={part.faint || undefined} style={{ flexGrow: part.value }} title={`${part.label}: ${formatCount(part.value)}`} />
          ))}
    </div>
  );
}

export function PartNumbers({ parts, total }: { parts: readonly Part[]; total: number }) {
  return (
    <dl className={css.parts}>
      {parts.map((part) => (
        <div key={part.label}>
          <dt className={css.partLabel}>
            <span className={`${css.swatch} ${css[part.tone]}`} data-faint={part.faint || undefined} aria-hidden />
            {part.label}
          </dt>
          <dd>
            <span className={css.partValue}>{formatCount(part.value)}</span>{' '}
            <span className={css.partLabel} style={{ display: 'inline' }}>{formatShare(part.value, total)}</span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

export interface Bar {
  key: string;
  label: ReactNode;
  value: number;
  tone: Tone;
  href?: string;
  search?: Record<string, string>;
}

/** Labelled bars, longest first, measured against the longest. */
export function BarList({ bars, total, unit }: { bars: readonly Bar[]; total: number; unit: string }) {
  const ordered = [...bars].sort((a, b) => b.value - a.value);
  const longest = ordered[0]?.value ?? 0;
  return (
    <ul className={css.bars}>
      {ordered.map((bar) => {
        const body = (
          <>
            <span className={css.barHead}>
              <span className={css.barLabel}>{bar.label}</span>
              <span className={css.barValue}>
                {formatCount(bar.value)} <span className="unseen">{unit}</span>
                <span className={css.barShare}>{formatShare(bar.value, total)}</span>
              </span>
            </span>
            <span className={css.barTrack} aria-hidden>
              <span className={`${css.barFill} ${css[bar.tone]}`} style={{ display: 'block', width: `${longest ? Math.max((bar.value / longest) * 100, 0.5) : 0}%` }} />
            </span>
          </>
        );
        return (
          <li key={bar.key}>
            {bar.href ? <Link to={bar.href} search={bar.search} className={css.bar}>{body}</Link> : <div className={css.bar}>{body}</div>}
          </li>
        );
      })}
    </ul>
  );
}
