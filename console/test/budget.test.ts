// @vitest-environment node
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';

interface Chunk {
  file: string;
  name?: string;
  isEntry?: boolean;
  imports?: string[];
  dynamicImports?: string[];
}

const dist = new URL('../dist/', import.meta.url);

describe('the built console', () => {
  let manifest: Record<string, Chunk>;
  beforeAll(() => {
    const path = new URL('.vite/manifest.json', dist);
    if (!existsSync(path)) throw new Error('There is no built console to weigh. Run "npm run build" first.');
    manifest = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Chunk>;
  });

  const entry = () => Object.keys(manifest).find((key) => manifest[key]!.isEntry)!;
  // What the router fetches on demand is the pages; the shell fetches its own menus.
  const pages = () => manifest[entry()]!.dynamicImports!.filter((key) => !key.startsWith('src/app/'));

  const closure = (keys: string[]): Set<string> => {
    const files = new Set<string>();
    const seen = new Set<string>();
    const walk = (key: string) => {
      if (seen.has(key)) return;
      seen.add(key);
      const chunk = manifest[key]!;
      files.add(chunk.file);
      chunk.imports?.forEach(walk);
    };
    keys.forEach(walk);
    return files;
  };

  const weigh = (keys: string[]) => {
    let bytes = gzipSync(readFileSync(new URL('first-paint.js', dist))).length;
    for (const file of closure([entry(), ...keys])) bytes += gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length;
    return bytes;
  };
  const report = (weights: { name: string; bytes: number }[]) => {
    weights.sort((a, b) => b.bytes - a.bytes);
    console.log(weights.map(({ name, bytes }) => `${name}: ${(bytes / 1000).toFixed(1)} KB gzipped`).join('\n'));
  };

  it('loads at most 250 KB of gzipped script before the first page works, whichever it is', () => {
    const weights = pages().map((page) => ({ name: manifest[page]!.name!, bytes: weigh([page]) }));
    report(weights);
    expect(weights.length).toBeGreaterThan(10);
    expect(weights.filter(({ bytes }) => bytes > 250_000)).toEqual([]);
  });

  it('loads no more with a tab or a dialog, which an address may name too', () => {
    // No address opens these dialogs; they hold the picker of a merchant, a number and a password's field.
    const bounds: Record<string, number> = { 'Access, AccessDialogs': 270_000 };
    const weights = pages().flatMap((page) => {
      const parts = new Set(manifest[page]!.dynamicImports?.filter((key) => !/^src\/(app|ui)\//.test(key)));
      return [...parts].map((part) => ({ name: `${manifest[page]!.name}, ${manifest[part]!.name}`, bytes: weigh([page, part]) }));
    });
    report(weights);
    expect(weights.map(({ name }) => name)).toEqual(expect.arrayContaining(['FeedPage, Rejects', 'StorePage, StoreMenu', 'StorePage, PriceSettings', 'Stores, AddStore', ...Object.keys(bounds)]));
    expect(weights.filter(({ name, bytes }) => bytes > (bounds[name] ?? 250_000))).toEqual([]);
  });

  it('splits every page from the first load', () => {
    const first = closure([entry()]);
    for (const page of pages()) expect(first.has(manifest[page]!.file), page).toBe(false);
  });

  it('carries nothing of the stand-in server and asks no other host for anything', () => {
    for (const name of readdirSync(new URL('assets/', dist))) {
      if (!/\.(js|css)$/.test(name)) continue;
      const text = readFileSync(new URL(`assets/${name}`, dist), 'utf8');
      expect(text, name).not.toContain('csrf-of-the-stand-in');
      expect(text, name).not.toMatch(/(?:src|href|url)\s*[=(:]\s*["']?https?:\/\//);
    }
  });

  it('marks every place in the page that needs the nonce of the answer', () => {
    const page = readFileSync(new URL('index.html', dist), 'utf8');
    expect(page).toContain('nonce="__BODEGA_NONCE__"');
    expect(page).not.toMatch(/<script(?![^>]*src=)/);
  });
});
