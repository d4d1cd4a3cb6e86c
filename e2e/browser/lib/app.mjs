// Somebody else's web app: an origin of its own, with a page and the SDK.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';

const SDK = path.resolve(import.meta.dirname, '../../../sdk/js/dist');

/** Serves an empty page at `/` and the SDK's files beside it. */
export async function startApp() {
  const server = createServer(async ({ url }, outgoing) => {
    if (url === '/') {
      outgoing.setHeader('Content-Type', 'text/html');
      outgoing.end('<!doctype html><title>app</title>');
      return;
    }
    const body = await readFile(path.join(SDK, path.basename(url))).catch(() => null);
    outgoing.statusCode = body === null ? 404 : 200;
    outgoing.setHeader('Content-Type', 'text/javascript');
    outgoing.end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
