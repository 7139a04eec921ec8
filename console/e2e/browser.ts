import { accessSync, constants, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, join } from 'node:path';
import { chromium, type Browser, type BrowserContext, type Page, type Request } from 'playwright-core';
import { inject, vi } from 'vitest';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const results = new URL('../test-results/', import.meta.url).pathname;
mkdirSync(results, { recursive: true });

export const baseUrl = () => inject('baseUrl');

/** The browser that CHROMIUM names, or the first that the PATH has. */
function executable(): string {
  if (process.env.CHROMIUM) return process.env.CHROMIUM;
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {
        // Not here.
      }
    }
  }
  throw new Error('There is no Chromium on the PATH: "make browser" installs it, or name one in CHROMIUM.');
}

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: executable(),
    // The sandbox refuses root; the rest keeps Chromium from calling home.
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

export const desktop = { width: 1440, height: 900 };
export const phone = { width: 390, height: 844 };

// What a page has asked the API and not been answered yet.
const asked = new WeakMap<Page, Set<Request>>();

export interface Visit {
  context: BrowserContext;
  page: Page;
  /** Errors of the console and refusals by the content policy; a test ends with none. */
  complaints: string[];
}

export async function visit(browser: Browser, options: { viewport?: typeof desktop } = {}): Promise<Visit> {
  const context = await browser.newContext({
    viewport: options.viewport ?? desktop,
    colorScheme: 'light',
    reducedMotion: 'reduce',
    acceptDownloads: true,
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const page = await context.newPage();
  await page.addInitScript(() => {
    const moved: string[] = [];
    let sum = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean; sources: { node?: Node }[] })[]) {
        if (entry.hadRecentInput) continue;
        sum += entry.value;
        moved.push(`${entry.value.toFixed(4)}: ${entry.sources.map(({ node }) => node?.textContent?.slice(0, 40) || node?.nodeName).join(' | ')}`);
      }
    }).observe({ type: 'layout-shift', buffered: true });
    Object.assign(window, { shifts: () => (sum < 0.001 ? [] : [`what was drawn moved by ${sum.toFixed(4)} (${moved.join('; ')})`]) });
  });
  page.setDefaultTimeout(30_000);
  const open = new Set<Request>();
  asked.set(page, open);
  // A feed that runs is watched until it ends.
  page.on('request', (request) => /\/bodega\.(?!.*\/Watch)/.test(request.url()) && open.add(request));
  page.on('requestfinished', (request) => open.delete(request));
  page.on('requestfailed', (request) => open.delete(request));
  const complaints: string[] = [];
  page.on('console', (message) => {
    // The browser logs what a test asks for: who is calling before the sign-in (401), and a network that is gone.
    if (message.type() === 'error' && !/401|ERR_INTERNET_DISCONNECTED|TypeError: Failed to fetch/.test(message.text())) complaints.push(`${message.text()} (${page.url()})`);
  });
  page.on('pageerror', (error) => complaints.push(`${error.message} (${page.url()})`));
  return { context, page, complaints };
}

/** Signs in by the demo button of the first person with this role. */
export async function signInAs(page: Page, role: 'Merchant' | 'Operator' | 'Support' | 'Admin', returnTo = '/today'): Promise<void> {
  await page.goto(baseUrl() + returnTo);
  await page.waitForURL(/\/sign-in/);
  await page.locator('section[aria-labelledby=demo-heading] button').filter({ hasText: role }).first().click();
  await page.waitForURL((url) => !url.pathname.startsWith('/sign-in'));
  await page.locator('main h1').waitFor();
}

/** Calls a procedure of the API as the signed-in person. */
export async function call<T = Record<string, unknown>>(page: Page, procedure: string, message: Record<string, unknown> = {}): Promise<T> {
  return page.evaluate(
    async ([path, body]: [string, string]): Promise<T> => {
      const post = (to: string, text: string, token: string) =>
        fetch(to, { method: 'POST', headers: { 'Content-Type': 'application/json', ...(token ? { 'X-Csrf-Token': token } : {}) }, body: text });
      const who = (await (await post('/bodega.identity.v1.IdentityService/GetCaller', '{}', '')).json()) as { caller: { csrfToken?: string } };
      const response = await post(`/bodega.${path}`, body, who.caller.csrfToken ?? '');
      const answer = (await response.json()) as T;
      if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`);
      return answer;
    },
    [procedure, JSON.stringify(message)] as [string, string],
  );
}

/** Waits until no grey placeholder is left and nothing is fetched any more. */
export async function settle(page: Page): Promise<void> {
  await page.locator('main h1').first().waitFor();
  const frames = () => page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
  const waits = () => (asked.get(page)?.size ?? 0) > 0;
  do {
    await page.waitForFunction(() => document.querySelectorAll('.mantine-Skeleton-root[data-visible]').length === 0);
    await vi.waitUntil(() => !waits(), { timeout: 30_000 });
    // An answer may lead to the next question.
    await frames();
  } while (waits());
  await page.evaluate(() => document.fonts.ready);
  await page.waitForFunction(() => document.getAnimations().every((animation) => animation.playState !== 'running'));
  await frames();
}

/** What has moved on the page since it was opened, without anybody having touched it. */
export function shifts(page: Page): Promise<string[]> {
  return page.evaluate(() => (window as unknown as { shifts: () => string[] }).shifts());
}

interface AxeResult {
  violations: { id: string; help: string; nodes: { target: string[]; failureSummary: string }[] }[];
}

/** Everything that axe finds against WCAG 2.2 A and AA and its best practices, one line each; by the rules named, or by all. */
export async function axe(page: Page, rules?: string[]): Promise<string[]> {
  // Evaluated by the debugger rather than added as a script, which the page's policy would refuse.
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axeSource);
  const found = (await page.evaluate(
    (only) => (window as unknown as { axe: { run: (context: Document, options: object) => Promise<unknown> } }).axe.run(document, { resultTypes: ['violations'], ...(only ? { runOnly: only } : {}) }),
    rules,
  )) as AxeResult;
  return found.violations.flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${violation.help} at ${node.target.join(' ')}: ${node.failureSummary.replace(/\s+/g, ' ')}`));
}
