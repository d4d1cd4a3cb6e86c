// Calls of people whose network lets nothing pass but a relay, over everything the relay speaks.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startApp } from '../lib/app.mjs';
import { PATIENCE_MS } from '../lib/browser.mjs';
import { openStage, quantile, record } from '../lib/stage.mjs';

/** Leaves of the relays that joining brings only the one that is tested. */
function only(url) {
  const narrowed = ({ iceServers = [], ...rest } = {}) => ({
    ...rest,
    iceServers: iceServers.map((server) => ({
      ...server,
      urls: [server.urls].flat().filter((each) => each === url),
    })),
  });
  const usual = RTCPeerConnection.prototype.setConfiguration;
  RTCPeerConnection.prototype.setConfiguration = function set(configuration) {
    usual.call(this, narrowed(configuration));
  };
}

/** A page of an app whose media goes through `url` and nowhere else; says when it was in the call. */
async function join(stage, app, { identity, room, url }) {
  const args = room === undefined ? ['--create'] : ['--room', room];
  const token = await stage.server.mint('--identity', identity, ...args);
  const person = await stage.arrive(identity, { url: app.url });
  await person.context.addInitScript(only, url);
  await person.page.goto('/');
  const joined = await person.page.evaluate(
    async ({ server, minted, id }) => {
      const { ConferClient } = await import('/index.js');
      const client = new ConferClient({ url: server, token: async () => minted });
      await client.connect();
      const { audio, video } = await client.devices.open({ audio: true, video: true });
      const where = id ?? (await client.api.createRoom('Behind a firewall')).id;
      const begun = performance.now();
      window.room = await client.join(where, { audio, video, iceTransportPolicy: 'relay' });
      window.firstFrame = new Promise((done) => {
        window.room.on('trackSubscribed', ({ publication, track }) => {
          const element = document.createElement(publication.kind);
          Object.assign(element, { autoplay: true, srcObject: client.devices.stream([track]) });
          document.body.append(element);
          if (publication.kind === 'video') {
            element.requestVideoFrameCallback(() => done(performance.now() - begun));
          }
        });
      });
      return where;
    },
    { server: stage.server.url, minted: token, id: room },
  );
  return { person, room: joined };
}

/** Two people meet through one URL, see and hear each other, and go. */
async function meet(stage, app, { url, protocol }) {
  const ann = await join(stage, app, { identity: 'ann', url });
  const ben = await join(stage, app, { identity: 'ben', room: ann.room, url });
  const firstFrame = await ben.person.page.evaluate(() => window.firstFrame);
  for (const { person } of [ann, ben]) {
    // More than two seconds of the fake camera.
    await person.receives((media) => media.framesDecoded > 60, 'pictures');
    await person.receives((media) => media.audioEnergy > 0, 'sound');
    const found = await person.page.evaluate(() => window.seen.path());
    assert.deepEqual([found.type, found.protocol], ['relay', protocol], JSON.stringify(found));
    assert.deepEqual(person.errors, []);
  }
  for (const { person } of [ann, ben]) {
    await person.context.close();
  }
  return firstFrame;
}

/** Ports that the greeting and the address name. */
function ports({ server }) {
  const [, relay] = server.log.match(/UDP and TCP port (\d+)/);
  return { relay, shared: server.port };
}

describe('a call through the relay', () => {
  let stage;
  let app;

  before(async () => {
    app = await startApp();
    stage = await openStage({ args: ['--set', `http.allowed-origins=${app.url}`] });
  });

  after(async () => {
    await stage?.close();
    await app?.stop();
  });

  it('over UDP, and quickly', async () => {
    const url = `turn:127.0.0.1:${ports(stage).relay}?transport=udp`;
    const frames = [];
    for (let time = 0; time < 5; time += 1) {
      frames.push(await meet(stage, app, { url, protocol: 'udp' }));
    }
    await record({ relay_join_to_first_frame_ms_p50: Math.round(quantile(frames, 0.5)) });
  });

  it('over TCP', async () => {
    const url = `turn:127.0.0.1:${ports(stage).relay}?transport=tcp`;
    await meet(stage, app, { url, protocol: 'tcp' });
  });

  it('over TCP on the port of HTTP', async () => {
    const url = `turn:127.0.0.1:${ports(stage).shared}?transport=tcp`;
    await meet(stage, app, { url, protocol: 'tcp' });
  });

  it('past all sockets between the relay and the media plane', async () => {
    const { text } = await stage.server.get('/metrics');
    const count = (name) => Number(text.match(new RegExp(`^${name} (\\d+)$`, 'm'))?.[1]);
    const relayed = count('confer_turn_relayed_packets_total');
    const past = count('confer_turn_in_process_packets_total');
    // Every packet of these calls, and nothing was lost on the way.
    assert.ok(relayed > 1_000 && past >= relayed, `${past} of ${relayed}`);
    assert.equal(count('confer_turn_in_process_full_total'), 0);
    assert.equal(count('confer_udp_datagrams_received_total{shard="0"}'), 0);
    assert.equal(count('confer_sfu_in_process_full_total{shard="0"}'), 0);
  });

  it('leaves nothing behind', async () => {
    const gone = /confer_turn_allocations 0\n/;
    const deadline = Date.now() + 20_000;
    while (!gone.test((await stage.server.get('/metrics')).text)) {
      assert.ok(Date.now() < deadline, 'allocations of people who left');
      await new Promise((done) => setTimeout(done, 100));
    }
  });
});

