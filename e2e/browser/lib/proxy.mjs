// A TCP line to the server that can be cut. Media goes its own way, over UDP.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Forwards to `port`; `cut()` drops every connection and lets no other in until `mend()`. */
export async function startProxy(port) {
  const open = new Set();
  let whole = true;
  const server = createServer((client) => {
    if (!whole) {
      client.destroy();
      return;
    }
    const upstream = connect(port, '127.0.0.1');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ]) {
      open.add(from);
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.on('error', () => to.destroy());
      from.pipe(to);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const drop = () => {
    for (const socket of open) {
      socket.destroy();
    }
  };
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut: () => {
      whole = false;
      drop();
    },
    mend: () => {
      whole = true;
    },
    stop: async () => {
      whole = false;
      drop();
      server.close();
      await once(server, 'close');
    },
  };
}
