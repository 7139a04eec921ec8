import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { axe, baseUrl, call, desktop, launch, phone, results, settle, shifts, signInAs, visit } from './browser';

interface Row {
  merchantId: string;
  storeId: string;
  itemId: string;
}

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

/** Every page with something on it, found through the API, so that any seeded server will do. */
async function addresses(page: Page): Promise<Record<string, string>> {
  const { stores } = await call<{ stores: (Row & { shown?: string })[] }>(page, 'inventory.v1.MerchantService/ListStores', { pageSize: 100 });
  const { items: hidden = [] } = await call<{ items?: Row[] }>(page, 'inventory.v1.ItemService/SearchItems', { visibility: 'VISIBILITY_HIDDEN', pageSize: 5 });
  const { items: held = [] } = await call<{ items?: Row[] }>(page, 'inventory.v1.ItemService/SearchItems', { visibility: 'VISIBILITY_HELD', pageSize: 5 });
  const { feeds } = await call<{ feeds: { feedId: string; account?: { rejected?: string } }[] }>(page, 'inventory.v1.FeedService/ListFeeds', { pageSize: 200 });
  const store = stores.find((one) => Number(one.shown ?? 0) > 0) ?? stores[0]!;
  const storePath = `/inventory/stores/${store.merchantId}/${store.storeId}`;
  const feed = feeds.find((one) => Number(one.account?.rejected ?? 0) > 0) ?? feeds[0]!;
  const itemPath = (row: Row) => `/inventory/items/${row.merchantId}/${row.storeId}/${encodeURIComponent(row.itemId)}`;
  return {
    today: '/today',
    overview: '/inventory',
    items: '/inventory/items',
    'items-hidden': '/inventory/items?visibility=hidden',
    'items-none': '/inventory/items?q=nothing-is-called-this',
    ...(hidden[0] ? { 'item-hidden': itemPath(hidden[0]) } : {}),
    ...(held[0] ? { 'item-held': itemPath(held[0]) } : {}),
    'item-unknown': `/inventory/items/${store.merchantId}/${store.storeId}/no-such-item`,
    feeds: '/inventory/feeds',
    submit: '/inventory/feeds/submit',
    feed: `/inventory/feeds/${feed.feedId}`,
    'feed-rejects': `/inventory/feeds/${feed.feedId}?tab=rejects`,
    'feed-stores': `/inventory/feeds/${feed.feedId}?tab=stores`,
    'feed-details': `/inventory/feeds/${feed.feedId}?tab=details`,
    holds: '/inventory/holds',
    'holds-selected': '/inventory/holds?select=all',
    stores: '/inventory/stores',
    'stores-add': '/inventory/stores?add=store',
    store: storePath,
    'store-menu': `${storePath}?tab=menu`,
    'store-feeds': `${storePath}?tab=feeds`,
    'store-settings': `${storePath}?tab=settings`,
    mappings: '/inventory/mappings',
    'access-people': '/access',
    'access-tokens': '/access?tab=tokens',
    'no-such-page': '/no-such-page',
    'test-tenant': '/today?tenant=test',
  };
}

/** Opens a page and says what moved while it was loading, on a desk in light and on a phone in dark. */
async function load(page: Page, key: string, path: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const [where, viewport, colorScheme] of [['phone', phone, 'dark'], ['desktop', desktop, 'light']] as const) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    await page.goto(baseUrl() + path);
    await settle(page);
    wrong.push(...(await shifts(page)).map((line) => `${key}, ${where}: ${line}`));
  }
  return wrong;
}

/** Takes a page's picture in light, in dark and on a phone, and says what is wrong with it in each. */
async function look(page: Page, key: string): Promise<string[]> {
  const wrong: string[] = [];
  // The colours of a page that has just changed from dark to light may be caught half-way; what is wrong with it stays.
  const objections = async (rules?: string[]) => {
    if ((await axe(page, rules)).length === 0) return [];
    await settle(page);
    return axe(page, rules);
  };
  const say = (where: string, lines: string[]) => wrong.push(...lines.map((line) => `${key}, ${where}: ${line}`));
  const wide = async () => {
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    return overflow > 0 ? [`the page is ${overflow} px wider than the window`] : [];
  };
  await page.screenshot({ path: `${results}${key}.light.png` });
  say('light', [...(await objections()), ...(await wide())]);

  // Only colours differ from the light page.
  await page.emulateMedia({ colorScheme: 'dark' });
  await page.waitForFunction(() => document.documentElement.dataset.mantineColorScheme === 'dark');
  await settle(page);
  await page.screenshot({ path: `${results}${key}.dark.png` });
  say('dark', await objections(['color-contrast']));

  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize(phone);
  await page.waitForFunction(() => document.documentElement.dataset.mantineColorScheme === 'light');
  await settle(page);
  await page.screenshot({ path: `${results}${key}.phone.png` });
  say('phone', [...(await objections()), ...(await wide())]);
  await page.setViewportSize(desktop);
  return wrong;
}

it('every page in light, in dark and on a phone has nothing that axe objects to, scrolls in one direction only, and moves nothing while it loads', async () => {
  const { page, context, complaints } = await visit(browser);
  // Answers take their time, so that what stands in their place is drawn too.
  await context.route(/\/bodega\./, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    await route.continue();
  });
  const wrong = await load(page, 'sign-in', '/sign-in');
  await page.locator('section[aria-labelledby=demo-heading] button').first().waitFor();
  wrong.push(...(await shifts(page)), ...(await look(page, 'sign-in')));

  await signInAs(page, 'Admin');
  const only = process.env.PAGES?.split(',');
  for (const [key, path] of Object.entries(await addresses(page))) {
    if (only && !only.includes(key)) continue;
    wrong.push(...(await load(page, key, path)));
    // It comes once every hold is there.
    if (key === 'holds-selected') await page.getByRole('region', { name: 'Selected holds' }).waitFor();
    wrong.push(...(await look(page, key)));
  }

  await page.goto(`${baseUrl()}/today`);
  await settle(page);
  await page.getByRole('button', { name: 'Your account and settings' }).click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor();
  wrong.push(...(await look(page, 'account')));
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await page.getByRole('combobox').waitFor();
  await page.keyboard.type('milk');
  await page.getByRole('option').filter({ hasText: /milk/i }).first().waitFor();
  wrong.push(...(await look(page, 'palette')));

  // Dialogs that no address opens, at their first field.
  for (const [key, path, button] of [
    ['access-add-person', '/access', 'Add a person'],
    ['access-make-token', '/access?tab=tokens', 'Make a token'],
    ['stores-add-merchant', '/inventory/stores', 'Add a merchant'],
  ] as const) {
    await page.goto(baseUrl() + path);
    await page.getByRole('button', { name: button }).first().click();
    await page.getByRole('dialog').getByRole('textbox', { name: 'Name' }).and(page.locator(':focus')).waitFor();
    wrong.push(...(await look(page, key)));
  }

  expect(wrong).toEqual([]);
  // A page that does not exist and an item that does not exist are asked for on purpose.
  expect(complaints.filter((line) => !line.includes('no-such'))).toEqual([]);
  await context.close();
});
