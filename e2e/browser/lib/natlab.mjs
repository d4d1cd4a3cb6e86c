// Hosts behind NATs of their own, and a server where all can reach it. All of it stands in network
// namespaces of this run: nothing leaves the machine, and ports clash with nobody's.
//
//   host a 10.1.0.2 ───────── nat a 203.0.113.1 ──┐
//   host b 10.2.0.2 ───────── nat b 203.0.113.2 ──┼── net ── server 203.0.113.10
//     or   10.3.0.2 ───────── nat m 203.0.113.3 ──┤                 2001:db8::10
//   host s 2001:db8:6::2 ── router s 2001:db8::6 ─┘
//
// Host b has two networks, as a phone has, and is in one of them at a time. Host s has IPv6 alone,
// which nobody translates: its router has a firewall only.

import {
  assign,
  cable,
  counters,
  forward,
  ip,
  name,
  nft,
  removeNow,
  run,
  sweep,
} from './namespaces.mjs';
import {
  CLOSED_DOOR,
  COUNTING,
  detour,
  firewall,
  NATS,
  NO_DETOUR,
  nat,
  PORTS,
} from './nat-rules.mjs';
import { RoughLink } from './rough-link.mjs';

export { PORTS };

export const SERVER = '203.0.113.10';
export const SERVER_V6 = '2001:db8::10';
export const HOST_V6 = '2001:db8:6::2';
/** What name servers have both addresses for. */
export const NAME = 'meet.example';

const PREFIX = 'confer-nat';
const SITES = ['a', 'b', 'm', 's'];
const HOSTS = ['host-a', 'host-b', 'host-s'];
const PARTS = ['net', 'server', ...SITES.map((site) => `nat-${site}`), ...HOSTS];

/** Networks of host b: what it has there, and where they lead. */
const NETWORKS = {
  b: { device: 'eth0', address: '10.2.0.2/24', router: '10.2.0.1' },
  m: { device: 'eth1', address: '10.3.0.2/24', router: '10.3.0.1' },
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
    for (const kind of NATS) {
      await nft(probe, nat(kind));
    }
    await nft(probe, detour(PORTS.turn));
    return null;
  } catch (error) {
    return `this kernel or container gives no network namespaces or no NAT: ${error.message}`;
  } finally {
    removeNow(probe);
  }
}

export class NatLab {
  /** Cables and symmetric NATs, with firewalls that let everything out. */
  static async open() {
    await sweep(PREFIX);
    const lab = new NatLab();
    process.once('exit', lab.#remove);
    try {
      await lab.#build();
    } catch (error) {
      await lab.close();
      throw error;
    }
    return lab;
  }

  #links = new Map();

  #remove = () => {
    for (const part of PARTS) {
      removeNow(this.namespace(part));
    }
  };

  /** The network namespace of `server`, `host-a` and so on. */
  namespace(part) {
    return `${PREFIX}-${process.pid}-${part}`;
  }

  /** Only what `kind` permits leaves `site` from now on; what was counted is forgotten. */
  async firewall(site, kind) {
    await nft(this.namespace(`nat-${site}`), firewall(kind));
    await nft(this.namespace('server'), 'reset counters table inet counting');
  }

  /** Packets that the firewall of `site` dropped. */
  async refused(site) {
    return (await counters(this.namespace(`nat-${site}`))).refused;
  }

  /** Packets that came to the server from outside, by what it has at their port. */
  arrived() {
    return counters(this.namespace('server'));
  }

  /** What `site` sends from now on is translated by a NAT of another kind. */
  async nat(site, kind) {
    await nft(this.namespace(`nat-${site}`), nat(kind));
  }

  /** From now on what `site` and the relay tell each other over UDP gets lost and late. */
  async roughen(site, { loss, delayMs }) {
    const router = this.namespace(`nat-${site}`);
    const shape = { host: SERVER, port: PORTS.turn, loss, delayMs };
    const link = await RoughLink.start(router, shape);
    this.#links.set(site, link);
    await nft(router, detour(link.port));
    return link;
  }

  /** The link is as good as any again. */
  async smooth(site) {
    const link = this.#links.get(site);
    if (this.#links.delete(site)) {
      await nft(this.namespace(`nat-${site}`), NO_DETOUR);
      await link.close();
    }
  }

