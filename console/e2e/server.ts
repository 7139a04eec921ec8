import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    baseUrl: string;
  }
}

const binary = fileURLToPath(new URL('../../bin/bodega', import.meta.url));

async function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}

async function answers(url: string, child: ChildProcess | undefined, said: () => string): Promise<void> {
  for (;;) {
    if (child && child.exitCode !== null) throw new Error(`bodega ended with code ${child.exitCode} before it answered:\n${said()}`);
    try {
      const response = await fetch(new URL('/bodega.identity.v1.IdentityService/ListDemoSignIns', url), { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{}' });
      if (response.ok && ((await response.json()) as { signIns?: unknown[] }).signIns?.length) return;
    } catch {
      // Not up yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Uses the server that BODEGA_URL names, or starts the built bodega on demo data. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.BODEGA_URL;
  if (given) {
    await answers(given, undefined, () => '');
    project.provide('baseUrl', given.replace(/\/$/, ''));
    return async () => {};
  }
  if (!existsSync(binary)) throw new Error(`There is no ${binary}. Build it, or name a running server in BODEGA_URL.`);
  const dataDir = await mkdtemp(join(tmpdir(), 'bodega-e2e-'));
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  let log = '';
  const child = spawn(binary, ['serve', '--demo', '--data-dir', dataDir, '--listen', `127.0.0.1:${port}`], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      log = (log + chunk.toString()).slice(-8000);
    });
  }
  await answers(baseUrl, child, () => log);
  project.provide('baseUrl', baseUrl);
  return async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
    await rm(dataDir, { recursive: true, force: true });
  };
}
