import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: {
    // As in the build, so that what is tested is what is shipped.
    alias: [{ find: /^.*\/buf\/validate\/validate_pb$/, replacement: fileURLToPath(new URL('src/api/validateFile.ts', import.meta.url)) }],
  },
  test: {
    environment: 'jsdom',
    include: ['src/**/*.test.{ts,tsx}', 'test/**/*.test.{ts,tsx}'],
    setupFiles: ['test/setup.ts'],
    restoreMocks: true,
    // A busy machine draws whole pages slowly; a test that hangs still ends.
    testTimeout: 120_000,
  },
});
