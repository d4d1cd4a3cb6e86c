// The socket is gone for ten seconds; the call is not.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startProxy } from '../lib/proxy.mjs';
import { aliceAndBob, openStage, record } from '../lib/stage.mjs';

const OUTAGE_MS = 10_000;
/** A picture that stands still so long is noticed. */
const FREEZE_MS = 500;

describe('a socket that is lost for ten seconds', () => {
  let stage;
  let proxy;
  let alice;
  let bob;
  let start;
  let during;

  before(async () => {
    stage = await openStage();
    // Only Bob's line is cut: Alice is the one who must notice nothing.
    proxy = await startProxy(stage.server.port);
    let room;
    ({ alice, bob, room } = await aliceAndBob(stage, { bob: { url: proxy.url } }));
    await alice.join(room);
    await bob.join(room);
    for (const person of [alice, bob]) {
      await person.receives((media) => media.framesDecoded > 40, 'pictures');
      await person.page.evaluate(() => {
        window.seen.watchPictures();
        window.seen.watchFreezes();
      });
      await person.openChat();
    }
    start = { alice: await alice.media(), bob: await bob.media() };

    proxy.cut();
    await bob.at('reconnect-banner').waitFor();
    await alice.say('said meanwhile 1');
    await bob.say('written offline');
    const cutAt = Date.now();
    during = [];
    while (Date.now() - cutAt < OUTAGE_MS) {
      await alice.page.waitForTimeout(1_000);
      during.push({ alice: await alice.media(), bob: await bob.media() });
    }
    await alice.say('said meanwhile 2');
    proxy.mend();
    await bob.at('reconnect-banner').waitFor({ state: 'detached' });
  });

  after(async () => {
    await stage?.close();
    await proxy?.stop();
  });

  it('is followed by a resume on a new socket', async () => {
    const ops = await bob.page.evaluate(() => window.seen.sent.map(({ op }) => op));
    assert.equal(ops.filter((op) => op === 'resume').length >= 1, true);
    assert.equal(ops.filter((op) => op === 'join').length, 1);
    assert.equal(ops.filter((op) => op === 'offer').length, 1);
    const connections = await bob.page.evaluate(() => window.seen.connections.length);
    assert.equal(connections, 1);
  });

  it('is not seen by others as leaving', async () => {
    assert.deepEqual(await alice.events('participant_left'), []);
    const joined = await alice.events('participant_joined');
    assert.equal(joined.length, 1);
    const away = await alice.events('participant_away');
    assert.deepEqual(
      away.map((event) => event.away),
      [true, false],
    );
  });

  it('interrupts no media, in either direction', async () => {
    let last = start;
    for (const now of during) {
      for (const name of ['alice', 'bob']) {
        assert.ok(now[name].framesDecoded > last[name].framesDecoded, `${name} saw a pause`);
        assert.ok(now[name].audioPackets > last[name].audioPackets, `${name} heard a pause`);
      }
      last = now;
    }
    const gaps = {};
    for (const person of [alice, bob]) {
      const longest = await person.page.evaluate(() => {
        const times = window.seen.frames.map(({ at }) => at);
        return Math.max(...times.slice(1).map((at, index) => at - times[index]));
      });
      gaps[person.name.toLowerCase()] = Math.round(longest);
      const freeze = await person.page.evaluate(() => window.seen.longestFreezeMs);
      assert.ok(freeze < FREEZE_MS, `${person.name}'s picture stood still for ${freeze} ms`);
    }
    await record({ 'resume.longest_painted_gap_ms': gaps });
  });

  it('loses and repeats no message', async () => {
    const expected = ['said meanwhile 1', 'said meanwhile 2', 'written offline'];
    for (const person of [alice, bob]) {
      for (const text of expected) {
        await person.message(text).waitFor();
        assert.equal(await person.message(text).count(), 1);
      }
      const seqs = await person
        .at('chat-message')
        .evaluateAll((all) => all.map((each) => Number(each.dataset.seq)));
      assert.deepEqual(seqs, [1, 2, 3]);
    }
  });

  it('leaves no exception behind', () => {
    assert.deepEqual({ alice: alice.errors, bob: bob.errors }, { alice: [], bob: [] });
  });
});
