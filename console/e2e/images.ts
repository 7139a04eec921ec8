import { mkdirSync } from 'node:fs';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, it } from 'vitest';
import { baseUrl, call, launch, settle, signInAs, visit } from './browser';

// The pictures that the README shows, taken by "npm run images" from demo data.
const images = new URL('../../docs/images/', import.meta.url).pathname;

let browser: Browser;
beforeAll(async () => {
  mkdirSync(images, { recursive: true });
  browser = await launch();
});
afterAll(() => browser.close());

it('takes the pictures of the README', async () => {
  const { page, context } = await visit(browser);
  await signInAs(page, 'Operator', '/today');
  await page.getByText('Prices and removals held for a person').waitFor();
  await settle(page);
  await page.screenshot({ path: `${images}console-today.png` });

  const { items } = await call<{ items: { merchantId: string; storeId: string; itemId: string }[] }>(page, 'inventory.v1.ItemService/SearchItems', { visibility: 'VISIBILITY_HELD', pageSize: 1 });
  const { merchantId, storeId, itemId } = items[0]!;
  await page.goto(`${baseUrl()}/inventory/items/${merchantId}/${storeId}/${encodeURIComponent(itemId)}`);
  await page.getByText('A price waits for a person').waitFor();
  await settle(page);
  await page.screenshot({ path: `${images}console-item-story.png` });
  await context.close();
});
