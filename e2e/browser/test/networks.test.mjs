// A call whose networks are rough, of another family than the other's, or change under it: people
// go on talking and nobody clicks anything.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { Person, startBrowser } from '../lib/browser.mjs';
import { HOST_V6, missing, NAME, NatLab, PORTS, SERVER, SERVER_V6 } from '../lib/natlab.mjs';
import { Server } from '../lib/server.mjs';
import { email, record } from '../lib/stage.mjs';

/** Leaves UDP to the relay as the only way for media. */
const RELAY_ONLY = 'only the web and TURN';
const overRelay = ({ type, protocol }) => type === 'relay' && protocol === 'udp';

/** A link between good and useless. */
const ROUGH = { loss: 0.05, delayMs: 40 };
/** Of the pictures that were sent over it, this share is shown. */
const SHOWN_SHARE = 0.85;
/** And the picture stands still no oftener than this in seven seconds. */
const FREEZES = 8;
/** A network that changed costs this much at most. It is less by half where nothing else runs. */
const BACK_MS = 15_000;

const without = await missing();
if (without !== null && process.env.CI === 'true') {
  throw new Error(`the tests with networks have to run here: ${without}`);
}

describe('a call', { skip: without ?? false }, () => {
  let lab;
  let server;
  let browsers;
  let people = [];

  before(async () => {
    lab = await NatLab.open();
    const flags = ['--ignore-certificate-errors'];
    const started = ['host-a', 'host-b', 'host-s'].map(async (host) => {
      return [host, await startBrowser({ namespace: lab.namespace(host), flags })];
    });
    browsers = Object.fromEntries(await Promise.all(started));
    const place = { namespace: lab.namespace('server'), host: NAME, port: PORTS.web };
    const settings = [`public-url=https://${NAME}`, 'turn.share-http-port=false'];
    const args = settings.flatMap((each) => ['--set', each]);
    server = await Server.start({ tls: true, place, args });
  });

  after(async () => {
    await Promise.all(Object.values(browsers ?? {}).map((browser) => browser.close()));
    await server?.stop();
    await lab?.close();
  });

  afterEach(async () => {
    await Promise.all(people.map(({ context }) => context.close()));
    people = [];
  });

  /** Ann at host a and Ben at another see each other; how long Ben took for it, in ms. */
  async function call(host) {
    const arrive = (name, where) => Person.arrive(browsers[where], name, { url: server.url });
    people = await Promise.all([arrive('Ann', 'host-a'), arrive('Ben', host)]);
    const [ann, ben] = people;
    await ann.register(email('Ann'));
    const room = await ann.createRoom('Between networks');
    await ben.enterAsGuest(await ann.invite());
    await ann.join(room);
    await ben.lobby(room);
    const joinedMs = await ben.joinAndSee();
    await ann.page.evaluate(() => window.seen.watchPictures());
    await ann.page.waitForFunction(() => window.seen.frames.length > 0);
    return { ann, ben, joinedMs };
  }

  /** Both see and hear more than they did, by `frames` of the fake camera's twenty a second. */
  async function goOn(frames) {
    const before = await Promise.all(people.map((person) => person.media()));
    return Promise.all(
      people.map(async (person, index) => {
        const { framesDecoded, audioPackets } = before[index];
        await person.receives((media) => media.audioPackets > audioPackets + frames, 'sound');
        return person.receives((media) => media.framesDecoded > framesDecoded + frames, 'pictures');
      }),
    );
  }

  function offers(person) {
    return person.page.evaluate(() => window.seen.sent.filter(({ op }) => op === 'offer').length);
  }

  /** The longest time since `moment` in which no new picture came, in ms. */
  function interruption(person, moment) {
    return person.page.evaluate((since) => {
      const times = window.seen.frames.map(({ at }) => performance.timeOrigin + at);
      const gaps = times.slice(1).map((at, index) => (at > since ? at - times[index] : 0));
      return Math.round(Math.max(...gaps));
    }, moment);
  }

  for (const { firewall, way, name, wanted } of [
    {
      firewall: 'open',
      way: 'straight to the media plane',
      name: 'direct',
      // Each keeps to its own family; behind a NAT hosts look otherwise than they are.
      wanted: [
        ({ far }) => far === SERVER,
        ({ near, far }) => far === SERVER_V6 && near === HOST_V6,
      ],
    },
    {
      firewall: RELAY_ONLY,
      way: 'through the relay',
      name: 'relay',
      wanted: [overRelay, overRelay],
    },
  ]) {
    it(`joins one with IPv4 alone and one with IPv6 alone, ${way}`, async () => {
      await lab.firewall('a', firewall);
      await lab.firewall('s', firewall);
      const { joinedMs } = await call('host-s');
      await goOn(40);
      await Promise.all(people.map((person, index) => person.travels(wanted[index])));
      await record({ [`networks.ipv6_${name}.join_to_first_frame_ms`]: Math.round(joinedMs) });
      const { media } = await lab.arrived();
      assert.equal(media > 0, name === 'direct', `${media} packets`);
      assert.deepEqual(
        people.flatMap(({ errors }) => errors),
        [],
      );
    });
  }

  describe('through the relay', () => {
    before(async () => {
      await Promise.all(['a', 'b', 'm'].map((site) => lab.firewall(site, RELAY_ONLY)));
    });

    it('goes on while every twentieth packet is lost and all are late', async () => {
      const link = await lab.roughen('b', ROUGH);
      try {
        const { ann, ben, joinedMs } = await call('host-b');
        await goOn(10);
        const since = await Promise.all(people.map((person) => person.media()));
        const now = await goOn(140);
        const { roundTripMs } = await ben.travels(overRelay);
        const { up, down } = await link.counts();
        const grown = (person, what) => now[person][what] - since[person][what];
        const shown = [
          grown(0, 'framesDecoded') / grown(1, 'framesEncoded'),
          grown(1, 'framesDecoded') / grown(0, 'framesEncoded'),
        ];
        const freezes = [0, 1].map((person) => grown(person, 'freezes'));
        await record({
          'networks.rough.join_to_first_frame_ms': Math.round(joinedMs),
          'networks.rough.frames_shown_percent': shown.map((share) => Math.round(100 * share)),
          'networks.rough.freezes': freezes,
        });
        const seen = JSON.stringify({ up, down, shown, freezes, roundTripMs });
        assert.ok(up.lost > 20 && down.lost > 20, `nothing was rough: ${seen}`);
        assert.ok(roundTripMs >= 2 * ROUGH.delayMs, `nothing was late: ${seen}`);
        // What is lost on the way up the media plane asks for, what is lost on the way down Ben.
        assert.ok(now[1].repaired > 0, `nothing was sent again: ${seen}`);
        assert.ok(Math.min(...shown) >= SHOWN_SHARE, `too much was lost: ${seen}`);
        assert.ok(Math.max(...freezes) <= FREEZES, `it stood still: ${seen}`);
        // One for each: nobody had to look for another path.
        assert.deepEqual(await Promise.all([ann, ben].map(offers)), [1, 1]);
      } finally {
        await lab.smooth('b');
      }
    });

    for (const { what, name, change, undo } of [
      {
        what: 'one side moves to another network',
        name: 'moved',
        change: () => lab.move('b', 'm'),
        undo: () => lab.move('m', 'b'),
      },
      {
        what: "one side's router gets another address",
        name: 'renumbered',
        change: () => lab.renumber('b', '203.0.113.2', '203.0.113.4'),
        undo: () => lab.renumber('b', '203.0.113.4', '203.0.113.2'),
      },
    ]) {
      it(`comes back by itself when ${what}`, async () => {
        const { ann, ben } = await call('host-b');
        const { id } = await ben.travels(overRelay);
        const moment = Date.now();
        try {
          await change();
          await goOn(50);
          await ben.travels((path) => overRelay(path) && path.id !== id);
          const gaps = await Promise.all([ann, ben].map((each) => interruption(each, moment)));
          await record({
            [`networks.${name}.picture_back_ms`]: { stayed: gaps[0], left: gaps[1] },
          });
          assert.ok(Math.max(...gaps) < BACK_MS, `no picture for ${gaps} ms`);
          // To Ann he was away for a moment and never gone.
          assert.deepEqual(await ann.events('participant_left'), []);
          assert.equal(await offers(ann), 1);
        } finally {
          await undo();
        }
      });
    }
  });
});
