import { expect, it } from 'vitest';
import { parseSearch, safeReturn, stringifySearch, texts } from './search';

it('reads back what it writes', () => {
  for (const search of [{}, { q: 'a&b=c #ü' }, { merchant: 'corner', select: 'a,b' }]) expect(parseSearch(stringifySearch(search))).toEqual(search);
});

it('leaves out what is empty', () => expect(stringifySearch({ q: '', merchant: undefined })).toBe(''));

it('keeps the named texts alone', () => expect(texts('q', 'tab')({ q: 'x', other: 'y', tab: 3 })).toEqual({ q: 'x' }));

it.each([
  ['/inventory/items?q=a', '/inventory/items?q=a'],
  [undefined, '/today'],
  ['https://evil.example', '/today'],
  ['//evil.example', '/today'],
  ['/\\evil.example', '/today'],
  ['javascript:alert(1)', '/today'],
  ['/sign-in?return=/today', '/today'],
])('returns from %s to %s', (path, want) => expect(safeReturn(path)).toBe(want));
