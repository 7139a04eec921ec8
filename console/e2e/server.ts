import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
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

// What bodega prints once the demo marketplace is filled.
const ready = /Bodega is ready, on demo data: (http:\S+)/;

/** Uses the server that BODEGA_URL names, or starts the built bodega on demo data. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.BODEGA_URL;
  if (given) {
    project.provide('baseUrl', given.replace(/\/$/, ''));
    return async () => {};
  }
  if (!existsSync(binary)) throw new Error(`There is no ${binary}. Build it, or name a running server in BODEGA_URL.`);
  const dataDir = await mkdtemp(join(tmpdir(), 'bodega-e2e-'));
  const child = spawn(binary, ['serve', '--demo', '--data-dir', dataDir, '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    await rm(dataDir, { recursive: true, force: true });
  };
  const baseUrl = await new Promise<string>((resolve, reject) => {
    let log = '';
    const hear = (chunk: Buffer) => {
      // Enough to say why it ended, and never so much that the line is cut.
      log = (log + chunk.toString()).slice(-20_000);
      const address = ready.exec(log)?.[1];
      if (address) resolve(address);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`bodega ended with code ${code} before it was ready:\n${log}`)));
  }).catch(async (error: unknown) => {
    await rm(dataDir, { recursive: true, force: true });
    throw error;
  });
  project.provide('baseUrl', baseUrl);
  return stop;
}
