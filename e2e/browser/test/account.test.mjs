// Signing in, staying signed in, and not any more.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { email, openStage } from '../lib/stage.mjs';

/** So short that a call outlives several of them. */
const ACCESS_SECONDS = 12;

describe('an account', () => {
  let stage;
  let alice;
  let room;

  before(async () => {
    stage = await openStage({ args: ['--set', `accounts.access-lifetime=${ACCESS_SECONDS}s`] });
    alice = await stage.arrive('Alice');
    await alice.register(email('Alice'));
    room = await alice.createRoom('Standup');
  });

  after(() => stage?.close());

  it('cannot be made twice with one address', async () => {
    const other = await stage.arrive('Mallory');
    await other.page.goto('/register');
    await other.at('auth-name').fill('Mallory');
    await other.at('auth-email').fill(alice.address);
    await other.at('auth-password').fill('another long password');
    await other.at('auth-submit').click();
    await other.page
      .getByText(/has an account/i)
      .first()
      .waitFor();
    await other.context.close();
  });

  it('is not entered with a wrong password, and is with the right one', async () => {
    const second = await stage.arrive('Alice');
    await second.page.goto('/login');
    await second.at('auth-email').fill(alice.address);
    await second.at('auth-password').fill('not the right one');
    await second.at('auth-submit').click();
    await second.page.getByRole('alert').or(second.page.getByText(/wrong/i)).first().waitFor();
    await second.at('auth-password').fill('correct horse battery');
    await second.at('auth-submit').click();
    await second.at('account-menu').waitFor();
    await second.context.close();
  });

  it('stays signed in over a reload and in a second tab', async () => {
    await alice.page.reload();
    await alice.at('account-menu').waitFor();
    const tab = await alice.context.newPage();
    await tab.goto('/');
    await tab.getByTestId('account-menu').waitFor();
    await Promise.all([alice.page.reload(), tab.reload()]);
    await alice.at('account-menu').waitFor();
    await tab.getByTestId('account-menu').waitFor();
    await tab.close();
  });

  it('keeps its one socket while the token is renewed under it', async () => {
    await alice.join(room);
    await alice.page.waitForTimeout(2.5 * ACCESS_SECONDS * 1_000);
    const { sockets, renewals } = await alice.page.evaluate(() => ({
      sockets: window.seen.sockets,
      renewals: window.seen.sent.filter(({ op }) => op === 'auth').length,
    }));
    assert.equal(sockets, 1);
    assert.ok(renewals >= 2 && renewals <= 12, `${renewals} renewals`);
    await alice.openChat();
    await alice.say('still here');
    await alice.at('chat-message', '[data-status="sent"]').waitFor();
    await alice.leave();
  });

  it('is signed out in every tab at once', async () => {
    const tab = await alice.context.newPage();
    await tab.goto('/');
    await tab.getByTestId('account-menu').waitFor();
    await alice.page.goto('/');
    await alice.at('account-menu').click();
    await alice.at('logout').click();
    await alice.at('to-login').first().waitFor();
    await tab.getByTestId('to-login').first().waitFor();
    await tab.reload();
    await tab.getByTestId('to-login').first().waitFor();
  });

  it('of a guest lasts over a reload', async () => {
    const owner = await stage.arrive('Olga');
    await owner.register(email('Olga'));
    const theirs = await owner.createRoom('Open house');
    const invite = await owner.invite();
    const guest = await stage.arrive('Gil');
    await guest.enterAsGuest(invite);
    await guest.join(theirs);
    await guest.page.reload();
    await guest.join(theirs);
    assert.deepEqual(guest.errors, []);
  });

  it('leaves no exception behind', () => {
    assert.deepEqual(alice.errors, []);
  });
});
