/** The usual range of a series: between its 10th and 90th percentile, absent for fewer than eight values. */
export function usualRange(values: readonly number[]): { low: number; high: number } | undefined {
  const busy = values.filter((value) => value > 0).sort((a, b) => a - b);
  if (busy.length < 8) return undefined;
  return { low: quantile(busy, 0.1), high: quantile(busy, 0.9) };
}

/** Linear interpolation between the closest ranks of sorted values. */
export function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) return NaN;
  const position = (sorted.length - 1) * q;
  const below = Math.floor(position);
  const low = sorted[below]!;
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!;
  return low + (high - low) * (position - below);
}

/** The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below the value. */
export function niceCeiling(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const step of [1, 2, 2.5, 5, 10]) {
    if (value <= step * power * (1 + 1e-9)) return step * power;
  }
  return 10 * power;
}
