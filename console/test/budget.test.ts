// @vitest-environment node
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';

interface Chunk {
  file: string;
  name?: string;
  isEntry?: boolean;
  imports?: string[];
}

const dist = new URL('../dist/', import.meta.url);

describe('the built console', () => {
  let manifest: Record<string, Chunk>;
  beforeAll(() => {
    const path = new URL('.vite/manifest.json', dist);
    if (!existsSync(path)) throw new Error('There is no built console to weigh. Run "npm run build" first.');
    manifest = JSON.parse(readFileSync(path, 'utf8')) as Record<string, Chunk>;
  });

  // A page that shares its chunk with a module of its own goes by the chunk's name.
  const keyOf = (page: string) => (manifest[page] ? page : Object.keys(manifest).find((key) => `src/pages/${manifest[key]!.name}.tsx` === page)!);

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

  it('loads at most 250 KB of gzipped script before the first page works', () => {
    const entry = Object.keys(manifest).find((key) => manifest[key]!.isEntry)!;
    for (const page of ['src/pages/Today.tsx', 'src/pages/SignIn.tsx', 'src/pages/Overview.tsx', 'src/pages/ItemStory.tsx', 'src/pages/FeedPage.tsx']) {
      let bytes = gzipSync(readFileSync(new URL('first-paint.js', dist))).length;
      for (const file of closure([entry, keyOf(page)])) bytes += gzipSync(readFileSync(new URL(file, dist)), { level: 9 }).length;
      console.log(`${page}: ${(bytes / 1000).toFixed(1)} KB gzipped`);
      expect(bytes, page).toBeLessThanOrEqual(250_000);
    }
  });

  it('splits every page from the first load', () => {
    const entry = Object.keys(manifest).find((key) => manifest[key]!.isEntry)!;
    const first = closure([entry]);
    const pages = Object.keys(manifest).filter((key) => key.startsWith('src/pages/'));
    expect(pages.length).toBeGreaterThan(10);
    for (const page of pages) expect(first.has(manifest[page]!.file), page).toBe(false);
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
