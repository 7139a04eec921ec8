import { useCallback, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { Selection } from '../ui/DataTable';

// More ids than this would make an address that mail programs cut off; a larger
// selection is then either "all" or lasts as long as the page.
const mostInAddress = 40;

/** A selection of rows that the page's address carries as far as it can. */
export function useSelection<Row>(
  inAddress: string | undefined,
  setAddress: (text: string | undefined) => void,
  rows: readonly Row[],
  rowKey: (row: Row) => string,
): Selection {
  const [keys, setKeys] = useState<ReadonlySet<string>>(() => new Set(inAddress && inAddress !== 'all' ? inAddress.split(',') : []));
  // A choice builds on the one before it, whether that has been drawn or not.
  const chosen = useRef(keys);
  const choose = useCallback((next: ReadonlySet<string>) => {
    chosen.current = next;
    setKeys(next);
  }, []);
  const latest = useRef({ rows, rowKey, setAddress });
  useLayoutEffect(() => {
    latest.current = { rows, rowKey, setAddress };
  });

  // "all" is every row, those too that are still on their way: never a moment later than they are drawn.
  const everything = inAddress === 'all';
  useLayoutEffect(() => {
    if (everything && rows.length > 0) choose(new Set(rows.map(latest.current.rowKey)));
  }, [everything, rows, choose]);

  const onChange = useCallback(
    (next: ReadonlySet<string>) => {
      const { rows: shown, rowKey: key, setAddress: write } = latest.current;
      choose(next);
      if (next.size === 0) write(undefined);
      else if (shown.length > 0 && shown.every((row) => next.has(key(row)))) write('all');
      else write(next.size <= mostInAddress ? [...next].join(',') : undefined);
    },
    [choose],
  );
  const toggle = useCallback(
    (key: string) => {
      const next = new Set(chosen.current);
      if (!next.delete(key)) next.add(key);
      onChange(next);
    },
    [onChange],
  );
  return useMemo(() => ({ keys, onChange, toggle }), [keys, onChange, toggle]);
}
