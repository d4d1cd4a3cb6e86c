// The real binary, on free ports, with a data directory that is thrown away.

import { execFile, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { within } from './namespaces.mjs';

export const BINARY =
  process.env.CONFER_BIN ?? path.resolve(import.meta.dirname, '../../../target/debug/confer');

/** The first start makes a database cluster, which takes its time on a busy machine. */
const START_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 20_000;

/** Servers that run now. None may outlive the tests, however those end. */
const running = new Set();
process.on('exit', () => {
  for (const child of running) {
    child.kill('SIGKILL');
  }
});
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => process.exit(1));
}

/** A server that can be killed and started again, with everything it has stored. */
export class Server {
  /**
   * With `tls` it has a certificate that only browsers take that were told to. It runs on
   * loopback, or in the network namespace that `place` names with an address and a port there.
   */
  static async start({ args = [], tls = false, place } = {}) {
    const folder = await mkdtemp(path.join(tmpdir(), 'confer-e2e-'));
    // Run by root, the server hands its database to another user, who must be able to come here.
    await chmod(folder, 0o755);
    const { settings, ...where } = place === undefined ? await loopback() : placed(place);
    const all = [...settings, ...(tls ? ['--tls', 'self-signed'] : []), ...args];
    const server = new Server(folder, where, all, tls);
    try {
      await server.start();
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  #child = null;
  #log = [];

  constructor(folder, { host, port, namespace }, args, tls) {
    this.folder = folder;
    this.data = path.join(folder, 'data');
    this.port = port;
    this.namespace = namespace;
    this.url = `${tls ? 'https' : 'http'}://${host}:${port}`;
    this.args = ['serve', '--data-dir', this.data, ...args];
  }

  /** What it has written up to now. */
  get log() {
    return this.#log.join('');
  }

  async start() {
    const [command, ...before] =
      this.namespace === undefined ? [BINARY] : within(this.namespace, BINARY);
    const child = spawn(command, [...before, ...this.args], {
      env: ownEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    running.add(child);
    child.on('exit', () => running.delete(child));
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => this.#log.push(text));
    }
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (Date.now() < deadline) {
      if (child.exitCode !== null || child.signalCode !== null) {
        throw new Error(`the server ended before it was ready:\n${this.log}`);
      }
      if ((await this.get('/readyz').catch(() => null))?.status === 200) {
        return;
      }
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`the server was not ready in time:\n${this.log}`);
  }

  /** What it answers, whoever signed its certificate. */
  async get(where) {
    if (this.namespace !== undefined) {
      return this.#getThere(where);
    }
    const { get } = this.url.startsWith('https') ? https : http;
    const request = get(`${this.url}${where}`, { rejectUnauthorized: false });
    const [answer] = await once(request, 'response');
    answer.setEncoding('utf8');
    return { status: answer.statusCode, text: (await answer.toArray()).join('') };
  }

  /** The same from its own machine, where this process is not: metrics are for nobody else. */
  async #getThere(where) {
    const [command, ...args] = within(this.namespace, 'curl');
    const quietly = ['-ks', '--max-time', '5', '-w', '\n%{http_code}'];
    const { protocol, port } = new URL(this.url);
    const asked = [...args, ...quietly, `${protocol}//127.0.0.1:${port || this.port}${where}`];
    const { stdout } = await promisify(execFile)(command, asked);
    const [, text, status] = stdout.match(/^(.*)\n(\d+)$/s);
    return { status: Number(status), text };
  }

  /** Ends it as a power cut would. */
  async kill() {
    await this.#end('SIGKILL');
  }

  /** Ends it in good order and removes what it stored. */
  async stop() {
    await this.#end('SIGTERM');
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  /** An access token for somebody of an app's own, signed with the server's API key. */
  async mint(...args) {
    return (await this.run('token', 'mint', ...args)).trim();
  }

  /** What one of the operator's commands writes. */
  async run(...args) {
    const [group, command, ...rest] = args;
    const line = [group, command, '--data-dir', this.data, ...rest];
    const { stdout } = await promisify(execFile)(BINARY, line, { env: ownEnvironment() });
    return stdout;
  }

  async #end(signal) {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) {
      return;
    }
    const exited = once(child, 'exit');
    child.kill(signal);
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(hard);
  }
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

/** A place on loopback that nobody else has, and the settings that keep the server there. */
async function loopback() {
  const port = await freePort('tcp');
  const settings = [
    ...['--listen', `127.0.0.1:${port}`],
    ...['--udp-port', String(await freePort('udp'))],
    ...['--announce', '127.0.0.1', '--set', 'rtc.listen=127.0.0.1'],
    ...['--set', 'turn.listen=127.0.0.1:0'],
  ];
  return { host: '127.0.0.1', port, settings };
}

/** A machine of its own: all is as it comes, but for the port. */
function placed({ namespace, host, port }) {
  return { namespace, host, port, settings: ['--listen', `[::]:${port}`] };
}

/** A port that nobody uses now. Somebody may take it before we do; the start then fails loudly. */
async function freePort(kind) {
  const socket =
    kind === 'udp'
      ? createSocket('udp4').bind(0, '127.0.0.1')
      : createServer().listen(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}
