/// <reference types="vitest/config" />
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

/** Where `npm run dev` finds a running server. */
const server = process.env.CONFER_SERVER ?? 'http://127.0.0.1:7880';

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: {
    // The SDK's sources, so that building the app never depends on a built SDK.
    alias: { 'confer-sdk': new URL('../sdk/js/src/index.ts', import.meta.url).pathname },
  },
  server: {
    proxy: { '/v1': { target: server, ws: true } },
    fs: { allow: ['.', '../sdk/js'] },
  },
  build: {
    // `data:` URLs would have to be allowed by the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      output: {
        // What rarely changes stays in browsers' caches when the app is updated.
        codeSplitting: { groups: [{ name: 'vendor', test: /node_modules/ }] },
      },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
    setupFiles: ['src/testing/setup.ts'],
    // The colours' contrast is tested from the style sheet itself.
    css: true,
  },
});