describe('a call through the relay over TLS', () => {
  let stage;
  let app;

  before(async () => {
    app = await startApp();
    stage = await openStage({ args: ['--set', `http.allowed-origins=${app.url}`], tls: true });
  });

  after(async () => {
    await stage?.close();
    await app?.stop();
  });

  it('on a port of its own', async () => {
    const url = `turns:127.0.0.1:${ports(stage).relay}?transport=tcp`;
    await meet(stage, app, { url, protocol: 'tls' });
  });

  it('on the one port that carries HTTPS and the WebSocket too', async () => {
    const url = `turns:127.0.0.1:${ports(stage).shared}?transport=tcp`;
    await meet(stage, app, { url, protocol: 'tls' });
  });
});

describe('the relay of a call that goes on', () => {
  const LIFETIME_S = 8;
  let stage;
  let app;
  let url;

  before(async () => {
    app = await startApp();
    const settings = [`http.allowed-origins=${app.url}`, `turn.credential-lifetime=${LIFETIME_S}s`];
    stage = await openStage({ args: settings.flatMap((each) => ['--set', each]) });
    url = `turn:127.0.0.1:${ports(stage).relay}?transport=udp`;
  });

  after(async () => {
    await stage?.close();
    await app?.stop();
  });

  async function annAndBen() {
    const ann = await join(stage, app, { identity: 'ann', url });
    const ben = await join(stage, app, { identity: 'ben', room: ann.room, url });
    for (const { person } of [ann, ben]) {
      await person.receives((media) => media.framesDecoded > 10, 'pictures');
    }
    return [ann.person, ben.person];
  }

  /** Waits until the relay's figures are as `wanted` says. */
  async function counts(wanted, what) {
    const deadline = Date.now() + PATIENCE_MS;
    let { text } = await stage.server.get('/metrics');
    while (!wanted(text)) {
      assert.ok(Date.now() < deadline, `${what}: ${text.match(/^confer_turn_.*$/gm).join('\n')}`);
      await new Promise((done) => setTimeout(done, 100));
      ({ text } = await stage.server.get('/metrics'));
    }
  }

  it('ends for who is removed, even if the browser holds on to it', async () => {
    const [ann, ben] = await annAndBen();
    await ben.page.evaluate(() => {
      RTCPeerConnection.prototype.close = () => undefined;
    });
    await ann.page.evaluate(() => window.room.remove([...window.room.participants.keys()][0]));
    await counts(
      (text) =>
        /^confer_turn_allocations 1$/m.test(text) &&
        /^confer_turn_closed_total{reason="kicked"} 1$/m.test(text),
      "Ben's allocation",
    );
    await ann.context.close();
    await ben.context.close();
  });

  it('outlives its credentials, and is replaced with fresh ones when it is lost', async () => {
    const [ann, ben] = await annAndBen();
    const username = () => window.seen.connections.at(-1).getConfiguration().iceServers[0].username;
    const old = await ann.page.evaluate(username);
    const [expiry, owner] = old.split(':');
    await ann.page.waitForFunction((at) => Date.now() > at, (Number(expiry) + 1) * 1_000);
    const more = async (person) => {
      const { framesDecoded } = await person.media();
      await person.receives((media) => media.framesDecoded > framesDecoded + 20, 'more pictures');
    };
    await more(ann);
    await more(ben);

    await stage.server.run('turn', 'kick', owner);
    await ann.page.waitForFunction(
      (before) =>
        window.seen.connections.at(-1).getConfiguration().iceServers[0].username !== before,
      old,
    );
    await more(ann);
    await more(ben);
    await ann.travels(({ type, protocol }) => type === 'relay' && protocol === 'udp');
    assert.deepEqual([ann.errors, ben.errors], [[], []]);
  });
});
