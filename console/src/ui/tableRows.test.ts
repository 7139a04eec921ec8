import { expect, it } from 'vitest';
import { compareCells, filterRows, nextSort, parseSort, rowSorter, sortText, type CellValue } from './tableRows';

it('reads back every sort that it writes', () => {
  for (const sort of [undefined, { column: 'name', descending: false }, { column: 'name', descending: true }]) {
    expect(parseSort(sortText(sort))).toEqual(sort);
  }
});

it('goes from rising to falling to off, and starts anew on another column', () => {
  const rising = nextSort(undefined, 'a');
  const falling = nextSort(rising, 'a');
  expect([rising?.descending, falling?.descending, nextSort(falling, 'a')]).toEqual([false, true, undefined]);
  expect(nextSort(falling, 'b')).toEqual({ column: 'b', descending: false });
});

it('sorts numbers in text as numbers, big integers exactly, and what is absent last both ways', () => {
  const sorted = (values: CellValue[], descending = false) => rowSorter((value: CellValue) => value, descending)(values);
  expect(sorted(['item 10', 'item 9', '', 'Item 1'])).toEqual(['Item 1', 'item 9', 'item 10', '']);
  expect(sorted([3n, 9007199254740993n, 9007199254740992n])).toEqual([3n, 9007199254740992n, 9007199254740993n]);
  expect(sorted([2, undefined, 1], true)).toEqual([2, 1, undefined]);
});

it('keeps the order of rows that compare equal', () => {
  const rows = Array.from({ length: 50 }, (_, index) => ({ index, same: index % 3 }));
  for (const descending of [false, true]) {
    const sorted = rowSorter((row: (typeof rows)[number]) => row.same, descending)(rows);
    for (const same of [0, 1, 2]) {
      const order = sorted.filter((row) => row.same === same).map((row) => row.index);
      expect(order).toEqual([...order].sort((a, b) => a - b));
    }
  }
});

it('orders rows that come page by page as if they had come at once', () => {
  const rows = Array.from({ length: 300 }, (_, index) => ({ index, cell: index % 7 === 0 ? undefined : (index * 37) % 50 }));
  const value = (row: (typeof rows)[number]) => row.cell;
  for (const descending of [false, true]) {
    const growing = rowSorter(value, descending);
    for (const count of [0, 100, 100, 101, 250, 300]) expect(growing(rows.slice(0, count))).toEqual(rowSorter(value, descending)(rows.slice(0, count)));
    // Other rows, fewer rows: nothing of the earlier ones is left.
    expect(growing(rows.slice(50, 120))).toEqual(rowSorter(value, descending)(rows.slice(50, 120)));
  }
});

it('is a total order: antisymmetric and transitive over mixed cells', () => {
  const cells: CellValue[] = [undefined, '', 'a', 'B', '10', '9', 9, 10n, -1, true, false];
  for (const a of cells) {
    for (const b of cells) expect(Math.sign(compareCells(a, b, false))).toBe(-Math.sign(compareCells(b, a, false)) || 0);
  }
});

it('filters by every word in whichever column', () => {
  const rows = [{ name: 'Oat drink', brand: 'Plain Farm' }, { name: 'Whole milk', brand: 'Plain Farm' }];
  const values = [(row: (typeof rows)[number]) => row.name, (row: (typeof rows)[number]) => row.brand];
  expect(filterRows(rows, 'farm OAT', values)).toEqual([rows[0]]);
  expect(filterRows(rows, '  ', values)).toBe(rows);
  expect(filterRows(rows, 'oat milk', values)).toEqual([]);
});
