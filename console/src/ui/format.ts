import { timestampDate, type Timestamp } from '@bufbuild/protobuf/wkt';

// ISO 4217 minor-unit exponents other than 2. Browsers follow the Unicode
// locale data instead, which rounds some of these away.
const exponents: Record<string, number> = {
  BIF: 0, CLP: 0, DJF: 0, GNF: 0, ISK: 0, JPY: 0, KMF: 0, KRW: 0, PYG: 0, RWF: 0, UGX: 0, UYI: 0, VND: 0, VUV: 0,
  XAF: 0, XOF: 0, XPF: 0, BHD: 3, IQD: 3, JOD: 3, KWD: 3, LYD: 3, OMR: 3, TND: 3, CLF: 4, UYW: 4,
};

const locale = 'en';

export function currencyExponent(currency: string): number {
  return exponents[currency] ?? 2;
}

/** Minor units as decimal text, exact for any size: 1234 in USD is "12.34". */
export function minorToDecimal(minor: bigint, currency: string): string {
  const exponent = currencyExponent(currency);
  const digits = (minor < 0n ? -minor : minor).toString().padStart(exponent + 1, '0');
  const sign = minor < 0n ? '-' : '';
  if (exponent === 0) return sign + digits;
  return `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}

const moneyFormats = new Map<string, Intl.NumberFormat>();

/** Minor units in the currency's own format, with its code where the symbol is shared. */
export function formatMoney(minor: bigint | undefined, currency: string): string {
  if (minor === undefined) return '–';
  if (!/^[A-Z]{3}$/.test(currency)) return minor.toString();
  let format = moneyFormats.get(currency);
  if (!format) {
    const digits = currencyExponent(currency);
    format = new Intl.NumberFormat(locale, {
      style: 'currency',
      currency,
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    });
    moneyFormats.set(currency, format);
  }
  return format.format(minorToDecimal(minor, currency) as Intl.StringNumericLiteral);
}

const whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 });

export function formatCount(value: bigint | number): string {
  return whole.format(value);
}

export function formatCompact(value: bigint | number): string {
  return compact.format(value);
}

/** "1 item", "1,200 items". */
export function countOf(value: bigint | number, one: string, many = `${one}s`): string {
  return `${formatCount(value)} ${Number(value) === 1 ? one : many}`;
}

/** A share of a whole, never rounded to 0% or 100% when it is neither. */
export function formatShare(part: bigint | number, total: bigint | number): string {
  const whole_ = Number(total);
  if (whole_ === 0) return '–';
  const percent = (Number(part) / whole_) * 100;
  if (percent > 0 && percent < 0.1) return '<0.1%';
  if (percent < 100 && percent > 99.9) return '>99.9%';
  return `${percent.toFixed(percent === 0 || percent === 100 || percent >= 10 ? 0 : 1)}%`;
}

const byteUnits = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Bytes in decimal units, as file managers and networks count them. */
export function formatBytes(bytes: bigint | number): string {
  let value = Number(bytes);
  let unit = 0;
  while (value >= 1000 && unit < byteUnits.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${byteUnits[unit]}`;
}

/** A length of time in its two largest units: "2 h 5 min". */
export function formatDuration(milliseconds: bigint | number): string {
  const ms = Number(milliseconds);
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return withRest(minutes, 'min', Math.floor(seconds % 60), 's');
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return withRest(hours, 'h', minutes % 60, 'min');
  return withRest(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function withRest(major: number, majorUnit: string, minor: number, minorUnit: string): string {
  return minor === 0 ? `${major} ${majorUnit}` : `${major} ${majorUnit} ${minor} ${minorUnit}`;
}

export function toDate(timestamp: Timestamp | undefined): Date | undefined {
  return timestamp ? timestampDate(timestamp) : undefined;
}

const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto', style: 'long' });
const steps: [limit: number, divisor: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60, 1, 'second'],
  [3600, 60, 'minute'],
  [86_400, 3600, 'hour'],
  [86_400 * 14, 86_400, 'day'],
  [86_400 * 60, 86_400 * 7, 'week'],
  [86_400 * 365, 86_400 * 30, 'month'],
  [Infinity, 86_400 * 365, 'year'],
];

export function formatRelative(date: Date, now: Date): string {
  const seconds = (date.getTime() - now.getTime()) / 1000;
  const distance = Math.abs(seconds);
  if (distance < 5) return 'just now';
  for (const [limit, divisor, unit] of steps) {
    if (distance < limit) return relative.format(Math.trunc(seconds / divisor), unit);
  }
  return formatExact(date);
}

const exact = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'long' });
const clock = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const day = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });

export function formatExact(date: Date): string {
  return exact.format(date);
}

export function formatClock(date: Date): string {
  return clock.format(date);
}

export function formatDay(date: Date): string {
  return day.format(date);
}

/** Keeps both ends of a long id, because both are what people compare. */
export function shortenId(id: string, keep = 6): string {
  return id.length <= keep * 2 + 3 ? id : `${id.slice(0, keep)}…${id.slice(-keep)}`;
}

/** The change from before to after, as a factor where it is large: "+4.0%", "×100". */
export function formatChange(before: bigint | undefined, after: bigint | undefined): string {
  if (before === undefined || after === undefined || before === 0n) return '';
  const ratio = Number(after) / Number(before);
  if (ratio >= 3) return `×${ratio >= 10 ? Math.round(ratio) : ratio.toFixed(1)}`;
  if (ratio > 0 && ratio <= 1 / 3) return `÷${1 / ratio >= 10 ? Math.round(1 / ratio) : (1 / ratio).toFixed(1)}`;
  const percent = (ratio - 1) * 100;
  return `${percent > 0 ? '+' : percent < 0 ? '−' : ''}${Math.abs(percent).toFixed(1)}%`;
}

/** A store's name without that of its merchant, which stands beside it or is known. */
export function storeLabel(name: string, merchantName: string): string {
  const short = merchantName && name.startsWith(merchantName) ? name.slice(merchantName.length).replace(/^[\s,–-]+/, '') : '';
  return short || name;
}
