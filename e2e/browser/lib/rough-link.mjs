// A link that loses and delays datagrams: the kernel's `netem` is not everywhere. Run as a program
// it stands in a router, takes what is sent to one destination and brings the answers back:
//
//   node rough-link.mjs '{"host":"203.0.113.10","port":3478,"loss":0.05,"delayMs":40}'

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { within } from './namespaces.mjs';

const PROGRAM = fileURLToPath(import.meta.url);

/** The program, from outside. */
export class RoughLink {
  /** Starts it in `namespace`; what comes to its `port` there goes to `host`. */
  static async start(namespace, shape) {
    const [command, ...before] = within(namespace, process.execPath);
    const child = spawn(command, [...before, PROGRAM, JSON.stringify(shape)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const [{ port }] = await once(child, 'message');
    return new RoughLink(child, port);
  }

  #child;

  constructor(child, port) {
    this.#child = child;
    this.port = port;
  }

  /** Datagrams that it carried and lost, by direction. */
  async counts() {
    this.#child.send('counts');
    const [counts] = await once(this.#child, 'message');
    return counts;
  }

  async close() {
    const exited = once(this.#child, 'exit');
    this.#child.kill();
    await exited;
  }
}

/** The program, from inside: ends when whoever started it is gone. */
async function serve({ host, port, loss, delayMs, seed = 1 }) {
  const chance = generator(seed);
  const counts = { up: { carried: 0, lost: 0 }, down: { carried: 0, lost: 0 } };
  /** Towards the server: a socket for every address of a client. */
  const ways = new Map();
  const entrance = createSocket('udp4');

  const carry = (direction, send) => {
    if (chance() < loss) {
      direction.lost += 1;
      return;
    }
    direction.carried += 1;
    setTimeout(send, delayMs);
  };

  entrance.on('message', (datagram, client) => {
    const from = `${client.address}:${client.port}`;
    let way = ways.get(from);
    if (way === undefined) {
      way = createSocket('udp4');
      // What a closed port answers is the client's own to find out.
      way.on('error', () => undefined);
      way.on('message', (answer) => {
        carry(counts.down, () => entrance.send(answer, client.port, client.address));
      });
      ways.set(from, way);
    }
    carry(counts.up, () => way.send(datagram, port, host));
  });
  entrance.bind(0);
  await once(entrance, 'listening');
  process.on('message', () => process.send(counts));
  process.on('disconnect', () => process.exit());
  process.send({ port: entrance.address().port });
}

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

if (process.argv[1] === PROGRAM) {
  await serve(JSON.parse(process.argv[2]));
}
