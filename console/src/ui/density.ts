import { useSyncExternalStore } from 'react';

export type Density = 'comfortable' | 'compact';

const listeners = new Set<() => void>();

function current(): Density {
  return document.documentElement.getAttribute('data-density') === 'compact' ? 'compact' : 'comfortable';
}

export function setDensity(density: Density): void {
  document.documentElement.setAttribute('data-density', density);
  try {
    // A bare word, because the script before the first paint reads it too.
    localStorage.setItem('bodega.density', density);
  } catch {
    // The choice then lasts as long as the page.
  }
  for (const notify of listeners) notify();
}

export function useDensity(): [Density, (density: Density) => void] {
  const density = useSyncExternalStore(
    (notify) => {
      listeners.add(notify);
      return () => listeners.delete(notify);
    },
    current,
  );
  return [density, setDensity];
}
