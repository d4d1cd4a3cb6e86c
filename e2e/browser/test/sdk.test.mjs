// The SDK in somebody else's page, with users of their own: what its README shows.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startApp } from '../lib/app.mjs';
import { openStage } from '../lib/stage.mjs';

describe('the SDK in another page', () => {
  let stage;
  let app;
  let room;
  const pages = [];

  /** A page of an app, with the SDK and a token for one of the app's users. */
  async function open(token, { from = app } = {}) {
    const person = await stage.arrive('somebody', { url: from.url });
    pages.push(person);
    await person.page.goto('/');
    await person.page.evaluate(
      async ({ url, minted }) => {
        const { ConferClient } = await import('/index.js');
        window.client = new ConferClient({ url, token: async () => minted });
        await window.client.connect();
      },
      { url: stage.server.url, minted: token },
    );
    return person;
  }

  before(async () => {
    app = await startApp();
    stage = await openStage({ args: ['--set', `http.allowed-origins=${app.url}`] });
    const owner = await open(await stage.server.mint('--identity', 'owner', '--create'));
    room = await owner.page.evaluate(async () => (await window.client.api.createRoom('App')).id);
  });

  after(async () => {
    await stage?.close();
    await app?.stop();
  });

  it('calls and chats in ten lines', async () => {
    for (const identity of ['ann', 'ben']) {
      const person = await open(await stage.server.mint('--identity', identity, '--room', room));
      await person.page.evaluate(async (id) => {
        const { client } = window;
        const { audio, video } = await client.devices.open({ audio: true, video: true });
        window.room = await client.join(id, { audio, video });
        window.room.on('trackSubscribed', ({ publication, track }) => {
          const element = document.createElement(publication.kind);
          Object.assign(element, { autoplay: true, srcObject: client.devices.stream([track]) });
          document.body.append(element);
        });
        window.chat = await client.chat.open(window.room.id);
        window.chat.send(`hello from ${client.user.name}`);
      }, room);
    }
    const [, ann, ben] = pages;
    for (const person of [ann, ben]) {
      await person.receives((media) => media.framesDecoded > 20, 'pictures');
      await person.receives((media) => media.audioEnergy > 0, 'sound');
      await person.page.waitForFunction(() => window.chat.messages.length === 2);
      assert.deepEqual(
        await person.page.evaluate(() => window.chat.messages.map(({ body }) => body).sort()),
        ['hello from ann', 'hello from ben'],
      );
    }
    assert.equal(
      await ben.page.evaluate(() => [...window.room.participants.values()][0].user.name),
      'ann',
    );
  });

  it('says in figures what the call is like', async () => {
    const [, ann] = pages;
    const stats = await ann.page.evaluate(() => window.room.stats());
    const video = stats.received.find(({ source }) => source === 'camera');
    assert.ok(video.framesDecoded > 0 && video.width > 0, JSON.stringify(stats));
    assert.equal(stats.transport.state, 'connected');
    assert.deepEqual(stats.sent.map(({ source }) => source).sort(), ['camera', 'microphone']);
  });

  it('may do what its token says and no more', async () => {
    const token = await stage.server.mint(
      '--identity',
      'eve',
      '--room',
      room,
      '--publish',
      'camera',
    );
    const eve = await open(token);
    const outcome = await eve.page.evaluate(async (id) => {
      const { audio } = await window.client.devices.open({ audio: true });
      const joined = await window.client.join(id);
      const refused = await joined
        .publish(audio, { source: 'microphone' })
        .catch(({ code }) => code);
      const created = await window.client.api.createRoom('Mine').catch(({ code }) => code);
      return { refused, created };
    }, room);
    assert.deepEqual(outcome, { refused: 'publish_not_granted', created: 'forbidden' });
    await eve.receives((media) => media.framesDecoded > 20, 'the others');
  });

  it('is refused with a token that nobody signed', async () => {
    await assert.rejects(
      open('eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmF0dXJl'),
      /unauthenticated|revoked|Sign in/i,
    );
  });

  it('is refused in a page of an origin that the operator did not name', async () => {
    const elsewhere = await startApp();
    try {
      const token = await stage.server.mint('--identity', 'ann', '--room', room);
      const lost = await stage.arrive('somebody', { url: elsewhere.url });
      await lost.page.goto('/');
      const outcome = await lost.page.evaluate(
        async ({ url, minted }) => {
          const { ConferClient } = await import('/index.js');
          const client = new ConferClient({ url, token: async () => minted });
          const api = await client.api.rooms().catch(({ code }) => code);
          const socket = await new Promise((resolve) => {
            client.on('connection', (state) => state !== 'connecting' && resolve(state));
            client.connect().catch(() => undefined);
            setTimeout(() => resolve('not connected'), 2_000);
          });
          client.disconnect();
          return { api, socket };
        },
        { url: stage.server.url, minted: token },
      );
      assert.deepEqual(outcome, { api: 'network', socket: 'not connected' });
    } finally {
      await elsewhere.stop();
    }
  });
});
