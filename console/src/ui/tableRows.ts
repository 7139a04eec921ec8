/** One column: what it sorts and exports by, and how it is drawn, are kept apart. */
export type CellValue = string | number | bigint | boolean | undefined;

export interface Sort {
  column: string;
  descending: boolean;
}

/** Parses "name" or "-name", the form that a sort has in a URL. */
export function parseSort(text: string | undefined): Sort | undefined {
  if (!text) return undefined;
  return text.startsWith('-') ? { column: text.slice(1), descending: true } : { column: text, descending: false };
}

export function sortText(sort: Sort | undefined): string | undefined {
  return sort && (sort.descending ? `-${sort.column}` : sort.column);
}

/** Off, rising, falling, off again: what one more press on a heading means. */
export function nextSort(current: Sort | undefined, column: string): Sort | undefined {
  if (current?.column !== column) return { column, descending: false };
  return current.descending ? undefined : { column, descending: true };
}

const collator = new Intl.Collator('en', { numeric: true, sensitivity: 'base' });

/** Compares two cells; what is absent comes last whichever way the column is sorted. */
export function compareCells(a: CellValue, b: CellValue, descending: boolean): number {
  const absentA = a === undefined || a === '';
  const absentB = b === undefined || b === '';
  if (absentA || absentB) return absentA === absentB ? 0 : absentA ? 1 : -1;
  const order =
    typeof a === 'string' || typeof b === 'string' ? collator.compare(String(a), String(b)) : a < b ? -1 : a > b ? 1 : 0;
  return descending ? -order : order;
}

/** Keeps the rows that hold every word of the query, in whichever column. */
export function filterRows<Row>(rows: readonly Row[], query: string, values: readonly ((row: Row) => CellValue)[]): readonly Row[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const hay = values.map((value) => String(value(row) ?? '')).join('\n').toLowerCase();
    return words.every((word) => hay.includes(word));
  });
}

interface Entry<Row> {
  row: Row;
  cell: CellValue;
}

function merge<Row>(a: Entry<Row>[], b: Entry<Row>[], descending: boolean): Entry<Row>[] {
  const merged: Entry<Row>[] = [];
  let next = 0;
  for (const entry of b) {
    while (next < a.length && compareCells(a[next]!.cell, entry.cell, descending) <= 0) merged.push(a[next++]!);
    merged.push(entry);
  }
  return merged.concat(a.slice(next));
}

/**
 * Puts rows in order by a cell. Rows that come behind those of the call before
 * are merged into its result: a table that grows by pages sorts each once.
 */
export function rowSorter<Row>(value: (row: Row) => CellValue, descending: boolean): (rows: readonly Row[]) => Row[] {
  let seen: readonly Row[] = [];
  let sorted: Entry<Row>[] = [];
  return (rows) => {
    const grown = rows.length >= seen.length && seen.every((row, index) => row === rows[index]);
    // The values are read once per row: a comparison reads them many times.
    const added = rows.slice(grown ? seen.length : 0).map((row) => ({ row, cell: value(row) }));
    added.sort((a, b) => compareCells(a.cell, b.cell, descending));
    sorted = grown ? merge(sorted, added, descending) : added;
    seen = rows;
    return sorted.map((entry) => entry.row);
  };
}
