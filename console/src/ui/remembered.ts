import { useCallback, useSyncExternalStore } from 'react';

// What a person chose for themselves stays in their browser; what a page shows
// is in its URL instead.
const prefix = 'bodega.';
const cache = new Map<string, { raw: string | null; value: unknown }>();
const listeners = new Set<() => void>();

function read<T>(key: string, fallback: T): T {
  let raw: string | null = null;
  try {
    raw = localStorage.getItem(prefix + key);
  } catch {
    return fallback;
  }
  const known = cache.get(key);
  if (known && known.raw === raw) return (raw === null ? fallback : known.value) as T;
  let value: unknown = fallback;
  if (raw !== null) {
    try {
      value = JSON.parse(raw);
    } catch {
      value = fallback;
    }
  }
  cache.set(key, { raw, value });
  return value as T;
}

/** State that the browser keeps. The fallback must be the same object on every render. */
export function useRemembered<T>(key: string, fallback: T): [T, (value: T) => void] {
  const value = useSyncExternalStore(
    (notify) => {
      listeners.add(notify);
      return () => listeners.delete(notify);
    },
    () => read(key, fallback),
  );
  const set = useCallback(
    (next: T) => {
      try {
        localStorage.setItem(prefix + key, JSON.stringify(next));
      } catch {
        // Full or forbidden storage: the choice lasts as long as the page.
        cache.set(key, { raw: null, value: next });
      }
      for (const notify of listeners) notify();
    },
    [key],
  );
  return [value, set];
}
