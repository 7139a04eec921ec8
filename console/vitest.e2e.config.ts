import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    environment: 'node',
    include: process.env.IMAGES ? ['e2e/images.ts'] : ['e2e/**/*.e2e.ts'],
    globalSetup: ['e2e/server.ts'],
    // One browser, one server, one marketplace: the days run one after another.
    fileParallelism: false,
    // A busy machine takes its time; a test that hangs still ends.
    testTimeout: 480_000,
    hookTimeout: 480_000,
  },
});
