import { fireEvent, screen, waitFor, within } from '@testing-library/react';
import { expect, it } from 'vitest';
import { setTenant } from '../src/api/session';
import { FeedStatus } from '../src/gen/bodega/inventory/v1/feed_pb';
import { open } from './app';

const merchant = 'maya@corner.example';
const operator = 'omar@bodega.example';
const admin = 'ada@bodega.example';
const wait = { timeout: 60_000 };

it('sends whoever is not signed in to the sign-in and back to where they were going', async () => {
  const { router } = open('/inventory/holds?merchant=corner', '');
  fireEvent.click(await screen.findByRole('button', { name: /Omar Lind/ }, wait));
  await screen.findByRole('heading', { level: 1, name: 'Holds' }, wait);
  expect(router.state.location.href).toBe('/inventory/holds?merchant=corner');
});

it('sends the token against forged requests with every request after the first', async () => {
  const { sent } = open('/today', operator);
  await screen.findByText(/Prices and removals held/, undefined, wait);
  expect(sent.length).toBeGreaterThan(1);
  const tokens = sent.map((headers) => headers.get('X-Csrf-Token'));
  expect(tokens.slice(1)).toEqual(tokens.slice(1).map(() => 'csrf-of-the-stand-in'));
});

it('approves all that a feed had held from Today in one click and takes it back in another', async () => {
  const { world } = open('/today', operator);
  const held = world.holds.filter((hold) => hold.feedId === world.holds[0]!.feedId && hold.state === 'open');
  const file = world.feeds.find((feed) => feed.feedId === held[0]!.feedId)!.fileName;
  const name = held.length === 1 ? `Approve ${held[0]!.itemName}` : `Approve all ${held.length} holds of ${file}`;
  fireEvent.click(await screen.findByRole('button', { name }, wait));
  await waitFor(() => expect(held.every((hold) => hold.state === 'approved')).toBe(true), wait);
  fireEvent.click(await screen.findByRole('button', { name: 'Undo' }, wait));
  await waitFor(() => expect(held.every((hold) => hold.state === 'open')).toBe(true), wait);
});

it('shows a merchant their own rows alone, and nothing that they may not do', async () => {
  const { router } = open('/inventory/holds', merchant);
  const grid = await screen.findByRole('grid', { name: 'Holds' }, wait);
  await waitFor(() => expect(within(grid).getAllByRole('row').length).toBeGreaterThan(1), wait);
  expect(screen.queryByRole('checkbox', { name: 'Select all rows' })).toBeNull();
  expect(screen.queryByRole('link', { name: 'Access' })).toBeNull();
  await router.navigate({ to: '/inventory/stores' });
  await screen.findByText('Market Street', undefined, wait);
  expect(screen.queryByText('Granville')).toBeNull();
});

it('answers at the top of a hidden item why nobody sees it', async () => {
  const { world, router } = open('/today', operator);
  const item = world.items.find((one) => one.hiddenReason === 'predicted_out_of_stock')!;
  await screen.findByRole('heading', { level: 1, name: 'Today' }, wait);
  await router.navigate({ to: '/inventory/items/$merchantId/$storeId/$itemId', params: { merchantId: item.merchantId, storeId: item.storeId, itemId: item.itemId } });
  await screen.findByText('Hidden because shoppers would probably not find it on the shelf.', undefined, wait);
});

it('says so, with the way out, when an item does not exist', async () => {
  open('/inventory/items/corner/1/nothing', operator);
  expect((await screen.findByRole('alert', undefined, wait)).textContent).toContain('Not found');
});

it('draws the account of a feed and checks that it closes', async () => {
  const { world, router } = open('/today', admin);
  const feed = world.feeds.find((one) => one.status === FeedStatus.DONE)!;
  await screen.findByRole('heading', { level: 1, name: 'Today' }, wait);
  await router.navigate({ to: '/inventory/feeds/$feedId', params: { feedId: feed.feedId } });
  await screen.findByText('The account closes', undefined, wait);
  feed.account!.applied += 1n;
  await router.navigate({ to: '/today' });
  const { queryClient } = await import('../src/app/queries');
  queryClient.clear();
  await router.navigate({ to: '/inventory/feeds/$feedId', params: { feedId: feed.feedId } });
  await screen.findByText('The account does not close', undefined, wait);
});

it('marks the test tenant and asks the server for its rows', async () => {
  const { sent } = open('/today?tenant=test', admin);
  await screen.findByText('Test tenant', undefined, wait);
  expect(sent.every((headers) => headers.get('Baggage') === 'tenant=test')).toBe(true);
  setTenant('');
});

it('keeps filters, sorts and selections in the address', async () => {
  const { router, world } = open('/inventory/holds', operator);
  const grid = await screen.findByRole('grid', { name: 'Holds' }, wait);
  fireEvent.click(await within(grid).findByRole('button', { name: 'After' }, wait));
  await waitFor(() => expect(router.state.location.search).toMatchObject({ sort: 'after' }));
  fireEvent.click(screen.getByRole('checkbox', { name: 'Select all rows' }));
  await waitFor(() => expect(router.state.location.search).toMatchObject({ select: 'all' }));
  const open_ = world.holds.filter((hold) => hold.state === 'open').length;
  await screen.findByRole('button', { name: `Approve ${open_}` }, wait);
  grid.focus();
  fireEvent.keyDown(grid, { key: 'ArrowDown' });
  fireEvent.keyDown(grid, { key: ' ' });
  await screen.findByRole('button', { name: `Approve ${open_ - 1}` }, wait);
});

it('draws a small part of ten thousand rows', async () => {
  const { world, router } = open('/inventory', operator);
  await screen.findByRole('heading', { level: 1, name: 'Inventory' }, wait);
  const first = world.items[0]!;
  for (let index = world.items.length; index < 10_000; index++) world.items.push({ ...first, itemId: `MORE-${index}`, name: `Row ${index}` });
  await router.navigate({ to: '/inventory/items', search: { sort: '-name', filter: 'Row' } });
  await screen.findByText(/of 10,000 rows/, undefined, { timeout: 60_000 });
  const grid = screen.getByRole('grid', { name: 'Items' });
  expect(Number(grid.getAttribute('aria-rowcount'))).toBeGreaterThan(9000);
  expect(within(grid).getAllByRole('row').length).toBeLessThan(60);
  await within(grid).findByText('Row 9999', undefined, wait);
});
