// What is written, who has it, and that it is there again.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { aliceAndBob, openStage } from '../lib/stage.mjs';

describe('the chat of a room', () => {
  let stage;
  let alice;
  let bob;
  let room;

  before(async () => {
    stage = await openStage();
    ({ alice, bob, room } = await aliceAndBob(stage));
  });

  after(() => stage?.close());

  it('shows how far a message is: sent, delivered, read', async () => {
    // Bob is online and looks elsewhere.
    await bob.page.goto('/');
    await bob.at('room-card').waitFor();
    await alice.page.goto(`/rooms/${room}`);
    await alice.say('good morning');
    await alice.at('chat-message', '[data-status="delivered"]').waitFor();
    await bob.at('unread-badge').first().waitFor();
    await bob.page.goto(`/rooms/${room}`);
    await bob.message('good morning').waitFor();
    await alice.at('chat-message', '[data-status="read"]').waitFor();
  });

  it('shows a message as sent while the other is away', async () => {
    await bob.page.goto('about:blank');
    await alice.say('are you there?');
    const message = alice.message('are you there?');
    await message.and(alice.page.locator('[data-status="sent"]')).waitFor();
  });

  it('brings what was missed, in order and once', async () => {
    for (let index = 0; index < 5; index += 1) {
      await alice.say(`missed ${index}`);
    }
    await alice.message('missed 4').and(alice.page.locator('[data-status="sent"]')).waitFor();
    await bob.page.goto(`/rooms/${room}`);
    await bob.message('missed 4').waitFor();
    assert.deepEqual(await missed(bob), [
      'missed 0',
      'missed 1',
      'missed 2',
      'missed 3',
      'missed 4',
    ]);
  });

  it('is there again after the page was reloaded, with its read marks', async () => {
    await alice.page.reload();
    await alice.message('good morning').and(alice.page.locator('[data-status="read"]')).waitFor();
    assert.deepEqual(await missed(alice), [
      'missed 0',
      'missed 1',
      'missed 2',
      'missed 3',
      'missed 4',
    ]);
  });

  it('shows that somebody is typing', async () => {
    await bob.at('chat-input').pressSequentially('well', { delay: 50 });
    await alice.at('typing').getByText(/Bob/).waitFor();
  });

  it('goes on in the call', async () => {
    await alice.join(room);
    await bob.join(room);
    await bob.openChat();
    await bob.say('hear me?');
    await alice
      .at('chat-button')
      .getByTestId('unread-badge')
      .or(alice.at('unread-badge'))
      .first()
      .waitFor();
    await alice.openChat();
    await alice.message('hear me?').waitFor();
    await bob.message('hear me?').and(bob.page.locator('[data-status="read"]')).waitFor();
  });

  it('opens between two accounts by their address', async () => {
    await alice.page.goto('/');
    await alice.at('open-direct').click();
    await alice.at('direct-email').fill(bob.address);
    await alice.at('direct-submit').click();
    await alice.page.waitForURL(/\/c\//);
    await alice.say('just you and me');
    await bob.page.goto('/');
    await bob.at('direct-card').first().click();
    await bob.message('just you and me').waitFor();
  });

  it('leaves no exception behind', () => {
    assert.deepEqual({ alice: alice.errors, bob: bob.errors }, { alice: [], bob: [] });
  });
});

async function missed(person) {
  const texts = await person.at('chat-message').allInnerTexts();
  return texts.flatMap((text) => /missed \d/.exec(text)?.[0] ?? []);
}
