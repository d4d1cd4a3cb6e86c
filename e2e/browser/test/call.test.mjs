// Two people in a call, and a third.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Person, startBrowser } from '../lib/browser.mjs';
import { aliceAndBob, openStage, record } from '../lib/stage.mjs';

describe('a call', () => {
  let stage;
  let alice;
  let bob;
  let room;
  let invite;

  before(async () => {
    stage = await openStage();
    ({ alice, bob, room, invite } = await aliceAndBob(stage));
    await alice.join(room);
    await bob.join(room);
  });

  after(() => stage?.close());

  it('shows and plays each to the other', async () => {
    for (const person of [alice, bob]) {
      await person.others.first().waitFor();
      const first = await person.receives((media) => media.framesDecoded > 0, 'a picture');
      await person.receives(
        (media) => media.framesDecoded >= first.framesDecoded + 30,
        'more pictures',
      );
      await person.receives((media) => media.audioEnergy > 0, 'sound');
    }
  });

  it('is encrypted by what the media plane prefers', async () => {
    const { security } = await bob.media();
    assert.match(security.srtpCipher, /AES/);
    await record({ 'call.security': security });
  });

  it('tells the other when a microphone or a camera is switched off and on', async () => {
    await alice.at('mic-button').click();
    await alice.at('mic-button', '[data-off]').waitFor();
    await bob.others
      .first()
      .getByLabel(/microphone.*off|muted/i)
      .first()
      .waitFor();
    await alice.at('camera-button').click();
    await bob.others.locator('video').waitFor({ state: 'detached' });

    await alice.at('camera-button').click();
    await bob.others.locator('video').waitFor();
    const { framesDecoded } = await bob.media();
    await bob.receives((media) => media.framesDecoded > framesDecoded + 10, 'the camera again');
    await alice.at('mic-button').click();
    const { audioEnergy } = await bob.media();
    await bob.receives((media) => media.audioEnergy > audioEnergy, 'the microphone again');
  });

  it('negotiates another path when the browser gives one up, and nobody sees it', async () => {
    const path = () =>
      bob.page.evaluate(() => {
        const { sdp } = window.seen.connections.at(-1).remoteDescription;
        return /a=ice-ufrag:(\S+)/.exec(sdp)[1];
      });
    const before = await path();
    await bob.page.evaluate(() => {
      window.seen.watchFreezes();
      const connection = window.seen.connections.at(-1);
      Object.defineProperty(connection, 'connectionState', {
        configurable: true,
        value: 'failed',
      });
      connection.onconnectionstatechange();
      delete connection.connectionState;
    });
    await bob.page.waitForFunction(
      (old) => !window.seen.connections.at(-1).remoteDescription.sdp.includes(old),
      before,
    );
    assert.notEqual(await path(), before);
    const { framesDecoded, audioPackets } = await bob.media();
    await bob.receives(
      (media) =>
        media.framesDecoded > framesDecoded + 40 && media.audioPackets > audioPackets + 100,
      'media over the new path',
    );
    assert.ok((await bob.page.evaluate(() => window.seen.longestFreezeMs)) < 500);
    assert.equal(await bob.page.evaluate(() => window.seen.connections.length), 1);
  });

  it('carries a shared screen, and ends it', async () => {
    await alice.at('share-button').click();
    const screen = bob.at('tile', '[data-source="screen"]');
    await screen.locator('video').waitFor();
    await bob.receives((media) => media.videos >= 2, 'the screen');
    await alice.at('share-button').click();
    await screen.waitFor({ state: 'detached' });

    await alice.at('share-button').click();
    await screen.locator('video').waitFor();
    await alice.at('share-button').click();
    await screen.waitFor({ state: 'detached' });
  });

  it('lets a guest in by the link and out again', async () => {
    const carol = await stage.arrive('Carol');
    await carol.enterAsGuest(invite);
    await carol.join(room);
    await carol.receives((media) => media.videos >= 2, 'both others');
    for (const person of [alice, bob]) {
      await person.page.getByText('Carol').first().waitFor();
      await person.receives((media) => media.videos >= 2, 'the guest');
    }
    await carol.leave();
    for (const person of [alice, bob]) {
      await assertOthers(person, 1);
    }
    await carol.context.close();
  });

  it('goes on for the others when a page is reloaded', async () => {
    await bob.page.reload();
    await bob.join(room);
    await bob.receives((media) => media.framesDecoded > 10, 'pictures after the reload');
    await alice.receives((media) => media.framesDecoded > 10, 'pictures of the reloaded page');
    await assertOthers(alice, 1);
  });

  it('shows it to somebody who gave no permission to camera and microphone', async () => {
    const unasked = await startBrowser({ asked: false });
    try {
      const dora = await Person.arrive(unasked, 'Dora', { url: stage.server.url });
      await dora.enterAsGuest(invite);
      await dora.join(room);
      await dora.receives(
        (media) => media.framesDecoded > 20 && media.audioPackets > 20,
        'the call',
      );
      await dora.leave();
    } finally {
      await unasked.close();
    }
  });

  it('lets its owner remove somebody', async () => {
    await alice.at('people-button').click();
    await alice.at('remove-person').first().click();
    await alice.at('remove-confirm').click();
    await bob.page.waitForURL(/\/rooms\/[^/]+$/);
    await assertOthers(alice, 0);
  });

  it('leaves no exception behind', () => {
    assert.deepEqual({ alice: alice.errors, bob: bob.errors }, { alice: [], bob: [] });
  });
});

async function assertOthers(person, count) {
  await person.page.waitForFunction(
    (wanted) => document.querySelectorAll('[data-testid=tile]:not([data-self])').length === wanted,
    count,
  );
}
