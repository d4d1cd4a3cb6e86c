// What nearly every test begins with: a server, a browser, and two people with a room.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Person, startBrowser } from './browser.mjs';
import { Server } from './server.mjs';

const ROOT = path.resolve(import.meta.dirname, '../../..');

let people = 0;

/** An address nobody else has in this run. */
export function email(name) {
  people += 1;
  return `${name.toLowerCase()}-${people}@example.org`;
}

/** A server and a browser for one file of tests. */
export async function openStage(options) {
  const server = await Server.start(options);
  // Our own certificate, for pages and for relays over TLS alike.
  const flags = options?.tls ? ['--ignore-certificate-errors'] : [];
  const browser = await startBrowser({ flags }).catch(async (error) => {
    await server.stop();
    throw error;
  });
  return {
    server,
    browser,
    arrive: (name, more = {}) => Person.arrive(browser, name, { url: server.url, ...more }),
    close: async () => {
      await browser.close();
      await server.stop();
    },
  };
}

/** Alice with a room of hers, and Bob who accepted her invite. */
export async function aliceAndBob(stage, more = {}) {
  const alice = await stage.arrive('Alice', more.alice);
  await alice.register(email('Alice'));
  const room = await alice.createRoom(more.room ?? 'Standup');
  const invite = await alice.invite();
  const bob = await stage.arrive('Bob', more.bob);
  await bob.register(email('Bob'));
  await bob.accept(invite);
  return { alice, bob, room, invite };
}

/** Adds measured figures to `target/bench/browser.json`. */
export async function record(figures) {
  const file = process.env.E2E_BENCH ?? path.join(ROOT, 'target/bench/browser.json');
  await mkdir(path.dirname(file), { recursive: true });
  const before = await readFile(file, 'utf8').then(JSON.parse, () => ({}));
  await writeFile(file, `${JSON.stringify({ ...before, ...figures }, null, 2)}\n`);
}

/** Where pictures of the app go. */
export const IMAGES = path.join(ROOT, 'docs/images');

/** The value below which a share of `values` lies. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}
