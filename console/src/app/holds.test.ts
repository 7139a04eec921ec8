import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { HoldSchema } from '../gen/bodega/inventory/v1/item_pb';
import { describeSkipped } from './decide';
import { summarizeHolds } from './holdSummary';

const price = (store: string, before: bigint, after: bigint) => create(HoldSchema, { merchantId: 'm', storeId: store, itemId: 'i', beforeMinor: before, afterMinor: after });

it('says what a decision will touch', () => {
  const removals = create(HoldSchema, { merchantId: 'm', storeId: '2', removals: 40n });
  expect(summarizeHolds([price('1', 100n, 10000n), price('1', 100n, 9000n), price('2', 100n, 10100n), removals])).toEqual({
    headline: '4 holds in 2 stores',
    approve: 'Approving changes 3 prices (typically ×100) and delists 40 items.',
    discard: 'Discarding keeps them as shoppers see them now.',
  });
  expect(summarizeHolds([price('1', 200n, 210n)]).approve).toBe('Approving changes 1 price (typically +5%).');
});

it('names each reason for leaving holds alone once', () => {
  const skip = (reason: string) => ({ $typeName: 'bodega.inventory.v1.HoldSkipped' as const, holdId: 'h', reason });
  expect(describeSkipped([])).toBeUndefined();
  expect(describeSkipped([skip('gone'), skip('gone')])).toBe('2 left alone: gone');
  expect(describeSkipped([skip('gone'), skip('moved on')])).toBe('2 left alone: gone (1); moved on (1)');
});
