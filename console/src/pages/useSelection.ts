import { useCallback, useEffect, useMemo, useRef, useState } from 'react';

// More ids than this would make an address that mail programs cut off; a larger
// selection is then either "all" or lasts as long as the page.
const mostInAddress = 40;

/** A selection of rows that the page's address carries as far as it can. */
export function useSelection<Row>(
  inAddress: string | undefined,
  setAddress: (text: string | undefined) => void,
  rows: readonly Row[],
  rowKey: (row: Row) => string,
) {
  const [keys, setKeys] = useState<ReadonlySet<string>>(() => new Set(inAddress && inAddress !== 'all' ? inAddress.split(',') : []));
  const latest = useRef({ rows, rowKey, setAddress, keys });
  latest.current = { rows, rowKey, setAddress, keys };

  // "all" is every row, those too that are still on their way.
  const everything = inAddress === 'all';
  useEffect(() => {
    if (everything && rows.length > 0) setKeys(new Set(rows.map(latest.current.rowKey)));
  }, [everything, rows]);

  const onChange = useCallback((next: Set<string>) => {
    const { rows: shown, rowKey: key, setAddress: write } = latest.current;
    setKeys(next);
    if (next.size === 0) write(undefined);
    else if (shown.length > 0 && shown.every((row) => next.has(key(row)))) write('all');
    else write(next.size <= mostInAddress ? [...next].join(',') : undefined);
  }, []);
  const toggle = useCallback(
    (key: string) => {
      const next = new Set(latest.current.keys);
      if (!next.delete(key)) next.add(key);
      onChange(next);
    },
    [onChange],
  );
  return useMemo(() => ({ keys, onChange, toggle }), [keys, onChange, toggle]);
}
