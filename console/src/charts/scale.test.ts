import { expect, it } from 'vitest';
import { niceCeiling, quantile, usualRange } from './scale';

it('finds quantiles between ranks', () => {
  expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
  expect(quantile([7], 0.9)).toBe(7);
  expect(quantile([], 0.5)).toBeNaN();
});

it('says nothing is usual where too little is known', () => {
  expect(usualRange([1, 2, 3, 0, 0, 0, 0, 0, 0, 0])).toBeUndefined();
  expect(usualRange([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])).toEqual({ low: 2, high: 10 });
});

it('is never below its value, and never more than two and a half times it', () => {
  for (let value = 1; value < 1e7; value = Math.ceil(value * 1.37)) {
    expect(niceCeiling(value)).toBeGreaterThanOrEqual(value);
    expect(niceCeiling(value)).toBeLessThanOrEqual(value * 2.5);
  }
});
