import { MantineProvider } from '@mantine/core';
import { act, fireEvent, render, screen } from '@testing-library/react';
import { useState } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { SearchField } from './SearchField';

let setAddress: (text: string) => void;

function Page() {
  const [address, set] = useState('');
  setAddress = set;
  return <MantineProvider><SearchField label="Search" placeholder="" value={address} onChange={set} /></MantineProvider>;
}

const field = () => screen.getByRole<HTMLInputElement>('textbox', { name: 'Search' });
const pause = () => act(() => void vi.advanceTimersByTime(250));
const type = (text: string) => fireEvent.change(field(), { target: { value: text } });

beforeEach(() => {
  vi.useFakeTimers();
  render(<Page />);
});
afterEach(() => vi.useRealTimers());

it('shows each key at once and keeps what is typed while the address follows', () => {
  type('mi');
  pause();
  type('milk');
  expect(field().value).toBe('milk');
  pause();
  expect(field().value).toBe('milk');
});

it('follows the address when something else changes it, back to what was there before too', () => {
  type('milk');
  pause();
  act(() => setAddress(''));
  expect(field().value).toBe('');
  act(() => setAddress('milk'));
  expect(field().value).toBe('milk');
});
