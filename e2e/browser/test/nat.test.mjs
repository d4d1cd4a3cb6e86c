// Two hosts behind NATs of their own, some of which no hole can be made in, with firewalls that let
// less and less out: they meet through the relay, without a setting on either side.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Person, startBrowser } from '../lib/browser.mjs';
import { missing, NatLab, PORTS, SERVER } from '../lib/natlab.mjs';
import { gathered, meet } from '../lib/peers.mjs';
import { Server } from '../lib/server.mjs';
import { email, quantile, record } from '../lib/stage.mjs';

const ROUNDS = 3;
const [SYMMETRIC, CONE] = ['symmetric', 'port-restricted cone'];

const without = await missing();
if (without !== null && process.env.CI === 'true') {
  throw new Error(`the tests with NATs have to run here: ${without}`);
}

describe('two hosts behind NATs of their own', { skip: without ?? false }, () => {
  let lab;
  let server;
  let browsers;

  before(async () => {
    lab = await NatLab.open();
    const hosts = ['host-a', 'host-b'].map((part) => lab.namespace(part));
    const flags = ['--ignore-certificate-errors'];
    browsers = await Promise.all(hosts.map((namespace) => startBrowser({ namespace, flags })));
  });

  after(async () => {
    await Promise.all((browsers ?? []).map((browser) => browser.close()));
    await lab?.close();
  });

  /** A server as it comes, with nothing but TLS and the port of the web. */
  async function serve(args = []) {
    const place = { namespace: lab.namespace('server'), host: SERVER, port: PORTS.web };
    server = await Server.start({ tls: true, place, args });
  }

  /** Somebody at each site. */
  function arrive() {
    const at = (site, name) => Person.arrive(browsers[site], name, { url: server.url });
    return Promise.all([at(0, 'Ann'), at(1, 'Ben')]);
  }

  async function firewalls(a, b) {
    await lab.firewall('a', a);
    await lab.firewall('b', b);
  }

  async function nats(a, b) {
    await lab.nat('a', a);
    await lab.nat('b', b);
  }

  describe('in a call', () => {
    // Browsers keep the first relay that answers, so several transports make several outcomes.
    for (const { firewall, protocols, args, name, first = SYMMETRIC } of [
      {
        firewall: 'only the web and TURN',
        first: CONE,
        protocols: ['udp'],
        args: ['--set', 'turn.share-http-port=false'],
        name: 'udp',
      },
      { firewall: 'no UDP', protocols: ['tcp', 'tls'], name: 'tcp' },
      { firewall: 'only TCP 443', protocols: ['tls'], name: 'only_443' },
    ]) {
      it(`meet through the relay with the firewall: ${firewall}`, async () => {
        await firewalls(firewall, firewall);
        await nats(first, SYMMETRIC);
        await serve(args);
        try {
          await call({ protocols, name });
        } finally {
          await server.stop();
        }
      });
    }

    /** They see and hear each other through a relay, and nothing of it takes another way. */
    async function call({ protocols, name }) {
      const [ann, ben] = await arrive();
      await ann.register(email('Ann'));
      const room = await ann.createRoom('Behind two NATs');
      await ben.enterAsGuest(await ann.invite());
      await ann.join(room);

      const times = [];
      for (let round = 0; round < ROUNDS; round += 1) {
        if (round > 0) {
          await ben.leave();
        }
        await ben.lobby(room);
        times.push(await ben.joinAndSee());
      }
      for (const person of [ann, ben]) {
        const { framesDecoded } = await person.media();
        // More than two seconds of the fake camera.
        await person.receives((media) => media.framesDecoded > framesDecoded + 45, 'pictures');
        await person.receives((media) => media.audioEnergy > 0, 'sound');
        await person.travels(
          ({ type, protocol }) => type === 'relay' && protocols.includes(protocol),
        );
        assert.deepEqual(person.errors, []);
      }
      const arrived = await lab.arrived();
      const refused = await Promise.all([lab.refused('a'), lab.refused('b')]);
      await Promise.all([ann, ben].map(({ context }) => context.close()));

      await record({
        [`nat.${name}.join_to_first_frame_ms_p50`]: Math.round(quantile(times, 0.5)),
      });
      assert.ok(Math.min(...refused) > 0, `a firewall that nothing met: ${refused}`);
      const ways = {
        udp: ['web', 'turn_udp'],
        tcp: ['web', 'turn_tcp'],
        // The page, signaling and media on one port.
        only_443: ['web'],
      };
      for (const [way, packets] of Object.entries(arrived)) {
        assert.equal(packets > 0, ways[name].includes(way), `${way}: ${JSON.stringify(arrived)}`);
      }
    }
  });

  describe("with an app of their own, and confer's relay alone", () => {
    const STUN = [PORTS.turn, PORTS.turn + 1].map((port) => ({ urls: `stun:${SERVER}:${port}` }));
    const TURN = [
      `turn:${SERVER}:${PORTS.turn}?transport=udp`,
      `turn:${SERVER}:${PORTS.turn}?transport=tcp`,
      `turns:${SERVER}:${PORTS.web}?transport=tcp`,
    ];
    const USER = { username: 'app', credential: 'a password of the app' };
    let folder;

    before(async () => {
      folder = await mkdtemp(path.join(tmpdir(), 'confer-e2e-users-'));
      const users = path.join(folder, 'users.toml');
      await writeFile(users, `${USER.username} = "${USER.credential}"\n`);
      const listen = [PORTS.turn, PORTS.turn + 1].map((port) => `0.0.0.0:${port}`).join(',');
      const settings = [
        `turn.users-file=${users}`,
        `turn.listen=${listen}`,
        // Clients of the relay meet there although the lab's addresses are not globally routable.
        `turn.external-addresses=${SERVER}`,
        // So do clients and peers that have none.
        'turn.allowed-peers=203.0.113.0/24',
      ];
      await serve(['--roles', 'turn', ...settings.flatMap((each) => ['--set', each])]);
    });

    after(async () => {
      await server?.stop();
      await rm(folder, { recursive: true });
    });

    for (const [kind, ports, what] of [
      [SYMMETRIC, STUN.length, 'different to every peer'],
      [CONE, 1, 'the same to every peer'],
    ]) {
      it(`look ${what} behind a NAT: ${kind}`, async () => {
        await firewalls('open', 'open');
        await nats(kind, kind);
        for (const person of await arrive()) {
          const seen = await gathered(person, STUN);
          const found = seen.filter(({ type }) => type === 'srflx').map(({ port }) => port);
          assert.equal(new Set(found).size, ports, JSON.stringify(seen));
          await person.context.close();
        }
      });
    }

    const udp = [{ urls: TURN.slice(0, 1), ...USER }];
    for (const [kinds, relayed] of [
      [[CONE, CONE], false],
      [[CONE, SYMMETRIC], true],
      [[SYMMETRIC, SYMMETRIC], true],
    ]) {
      const way = relayed ? 'through the relay only' : 'without it';
      it(`find each other ${way} behind NATs: ${kinds.join(' and ')}`, async () => {
        await firewalls('open', 'open');
        await nats(...kinds);
        const people = await arrive();
        assert.equal(await meet(people, [udp, udp], 100, 'all'), 100);
        // One relay on the way is enough, whosever it is.
        const relays = ({ type, farType }) => [type, farType].includes('relay');
        for (const person of people) {
          await person.travels((path) => path.type !== undefined && relays(path) === relayed);
        }
        await Promise.all(people.map(({ context }) => context.close()));
      });
    }

    // Of several relays, browsers keep the first that answers: each gets one that can.
    for (const [sites, protocols] of [
      [
        ['open', 'open'],
        ['udp', 'udp'],
      ],
      [
        ['no UDP', 'only TCP 443'],
        ['tcp', 'tls'],
      ],
    ]) {
      it(`exchange data with the firewalls: ${sites.join(' and ')}`, async () => {
        await firewalls(...sites);
        await nats(SYMMETRIC, SYMMETRIC);
        const people = await arrive();
        const servers = protocols.map((last) => {
          const urls = TURN.slice(0, 1 + ['udp', 'tcp', 'tls'].indexOf(last));
          return [{ urls, ...USER }];
        });
        assert.equal(await meet(people, servers, 100), 100);
        for (const [site, person] of people.entries()) {
          await person.travels(
            ({ type, protocol }) => type === 'relay' && protocol === protocols[site],
          );
          await person.context.close();
        }
      });
    }
  });
});
