/** A category with those that its path names below it; a path reads "Produce > Fruit". */
export interface CategoryNode {
  name: string;
  path: string;
  /** Items of this category and of all below it. */
  count: number;
  children: CategoryNode[];
}

export function categoryTree(categories: readonly { name: string; count: number }[]): CategoryNode[] {
  const roots: CategoryNode[] = [];
  const known = new Map<string, CategoryNode>();
  for (const category of categories) {
    let siblings = roots;
    let path = '';
    for (const name of category.name.split(' > ')) {
      path = path ? `${path} > ${name}` : name;
      let node = known.get(path);
      if (!node) {
        node = { name, path, count: 0, children: [] };
        known.set(path, node);
        siblings.push(node);
      }
      node.count += category.count;
      siblings = node.children;
    }
  }
  return roots;
}
