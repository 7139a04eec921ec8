import { expect, it } from 'vitest';
import { categoryTree } from './categoryTree';

it('puts paths below their parents and sums their items', () => {
  const tree = categoryTree([{ name: 'Drinks > Water', count: 2 }, { name: 'Bakery', count: 1 }, { name: 'Drinks > Tea', count: 3 }, { name: 'Drinks', count: 4 }]);
  expect(tree.map((node) => [node.path, node.count])).toEqual([['Drinks', 9], ['Bakery', 1]]);
  expect(tree[0]!.children.map((node) => [node.path, node.count])).toEqual([['Drinks > Water', 2], ['Drinks > Tea', 3]]);
});
