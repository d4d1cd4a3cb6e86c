// Two hosts behind NATs of their own whose firewalls let less and less out: they meet through the
// relay and nothing else, without a setting on either side.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Person, startBrowser } from '../lib/browser.mjs';
import { missing, NatLab, PORTS, SERVER } from '../lib/natlab.mjs';
import { Server } from '../lib/server.mjs';
import { email, quantile, record } from '../lib/stage.mjs';

const ROUNDS = 3;
const FLAGS = ['--ignore-certificate-errors'];

const without = await missing();
if (without !== null && process.env.CI === 'true') {
  throw new Error(`the NAT tests have to run here: ${without}`);
}

describe('two hosts behind NATs of their own', { skip: without ?? false }, () => {
  let lab;
  let server;
  let browsers;

  before(async () => {
    lab = await NatLab.open();
    const hosts = ['host-a', 'host-b'].map((part) => lab.namespace(part));
    const place = { namespace: lab.namespace('server'), host: SERVER, port: PORTS.web };
    [server, ...browsers] = await Promise.all([
      Server.start({ tls: true, place }),
      ...hosts.map((namespace) => startBrowser({ namespace, flags: FLAGS })),
    ]);
  });

  after(async () => {
    await Promise.all((browsers ?? []).map((browser) => browser.close()));
    await server?.stop();
    await lab?.close();
  });

  async function firewalls(kind) {
    await Promise.all(['a', 'b'].map((site) => lab.firewall(site, kind)));
  }

  /** Ann at one site calls Ben at the other; how long it took to see her, each time he joined. */
  async function call({ protocol, name }) {
    const [ann, ben] = await Promise.all(
      ['Ann', 'Ben'].map((who, site) => Person.arrive(browsers[site], who, { url: server.url })),
    );
    await ann.register(email('Ann'));
    const room = await ann.createRoom('Behind two NATs');
    const invite = await ann.invite();
    await ben.enterAsGuest(invite);
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
      await person.travels({ type: 'relay', protocol });
      assert.deepEqual(person.errors, []);
    }
    const arrived = await lab.arrived();
    const refused = await Promise.all([lab.refused('a'), lab.refused('b')]);
    await Promise.all([ann, ben].map(({ context }) => context.close()));
    await record({ [`nat.${name}.join_to_first_frame_ms_p50`]: Math.round(quantile(times, 0.5)) });
    assert.ok(Math.min(...refused) > 0, `a firewall that nothing met: ${refused}`);
    assert.equal(arrived.media, 0, 'media came to the media plane itself');
    return arrived;
  }

  it('meet through TURN over UDP where media itself may not pass', async () => {
    await firewalls('no media');
    const arrived = await call({ name: 'udp', protocol: 'udp' });
    assert.ok(arrived.turn_udp > 100, JSON.stringify(arrived));
  });

  it('meet through TURN over TCP where no UDP passes', async () => {
    await firewalls('no UDP');
    const arrived = await call({ name: 'tcp', protocol: 'tcp' });
    assert.equal(arrived.turn_udp, 0);
    assert.ok(arrived.turn_tcp > 100, JSON.stringify(arrived));
  });

  it('meet on port 443 where nothing else passes: pages, signaling and media', async () => {
    await firewalls('only TCP 443');
    const { web, ...others } = await call({ name: 'only_443', protocol: 'tls' });
    assert.ok(web > 100);
    assert.deepEqual(others, { media: 0, turn_udp: 0, turn_tcp: 0, other: 0 });
  });
});
