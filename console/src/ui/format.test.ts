import { describe, expect, it } from 'vitest';
import { formatBytes, formatChange, formatDuration, formatMoney, formatRelative, formatShare, minorToDecimal, shortenId } from './format';

describe('money', () => {
  it.each([
    [1234n, 'USD', '$12.34'],
    [5n, 'CAD', 'CA$0.05'],
    [-250n, 'AUD', '-A$2.50'],
    [1234n, 'JPY', '¥1,234'],
    [1234n, 'KWD', 'KWD 1.234'],
    // The locale data of browsers says that dinars have no fractions; ISO 4217 says three digits.
    [1234n, 'IQD', 'IQD 1.234'],
    [9007199254740993123n, 'USD', '$90,071,992,547,409,931.23'],
    [12n, '', '12'],
  ])('%s %s is %s', (minor, currency, want) => {
    expect(formatMoney(minor, currency).replaceAll('\u00a0', ' ')).toBe(want);
  });

  it('shows a dash where no price is known', () => expect(formatMoney(undefined, 'USD')).toBe('–'));

  it('loses no digit on the way to decimal text', () => {
    for (const exponent of ['JPY', 'USD', 'KWD', 'CLF']) {
      for (const minor of [0n, 1n, -1n, 9n, 10n, 99n, 100n, -1005n, 123456789012345678n]) {
        const text = minorToDecimal(minor, exponent);
        expect(BigInt(text.replace('.', ''))).toBe(minor);
      }
    }
  });
});

it.each([
  [0, 10, '0%'],
  [1, 100000, '<0.1%'],
  [99999, 100000, '>99.9%'],
  [10, 10, '100%'],
  [1, 3, '33%'],
  [1, 30, '3.3%'],
  [1, 0, '–'],
])('%s of %s is %s', (part, total, want) => expect(formatShare(part, total)).toBe(want));

it.each([
  [999, '999 B'],
  [1000, '1.0 kB'],
  [123_456_789, '123 MB'],
  [1_500_000_000n, '1.5 GB'],
])('%s bytes are %s', (bytes, want) => expect(formatBytes(bytes)).toBe(want));

it.each([
  [12, '12 ms'],
  [1500, '1.5 s'],
  [61_000, '1 min 1 s'],
  [3_600_000, '1 h'],
  [31n * 3_600_000n, '31 h'],
  [50 * 3_600_000, '2 d 2 h'],
])('%s ms are %s', (ms, want) => expect(formatDuration(ms)).toBe(want));

it.each([
  [100n, 104n, '+4.0%'],
  [100n, 96n, '−4.0%'],
  [100n, 10000n, '×100'],
  [10000n, 100n, '÷100'],
  [0n, 5n, ''],
  [undefined, 5n, ''],
])('from %s to %s is %s', (before, after, want) => expect(formatChange(before, after)).toBe(want));

it.each([
  [-2, 'just now'],
  [-90, '1 minute ago'],
  [-3 * 3600, '3 hours ago'],
  [-26 * 3600, 'yesterday'],
  [-20 * 86400, '2 weeks ago'],
  [3600 * 5, 'in 5 hours'],
])('%s seconds from now reads %s', (seconds, want) => {
  const now = new Date('2026-03-01T12:00:00Z');
  expect(formatRelative(new Date(now.getTime() + seconds * 1000), now)).toBe(want);
});

it('keeps both ends of a long id and all of a short one', () => {
  expect(shortenId('01JABCDEFGHJKMNPQRSTVWXYZ0')).toBe('01JABC…WXYZ0'.replace('WXYZ0', 'VWXYZ0'));
  expect(shortenId('short-id')).toBe('short-id');
});
