// The server is killed in the middle of a call, and started again.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { aliceAndBob, openStage } from '../lib/stage.mjs';

describe('a server that is killed and started again', () => {
  let stage;
  let alice;
  let bob;
  let room;

  before(async () => {
    stage = await openStage();
    ({ alice, bob, room } = await aliceAndBob(stage));
    await alice.join(room);
    await bob.join(room);
    for (const person of [alice, bob]) {
      await person.receives((media) => media.framesDecoded > 20, 'pictures');
      await person.openChat();
    }
    await alice.say('before');
    await bob.message('before').waitFor();
    await alice.at('chat-message', '[data-status="read"]').waitFor();

    await stage.server.kill();
    await alice.at('reconnect-banner').waitFor();
    await bob.say('meanwhile');
    await stage.server.start();
  });

  after(() => stage?.close());

  it('has everybody in the call again without their doing', async () => {
    for (const person of [alice, bob]) {
      await person.at('reconnect-banner').waitFor({ state: 'detached' });
      await person.others.first().locator('video').waitFor();
      const { framesDecoded, audioPackets } = await person.media();
      await person.receives(
        (media) =>
          media.framesDecoded > framesDecoded + 20 && media.audioPackets > audioPackets + 20,
        'pictures and sound again',
      );
      assert.equal(await person.others.count(), 1);
    }
  });

  it('has every message, once and in order', async () => {
    await alice.say('after');
    for (const person of [alice, bob]) {
      await person.message('after').waitFor();
      await person.message('meanwhile').waitFor();
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
