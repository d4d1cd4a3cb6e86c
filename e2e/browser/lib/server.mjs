// The real binary, on free ports, with a data directory that is thrown away.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const BINARY =
  process.env.CONFER_BIN ?? path.resolve(import.meta.dirname, '../../../target/debug/confer');

/** The first start makes a database cluster, which takes its time on a busy machine. */
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 20_000;

/** Starts a server; `url` is where it answers, `stop()` ends it and removes its data. */
export async function startServer({ args = [], env = {} } = {}) {
  const data = await mkdtemp(path.join(tmpdir(), 'confer-e2e-'));
  // Run by root, the server hands its database to another user, who must be able to come here.
  await chmod(data, 0o755);
  const port = await freePort('tcp');
  const udpPort = await freePort('udp');
  const child = spawn(
    BINARY,
    [
      'serve',
      ...['--data-dir', path.join(data, 'data')],
      ...['--listen', `127.0.0.1:${port}`],
      ...['--udp-port', String(udpPort)],
      ...['--announce', '127.0.0.1', '--set', 'rtc.listen=127.0.0.1'],
      ...args,
    ],
    { env: { ...ownEnvironment(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const log = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => log.push(text));
  }
  const server = {
    url: `http://127.0.0.1:${port}`,
    port,
    log: () => log.join(''),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        const hard = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
        await exited;
        clearTimeout(hard);
      }
      await rm(data, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    },
  };
  try {
    await ready(server, child);
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

async function ready(server, child) {
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server ended before it was ready:\n${server.log()}`);
    }
    const answer = await fetch(`${server.url}/readyz`).catch(() => null);
    if (answer?.ok) {
      return;
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`the server was not ready in time:\n${server.log()}`);
}

/** The environment without settings that whoever runs the tests has for a server of their own. */
function ownEnvironment() {
  const foreign = /^(CONFER_.*|DATABASE_URL|REDIS_URL)$/;
  // Where to find the database's programs is a fact of the machine.
  const kept = new Set(['CONFER_POSTGRES_DIR']);
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => kept.has(name) || !foreign.test(name)),
  );
}

/** A port that nobody uses now. Somebody may take it before we do; the start then fails loudly. */
export async function freePort(kind) {
  if (kind === 'udp') {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    socket.close();
    return port;
  }
  const socket = createServer().listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}
