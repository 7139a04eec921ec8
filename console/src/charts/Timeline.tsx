import { useElementSize } from '@mantine/hooks';
import type { KeyboardEvent, PointerEvent } from 'react';
import { formatClock, formatCompact, formatCount, formatDay } from '../ui/format';
import type { Tone } from '../ui/words';
import css from './charts.module.css';
import { niceCeiling, usualRange } from './scale';

export interface Series {
  label: string;
  tone: Tone;
  values: readonly number[];
  /** Draws the range that this series usually keeps to. */
  showUsual?: boolean;
}

export interface TimelineProps {
  label: string;
  at: readonly Date[];
  series: readonly Series[];
  unit: string;
  height?: number;
  /** The instant that every chart of the page points at, as an index. */
  hovered: number | undefined;
  onHover: (index: number | undefined) => void;
}

const lineTone: Record<Tone, string | undefined> = { info: css.lineInfo, warn: css.lineWarn, bad: css.lineBad, ok: css.lineOk, quiet: css.lineQuiet };
const labelTone: Record<Tone, string | undefined> = { info: css.labelInfo, warn: css.labelWarn, bad: css.labelBad, ok: css.labelOk, quiet: css.labelQuiet };
const margin = { left: 40, right: 8, top: 18, bottom: 22 };

export function Timeline({ label, at, series, unit, height = 180, hovered, onHover }: TimelineProps) {
  const { ref, width } = useElementSize<HTMLDivElement>();
  const plotWidth = Math.max(width - margin.left - margin.right, 10);
  const plotHeight = height - margin.top - margin.bottom;
  const last = at.length - 1;
  // Rows are whole: a chart of nothing, or of one, has no half in the middle.
  const top = niceCeiling(Math.max(...series.flatMap((one) => one.values), 2));
  const x = (index: number) => margin.left + (last > 0 ? (index / last) * plotWidth : plotWidth / 2);
  const y = (value: number) => margin.top + plotHeight - (value / top) * plotHeight;
  const spanMs = last > 0 ? at[last]!.getTime() - at[0]!.getTime() : 0;
  const name = (date: Date) => (spanMs > 36 * 3600_000 ? formatDay(date) : formatClock(date));
  const ticks = [...new Set([0, Math.round(last / 3), Math.round((2 * last) / 3), last])].filter((index) => index >= 0);

  const onPointerMove = (event: PointerEvent<SVGSVGElement>) => {
    const box = event.currentTarget.getBoundingClientRect();
    const index = Math.round(((event.clientX - box.left - margin.left) / plotWidth) * last);
    onHover(index >= 0 && index <= last ? index : undefined);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowLeft') onHover(Math.max((hovered ?? last + 1) - 1, 0));
    else if (event.key === 'ArrowRight') onHover(Math.min((hovered ?? -1) + 1, last));
    else if (event.key === 'Escape') onHover(undefined);
    else return;
    event.preventDefault();
  };

  const spoken = series
    .map((one) => `${one.label}: ${formatCount(one.values.reduce((sum, value) => sum + value, 0))} ${unit} in all, most at once ${formatCount(Math.max(...one.values, 0))}`)
    .join('. ');
  const shown = hovered !== undefined && hovered <= last ? hovered : undefined;

  return (
    <div
      ref={ref}
      className={css.plot}
      tabIndex={0}
      role="img"
      aria-label={`${label}. ${spoken}. Arrow keys move along the time.`}
      onKeyDown={onKeyDown}
      onBlur={() => onHover(undefined)}
      style={{ height }}
    >
      {width > 0 && (
        <svg height={height} viewBox={`0 0 ${width} ${height}`} onPointerMove={onPointerMove} onPointerLeave={() => onHover(undefined)} aria-hidden>
          {[0, top / 2, top].map((value) => (
            <g key={value}>
              <line className={css.grid} x1={margin.left} x2={width - margin.right} y1={y(value)} y2={y(value)} />
              <text className={css.axis} x={margin.left - 8} y={y(value) + 4} textAnchor="end">{formatCompact(value)}</text>
            </g>
          ))}
          {ticks.map((index) => (
            <text key={index} className={css.axis} x={x(index)} y={height - 4} textAnchor={index === 0 ? 'start' : index === last ? 'end' : 'middle'}>
              {name(at[index]!)}
            </text>
          ))}
          {series.map((one) => {
            const usual = one.showUsual ? usualRange(one.values) : undefined;
            return usual && (
              <g key={one.label}>
                <rect className={css.usual} x={margin.left} width={plotWidth} y={y(Math.min(usual.high, top))} height={Math.max(y(usual.low) - y(usual.high), 1)} />
                <text className={css.usualLabel} x={width - margin.right} y={y(usual.high) - 4} textAnchor="end">usual range</text>
              </g>
            );
          })}
          {series.map((one) => (
            <path key={one.label} className={`${css.line} ${lineTone[one.tone]}`} d={one.values.map((value, index) => `${index === 0 ? 'M' : 'L'}${x(index).toFixed(1)} ${y(value).toFixed(1)}`).join('')} />
          ))}
          {/* The names stand in a row above the lines, where they cannot collide. */}
          <text y={10}>
            {series.map((one, index) => (
              <tspan key={one.label} className={`${css.label} ${labelTone[one.tone]}`} x={index === 0 ? margin.left : undefined} dx={index === 0 ? 0 : 14}>
                — {one.label}
              </tspan>
            ))}
          </text>
          {shown !== undefined && (
            <>
              <line className={css.cursor} x1={x(shown)} x2={x(shown)} y1={margin.top} y2={margin.top + plotHeight} />
              {series.map((one) => (
                <circle key={one.label} className={css[one.tone]} cx={x(shown)} cy={y(one.values[shown] ?? 0)} r={3.5} />
              ))}
            </>
          )}
        </svg>
      )}
      {shown !== undefined && (
        <div className={css.readout} style={x(shown) > width / 2 ? { right: width - x(shown) + 10 } : { left: x(shown) + 10 }}>
          <div>{formatDay(at[shown]!)} {formatClock(at[shown]!)}</div>
          {series.map((one) => (
            <div key={one.label}>{one.label}: <strong>{formatCount(one.values[shown] ?? 0)}</strong> {unit}</div>
          ))}
        </div>
      )}
    </div>
  );
}
