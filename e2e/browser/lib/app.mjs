// Somebody else's web app: a page of its own with the SDK, and the confer server behind the same
// origin, as a reverse proxy would put it there.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';

const SDK = path.resolve(import.meta.dirname, '../../../sdk/js/dist');

/** Serves `/app/` and hands everything else to the server at `port`. */
export async function startApp(port) {
  const sockets = new Set();
  const server = createServer((incoming, outgoing) => {
    if (incoming.url.startsWith('/app/')) {
      serve(incoming.url.slice('/app/'.length), outgoing);
      return;
    }
    const { method, url, headers } = incoming;
    const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    incoming.pipe(onward);
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('upgrade', ({ method, url, rawHeaders }, socket, head) => {
    const upstream = connect(port, '127.0.0.1');
    const lines = [`${method} ${url} HTTP/1.1`];
    for (let index = 0; index < rawHeaders.length; index += 2) {
      lines.push(`${rawHeaders[index]}: ${rawHeaders[index + 1]}`);
    }
    upstream.write(`${lines.join('\r\n')}\r\n\r\n`);
    upstream.write(head);
    upstream.pipe(socket).pipe(upstream);
    upstream.on('error', () => socket.destroy());
    socket.on('error', () => upstream.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    stop: async () => {
      server.close();
      for (const socket of sockets) {
        socket.destroy();
      }
      await once(server, 'close');
    },
  };
}

async function serve(name, outgoing) {
  if (name === '') {
    outgoing.setHeader('Content-Type', 'text/html');
    outgoing.end('<!doctype html><title>app</title>');
    return;
  }
  const file = path.join(SDK, path.basename(name));
  const body = await readFile(file).catch(() => null);
  outgoing.statusCode = body === null ? 404 : 200;
  outgoing.setHeader('Content-Type', 'text/javascript');
  outgoing.end(body);
}
