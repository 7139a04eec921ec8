import { expect, it } from 'vitest';
import { toCsv } from './csv';

it('quotes what needs quotes and ends each line as RFC 4180 says', () => {
  expect(toCsv(['a', 'b'], [['1,2', 'say "x"'], ['two\nlines', '']])).toBe('a,b\r\n"1,2","say ""x"""\r\n"two\nlines",\r\n');
});

it('makes text inert that a spreadsheet would run, and leaves negative numbers alone', () => {
  expect(toCsv(['h'], [['=HYPERLINK("x")'], ['@cmd'], ['-3.50'], ['+4.0%'], ['-lead']])).toBe(
    'h\r\n"\'=HYPERLINK(""x"")"\r\n\'@cmd\r\n-3.50\r\n+4.0%\r\n\'-lead\r\n',
  );
});
