import { act, renderHook } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { useSelection } from './useSelection';

const rows = ['a', 'b', 'c'];

it('keeps both of two choices that come before either is drawn', () => {
  const write = vi.fn();
  const { result } = renderHook(() => useSelection(undefined, write, rows, (row) => row));
  const { toggle } = result.current;
  act(() => {
    toggle('a');
    toggle('b');
  });
  expect([...result.current.keys]).toEqual(['a', 'b']);
  expect(write).toHaveBeenLastCalledWith('a,b');
});

it('says "all" in the address, and takes one from it', () => {
  const write = vi.fn();
  const { result } = renderHook(() => useSelection('all', write, rows, (row) => row));
  expect(result.current.keys.size).toBe(3);
  act(() => result.current.toggle('b'));
  expect(write).toHaveBeenLastCalledWith('a,c');
  act(() => result.current.toggle('b'));
  expect(write).toHaveBeenLastCalledWith('all');
});
