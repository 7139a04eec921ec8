import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig, type PluginOption } from 'vite';
import { precompress } from './precompress';

const backend = process.env.BODEGA_URL ?? 'http://127.0.0.1:8080';

// The stand-in backend is imported in mock mode alone, so no build carries it.
export default defineConfig(async ({ mode }) => {
  const plugins: PluginOption[] = [react(), precompress()];
  if (mode === 'mock') {
    const { mockBackend } = await import('./mock/plugin');
    plugins.push(mockBackend());
  }
  const proxy =
    mode === 'mock'
      ? undefined
      : { '/v1': backend, '^/bodega\\..*': backend };
  return {
    plugins,
    resolve: {
      alias: [{ find: /^.*\/buf\/validate\/validate_pb$/, replacement: fileURLToPath(new URL('src/api/validateFile.ts', import.meta.url)) }],
    },
    server: { proxy },
    preview: { proxy },
    html: { cspNonce: '__BODEGA_NONCE__' },
    css: { modules: { generateScopedName: mode === 'production' ? '[hash:base64:6]' : '[name]_[local]_[hash:base64:4]' } },
    build: {
      target: 'es2022',
      assetsInlineLimit: 0,
      manifest: true,
      modulePreload: { polyfill: false },
      rollupOptions: {
        output: {
          // A chunk of a few hundred bytes costs a request and compresses badly.
          experimentalMinChunkSize: 1500,
          // Apart, they are fetched and compiled side by side, and stay in the
          // browser's cache while only the console's own code changes.
          manualChunks(id: string) {
            if (/node_modules\/(react|react-dom|scheduler)\//.test(id)) return 'react';
            if (/node_modules\/(@bufbuild|@connectrpc)\//.test(id)) return 'rpc';
            if (/node_modules\/@tanstack\/(router-core|react-router|history|store|react-store|query-core)\//.test(id)) return 'pages';
            return undefined;
          },
          entryFileNames: 'assets/[name]-[hash].js',
          chunkFileNames: 'assets/[name]-[hash].js',
          assetFileNames: 'assets/[name]-[hash][extname]',
        },
      },
    },
  };
});