  /**
   * Host b leaves one of its networks for another, with addresses of its own on both sides of the
   * NAT. The new one is there before the old one is gone, as with a phone that leaves the house.
   */
  async move(from, to) {
    await this.#enter(to);
    const { device, address } = NETWORKS[from];
    await ip('-n', this.namespace('host-b'), 'addr', 'del', address, 'dev', device);
  }

  async #enter(network) {
    const { device, address, router } = NETWORKS[network];
    const host = this.namespace('host-b');
    await assign(host, device, address);
    await ip('-n', host, 'route', 'replace', 'default', 'via', router);
  }

  /**
   * The provider gives the router of `site` another address, as some do every night: nothing
   * changes that its people could see, and nothing that they began goes on.
   */
  async renumber(site, from, to) {
    const router = this.namespace(`nat-${site}`);
    // With its address the kernel forgets every mapping that used it.
    await ip('-n', router, 'addr', 'del', `${from}/24`, 'dev', 'wan');
    await assign(router, 'wan', `${to}/24`);
    await ip('-n', router, 'route', 'replace', 'default', 'via', '203.0.113.254');
  }

  async close() {
    process.off('exit', this.#remove);
    await Promise.all([...this.#links.values()].map((link) => link.close()));
    this.#remove();
  }

  async #build() {
    const [net, server] = PARTS.map((part) => this.namespace(part));
    for (const part of PARTS) {
      await ip('netns', 'add', this.namespace(part));
      await ip('-n', this.namespace(part), 'link', 'set', 'lo', 'up');
      await name(this.namespace(part), [
        ['127.0.0.1', 'localhost'],
        [SERVER, NAME],
        [SERVER_V6, NAME],
      ]);
    }
    // It answers for every address, as a provider's router does, and drops what leads nowhere:
    // without a route, sending fails at once instead.
    await ip('-n', net, 'link', 'add', 'wire', 'type', 'bridge');
    await assign(net, 'wire', '203.0.113.254/24');
    await assign(net, 'wire', '2001:db8::254/64');
    await ip('-n', net, 'link', 'set', 'wire', 'up');
    await this.#connect('server', `${SERVER}/24`, `${SERVER_V6}/64`);
    await nft(server, COUNTING);
    for (const [site, number, ...end] of [
      ['a', 1, 'host-a', 'eth0', '10.1.0.2/24'],
      ['b', 2, 'host-b', NETWORKS.b.device],
      ['m', 3, 'host-b', NETWORKS.m.device],
    ]) {
      const router = await this.#router(site, `203.0.113.${number}/24`);
      const [host, ...device] = end;
      await cable([router, 'lan', `10.${number}.0.1/24`], [this.namespace(host), ...device]);
      await forward(router, 'ip');
      await nft(router, nat('symmetric'));
    }
    await this.#gateway('host-a', '10.1.0.1');
    await this.#enter('b');
    await this.#sixth(server);
  }

  /** The site with IPv6 alone. */
  async #sixth(server) {
    const router = await this.#router('s', '2001:db8::6/64');
    const end = [this.namespace('host-s'), 'eth0', `${HOST_V6}/64`];
    await cable([router, 'lan', '2001:db8:6::1/64'], end);
    await forward(router, 'ip6');
    await this.#gateway('host-s', '2001:db8:6::1');
    await ip('-n', server, 'route', 'add', '2001:db8:6::/64', 'via', '2001:db8::6');
  }

  /** A router that lets in only what was asked for. */
  async #router(site, address) {
    await this.#connect(`nat-${site}`, address);
    const router = this.namespace(`nat-${site}`);
    await nft(router, CLOSED_DOOR);
    return router;
  }

  /** Gives a namespace addresses on the public side. */
  async #connect(part, ...addresses) {
    const [net, namespace] = [this.namespace('net'), this.namespace(part)];
    await cable([namespace, 'wan', ...addresses], [net, part]);
    await ip('-n', net, 'link', 'set', part, 'master', 'wire');
    for (const address of addresses) {
      const gateway = address.includes(':') ? '2001:db8::254' : '203.0.113.254';
      await this.#gateway(part, gateway);
    }
  }

  async #gateway(part, gateway) {
    await ip('-n', this.namespace(part), 'route', 'add', 'default', 'via', gateway);
  }
}
