import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';
import type { Plugin } from 'vite';

const compressible = /\.(js|css|svg|json|txt)$/;
// Below this a compressed copy saves less than a packet.
const smallestWorthwhileBytes = 1024;

/** Writes a .gz and a .br beside every built file that shrinks, so that the server never compresses. */
export function precompress(): Plugin {
  let outDir = 'dist';
  return {
    name: 'precompress',
    apply: 'build',
    configResolved(config) {
      outDir = config.build.outDir;
    },
    async closeBundle() {
      const entries = await readdir(outDir, { recursive: true, withFileTypes: true });
      await Promise.all(
        entries.map(async (entry) => {
          if (!entry.isFile() || !compressible.test(entry.name)) return;
          const path = join(entry.parentPath, entry.name);
          const raw = await readFile(path);
          if (raw.length < smallestWorthwhileBytes) return;
          const gz = await promisify(gzip)(raw, { level: 9 });
          const br = await promisify(brotliCompress)(raw, {
            params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length },
          });
          if (gz.length < raw.length) await writeFile(`${path}.gz`, gz);
          if (br.length < raw.length) await writeFile(`${path}.br`, br);
        }),
      );
    },
  };
}
