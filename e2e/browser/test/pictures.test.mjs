// Pictures of the real app for the documentation. Files change only when E2E_PICTURES is set, so
// that a test run leaves the working tree as it was.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { SITTERS, sitFor } from '../lib/sitter.mjs';
import { aliceAndBob, IMAGES, openStage } from '../lib/stage.mjs';

const WIDE = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

describe('a picture', () => {
  let stage;
  let alice;
  let bob;
  let carol;
  let room;
  let folder;

  before(async () => {
    folder =
      process.env.E2E_PICTURES === undefined
        ? await mkdtemp(path.join(tmpdir(), 'confer-pictures-'))
        : IMAGES;
    await mkdir(folder, { recursive: true });
    stage = await openStage();
    let invite;
    ({ alice, bob, room, invite } = await aliceAndBob(stage, {
      room: 'Design review',
      alice: { viewport: WIDE },
    }));
    await alice.context.addInitScript(sitFor, SITTERS.alice);
    await bob.context.addInitScript(sitFor, SITTERS.bob);
    carol = await stage.arrive('Carol', {
      viewport: PHONE,
      context: { isMobile: true, hasTouch: true, deviceScaleFactor: 2, colorScheme: 'dark' },
    });
    await carol.context.addInitScript(sitFor, SITTERS.carol);
    await carol.enterAsGuest(invite);
  });

  after(() => stage?.close());

  async function take(person, name) {
    const file = path.join(folder, name);
    await person.page.waitForTimeout(600);
    await person.page.screenshot({ path: file, animations: 'disabled' });
    const { size } = await stat(file);
    assert.ok(size > 10_000, `${name} is nearly empty`);
  }

  it('shows the chat of a room', async () => {
    await bob.page.goto(`/rooms/${room}`);
    await bob.say('Morning! The new sketches are in the usual place.');
    await alice.page.goto(`/rooms/${room}`);
    await alice.message('new sketches').waitFor();
    await alice.say('Lovely, looking at them now.');
    await bob.message('Lovely').waitFor();
    await bob.say('Shall we go through them together?');
    await alice.message('go through them').waitFor();
    await alice.say('Yes. Starting a call.');
    await alice
      .message('Starting a call')
      .and(
        alice
          .at('chat-message', '[data-status="read"]')
          .or(alice.at('chat-message', '[data-status="delivered"]')),
      )
      .waitFor();
    // The divider has done its work when one comes back to the page.
    await alice.page.reload();
    await alice.message('Starting a call').waitFor();
    await take(alice, 'chat.png');
  });

  it('shows the lobby of a call', async () => {
    await alice.lobby(room);
    await alice.page.locator('video').first().waitFor();
    await take(alice, 'lobby.png');
  });

  it('shows the call', async () => {
    await alice.join(room);
    await bob.join(room);
    await carol.join(room);
    await alice.receives(sharp, 'both others, sharp');
    await alice.openChat();
    await bob.openChat();
    await bob.say('Can everybody see the second page?');
    await alice.message('second page').waitFor();
    await take(alice, 'call.png');
  });

  it('shows the call on a phone', async () => {
    await carol.receives(sharp, 'both others, sharp');
    await take(carol, 'phone.png');
  });
});

/** Two pictures that have grown to the size of their tiles. */
function sharp({ videos, widths, framesDecoded }) {
  return videos >= 2 && framesDecoded > 200 && widths.every((width) => width >= 640);
}
