// Two hosts, each behind a NAT of its own, and a server where both can reach it. All of it stands
// in network namespaces of this run: nothing leaves the machine, and ports clash with nobody's.
//
//   host a 10.1.0.2 ── nat a 203.0.113.1 ──┐
//                                          ├── net ── server 203.0.113.10
//   host b 10.2.0.2 ── nat b 203.0.113.2 ──┘

import { execFile, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';

export const SERVER = '203.0.113.10';
/** What the server listens at, each port counted on its own. */
export const PORTS = { web: 443, turn: 3478, media: 7882 };

const PREFIX = 'confer-nat';
const PARTS = ['net', 'server', 'nat-a', 'nat-b', 'host-a', 'host-b'];

/** What a site lets its people send out: rules of a chain that passes what they do not drop. */
const FIREWALLS = {
  open: '',
  'only the web and TURN': `tcp dport ${PORTS.web} accept
    udp dport ${PORTS.turn} accept
    counter name refused drop`,
  'no UDP': 'meta l4proto udp counter name refused drop',
  'only TCP 443': `tcp dport 443 accept
    counter name refused drop`,
};

/** Why there can be no lab here, and how to get one; `null` where there can be. */
export async function missing() {
  if (process.platform !== 'linux') {
    return 'NATs are made of Linux network namespaces';
  }
  if (process.getuid() !== 0) {
    const again = 'sudo env "PATH=$PATH" node --test e2e/browser/test/nat.test.mjs';
    return `making network namespaces needs root: build all, then ${again}`;
  }
  for (const [tool, name] of Object.entries({ ip: 'iproute2', nft: 'nftables', curl: 'curl' })) {
    const found = await run(tool, ['-V']).catch(({ code }) => code);
    if (found === 'ENOENT') {
      return `${tool} is missing: sudo apt-get install ${name}`;
    }
  }
  const probe = `${PREFIX}-${process.pid}-probe`;
  try {
    await ip('netns', 'add', probe);
    await nft(probe, SYMMETRIC);
    return null;
  } catch (error) {
    return `this kernel or container gives no network namespaces or no NAT: ${error.message}`;
  } finally {
    await ip('netns', 'del', probe).catch(() => undefined);
  }
}

export class NatLab {
  /** Cables and NATs, with firewalls that let everything out. */
  static async open() {
    await sweep();
    const lab = new NatLab();
    process.once('exit', lab.#atExit);
    try {
      await lab.#build();
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  #atExit = () => {
    for (const part of PARTS) {
      try {
        execFileSync('ip', ['netns', 'del', this.namespace(part)], { stdio: 'ignore' });
      } catch {
        // It was never made, or is gone.
      }
    }
  };

  /** The network namespace of `server`, `host-a` and so on. */
  namespace(part) {
    return `${PREFIX}-${process.pid}-${part}`;
  }

  /** Only what `kind` permits leaves `site` from now on; what was counted is forgotten. */
  async firewall(site, kind) {
    await nft(
      this.namespace(`nat-${site}`),
      `table ip site {}
      delete table ip site
      table ip site {
        counter refused {}
        chain out {
          type filter hook forward priority -10; policy accept;
          iifname "lan" jump rules
        }
        chain rules {
          ${FIREWALLS[kind]}
        }
      }`,
    );
    await nft(this.namespace('server'), 'reset counters table ip counting');
  }

  /** Packets that the firewall of `site` dropped. */
  async refused(site) {
    return (await counters(this.namespace(`nat-${site}`))).refused;
  }

  /** Packets that came to the server from outside, by what it has at their port. */
  arrived() {
    return counters(this.namespace('server'));
  }

  async close() {
    process.off('exit', this.#atExit);
    for (const part of PARTS) {
      await ip('netns', 'del', this.namespace(part)).catch(() => undefined);
    }
  }

  async #build() {
    const [net, server] = PARTS.map((part) => this.namespace(part));
    for (const part of PARTS) {
      await ip('netns', 'add', this.namespace(part));
      await ip('-n', this.namespace(part), 'link', 'set', 'lo', 'up');
    }
    // It answers for every address, as a provider's router does, and drops what leads nowhere:
    // without a route, sending fails at once instead.
    await ip('-n', net, 'link', 'add', 'wire', 'type', 'bridge');
    await ip('-n', net, 'addr', 'add', '203.0.113.254/24', 'dev', 'wire');
    await ip('-n', net, 'link', 'set', 'wire', 'up');
    await this.#connect('server', `${SERVER}/24`);
    await nft(server, COUNTING);
    for (const [site, number] of [
      ['a', 1],
      ['b', 2],
    ]) {
      const [nat, host] = [this.namespace(`nat-${site}`), this.namespace(`host-${site}`)];
      await this.#connect(`nat-${site}`, `203.0.113.${number}/24`);
      await cable([nat, 'lan', `10.${number}.0.1/24`], [host, 'eth0', `10.${number}.0.2/24`]);
      await ip('-n', host, 'route', 'add', 'default', 'via', `10.${number}.0.1`);
      await inside(nat, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
      await nft(nat, SYMMETRIC);
    }
  }

  /** Gives a namespace an address on the public side. */
  async #connect(part, address) {
    const [net, namespace] = [this.namespace('net'), this.namespace(part)];
    await cable([namespace, 'wan', address], [net, part]);
    await ip('-n', net, 'link', 'set', part, 'master', 'wire');
    await ip('-n', namespace, 'route', 'add', 'default', 'via', '203.0.113.254');
  }
}

/**
 * Another port for every destination, so that what one peer learns of a host helps no other peer.
 * Unasked packets are dropped without an answer, as home routers do it.
 */
const SYMMETRIC = `
table ip nat {
  chain post {
    type nat hook postrouting priority 100; policy accept;
    oifname "wan" masquerade fully-random
  }
  chain forwarded {
    type filter hook forward priority 0; policy accept;
    iifname "wan" ct state != { established, related } drop
  }
  chain own {
    type filter hook input priority 0; policy accept;
    iifname "wan" ct state != { established, related } drop
  }
}`;

const COUNTING = `
table ip counting {
  counter web {}
  counter turn_tcp {}
  counter turn_udp {}
  counter media {}
  counter other {}
  chain in {
    type filter hook input priority 0; policy accept;
    iifname != "wan" accept
    tcp dport ${PORTS.web} counter name web accept
    tcp dport ${PORTS.turn} counter name turn_tcp accept
    udp dport ${PORTS.turn} counter name turn_udp accept
    udp dport ${PORTS.media} counter name media accept
    counter name other
  }
}`;

/** A cable between two namespaces; each end has a name and, if it is a host's, an address. */
async function cable(one, other) {
  const [[here, name], [there, peer]] = [one, other];
  const type = ['type', 'veth', 'peer', 'name', peer, 'netns', there];
  await ip('link', 'add', 'name', name, 'netns', here, ...type);
  for (const [namespace, device, address] of [one, other]) {
    if (address) {
      await ip('-n', namespace, 'addr', 'add', address, 'dev', device);
    }
    // An IPv6 address that the kernel adds a second later is a change of network to Chromium, which
    // ends what it is loading.
    await ip('-n', namespace, 'link', 'set', device, 'addrgenmode', 'none');
    await ip('-n', namespace, 'link', 'set', device, 'up');
  }
}

async function counters(namespace) {
  const { stdout } = await inside(namespace, 'nft', '-j', 'list', 'counters');
  const listed = JSON.parse(stdout).nftables.flatMap(({ counter }) => counter ?? []);
  return Object.fromEntries(listed.map(({ name, packets }) => [name, packets]));
}

/** Removes what runs have left that ended without a chance to. */
async function sweep() {
  const { stdout } = await ip('netns', 'list');
  const ours = new RegExp(`^${PREFIX}-(\\d+)-\\S+`, 'gm');
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
    await ip('netns', 'del', namespace);
  }
}

function alive(pid) {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The command line that runs a program in a namespace. */
export function within(namespace, program) {
  return ['ip', 'netns', 'exec', namespace, program];
}

const run = promisify(execFile);

function ip(...args) {
  return run('ip', args);
}

function inside(namespace, program, ...args) {
  const [command, ...rest] = within(namespace, program);
  return run(command, [...rest, ...args]);
}

/** Loads rules. */
async function nft(namespace, rules) {
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
