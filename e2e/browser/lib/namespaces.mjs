// Linux network namespaces, the cables between them and the packet filters in them.

import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';

export const run = promisify(execFile);

/** The command line that runs a program in a namespace. */
export function within(namespace, program) {
  return ['ip', 'netns', 'exec', namespace, program];
}

export function ip(...args) {
  return run('ip', args);
}

export function inside(namespace, program, ...args) {
  const [command, ...rest] = within(namespace, program);
  return run(command, [...rest, ...args]);
}

/** What `ip netns exec` puts in the place of files of `/etc`. */
const files = (namespace) => path.join('/etc/netns', namespace);

/** Programs that start in the namespace from now on know these names. */
export async function name(namespace, addresses) {
  await mkdir(files(namespace), { recursive: true });
  const lines = addresses.map(([address, called]) => `${address} ${called} ${called}.\n`);
  await writeFile(path.join(files(namespace), 'hosts'), lines.join(''));
}

/** The namespace is gone, with what was written for it; fine if it never was. */
export function removeNow(namespace) {
  rmSync(files(namespace), { recursive: true, force: true });
  try {
    execFileSync('ip', ['netns', 'del', namespace], { stdio: 'ignore' });
  } catch {
    // It was never made, or is gone.
  }
}

/** Loads rules, all of them or none. */
export async function nft(namespace, rules) {
  const [command, ...args] = within(namespace, 'nft');
  const child = execFile(command, [...args, '-f', '-']);
  let complaint = '';
  child.stderr.on('data', (text) => {
    complaint += text;
  });
  child.stdin.end(`${rules}\n`);
  const [code] = await once(child, 'close');
  if (code !== 0) {
    throw new Error(`nft: ${complaint}`);
  }
}

/** Packets that each named counter of the namespace has seen. */
export async function counters(namespace) {
  const { stdout } = await inside(namespace, 'nft', '-j', 'list', 'counters');
  const listed = JSON.parse(stdout).nftables.flatMap(({ counter }) => counter ?? []);
  return Object.fromEntries(listed.map(({ name, packets }) => [name, packets]));
}

/** A cable between two namespaces; each end has a name and, if it is a host's, addresses. */
export async function cable(one, other) {
  const [[here, name], [there, peer]] = [one, other];
  const type = ['type', 'veth', 'peer', 'name', peer, 'netns', there];
  await ip('link', 'add', 'name', name, 'netns', here, ...type);
  for (const [namespace, device, ...addresses] of [one, other]) {
    for (const address of addresses) {
      await assign(namespace, device, address);
    }
    // An IPv6 address that the kernel adds a second later is a change of network to Chromium, which
    // ends what it is loading.
    await ip('-n', namespace, 'link', 'set', device, 'addrgenmode', 'none');
    await ip('-n', namespace, 'link', 'set', device, 'up');
  }
}

/**
 * Gives a device an address, good from now on: nobody else could have it. With IPv6 it gets one of
 * the link, too, since routers ask for their neighbours from there.
 */
export async function assign(namespace, device, address) {
  const add = (which, ...flags) =>
    ip('-n', namespace, 'addr', 'add', which, 'dev', device, ...flags);
  if (!address.includes(':')) {
    await add(address);
    return;
  }
  await add(address, 'nodad');
  await add(`fe80::${address.split('::')[1]}`, 'nodad');
}

/** Lets packets of others through. */
export async function forward(namespace, family) {
  const file = { ip: 'ipv4/ip_forward', ip6: 'ipv6/conf/all/forwarding' }[family];
  await inside(namespace, 'sh', '-c', `echo 1 > /proc/sys/net/${file}`);
}

/** Removes namespaces of runs that ended without a chance to: `prefix`, process, part. */
export async function sweep(prefix) {
  const { stdout } = await ip('netns', 'list');
  const ours = new RegExp(`^${prefix}-(\\d+)-\\S+`, 'gm');
  for (const [namespace, pid] of stdout.matchAll(ours)) {
    if (alive(Number(pid))) {
      continue;
    }
    const { stdout: left } = await ip('netns', 'pids', namespace);
    for (const each of left.split('\n').filter(Boolean).map(Number)) {
      if (alive(each)) {
        process.kill(each, 'SIGKILL');
      }
    }
    removeNow(namespace);
  }
}

function alive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
