// Chromium with fake devices, and people who use it.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { instrument } from './instrument.mjs';
import { within } from './namespaces.mjs';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';

const FLAGS = [
  '--headless=new',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-device-for-media-stream',
  // Every page is looked at, though only one can be in front.
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
  '--disable-background-timer-throttling',
  '--autoplay-policy=no-user-gesture-required',
];

const DESKTOP = { width: 1280, height: 800 };
/** Longer than anything takes; only a failing test waits for it. */
export const PATIENCE_MS = 30_000;

/**
 * A browser, if need be in a network namespace. With `asked: false` its pages were never asked for
 * camera or microphone.
 */
export async function startBrowser({ asked = true, flags = [], namespace } = {}) {
  const launch = (executablePath) =>
    chromium.launch({
      executablePath,
      headless: true,
      chromiumSandbox: false,
      args: [...FLAGS, ...flags, ...(asked ? ['--use-fake-ui-for-media-stream'] : [])],
    });
  if (namespace === undefined) {
    return launch(EXECUTABLE);
  }
  // It is spoken to over a pipe, which leads into the namespace as well.
  const folder = await mkdtemp(path.join(tmpdir(), 'confer-e2e-browser-'));
  try {
    const wrapper = path.join(folder, 'chromium');
    const command = within(namespace, EXECUTABLE).join(' ');
    await writeFile(wrapper, `#!/bin/sh\nexec ${command} "$@"\n`, { mode: 0o755 });
    return await launch(wrapper);
  } finally {
    // Whoever runs it has read it by now.
    await rm(folder, { recursive: true });
  }
}

/** Somebody with a browser profile of their own. */
export class Person {
  static async arrive(browser, name, { url, viewport = DESKTOP, context: options = {} }) {
    const context = await browser.newContext({ viewport, baseURL: url, ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    await context.addInitScript(instrument);
    const page = await context.newPage();
    const person = new Person(name, context, page);
    page.on('pageerror', (error) => person.errors.push(error.message));
    return person;
  }

  constructor(name, context, page) {
    this.name = name;
    this.context = context;
    this.page = page;
    /** Exceptions that nothing in the page caught. */
    this.errors = [];
  }

  /** An element by its handle. */
  at(testId, more = '') {
    return this.page.locator(`[data-testid="${testId}"]${more}`);
  }

  /** Tiles of everybody else. */
  get others() {
    return this.page.locator('[data-testid="tile"]:not([data-self])');
  }

  async register(email) {
    this.address = email;
    await this.page.goto('/register');
    await this.at('auth-name').fill(this.name);
    await this.at('auth-email').fill(email);
    await this.at('auth-password').fill('correct horse battery');
    await this.at('auth-submit').click();
    await this.at('account-menu').waitFor();
  }

  /** Makes a room; its id is part of the address then. */
  async createRoom(name) {
    await this.at('create-room').click();
    await this.at('room-name').fill(name);
    await this.at('create-room-submit').click();
    await this.page.waitForURL(/\/rooms\/[^/]+$/);
    return new URL(this.page.url()).pathname.split('/')[2];
  }

  /** The link of an invite to the room that is open, as a path: a proxy may be in between. */
  async invite() {
    await this.at('invite-button').first().click();
    const link = this.at('invite-link');
    await link.waitFor();
    const value = await link.inputValue();
    await this.page.keyboard.press('Escape');
    return new URL(value).pathname;
  }

  async accept(invite) {
    await this.page.goto(invite);
    await this.at('invite-accept').click();
    await this.page.waitForURL(/\/rooms\//);
  }

  async enterAsGuest(invite) {
    await this.page.goto(invite);
    await this.at('guest-name').fill(this.name);
    await this.at('guest-submit').click();
    await this.page.waitForURL(/\/rooms\//);
  }

  /** From wherever in the app into a room's call. */
  async join(room) {
    await this.lobby(room);
    await this.at('join-call').click();
    await this.at('tile', '[data-self]').first().waitFor();
  }

  async lobby(room) {
    if (!this.page.url().endsWith(`/rooms/${room}/call`)) {
      await this.page.goto(`/rooms/${room}/call`);
    }
    await this.at('join-call').waitFor();
  }

  /** Joins the call whose lobby is open; how long it took until somebody was seen, in ms. */
  async joinAndSee() {
    await this.page.evaluate(() => {
      window.seen.frames.length = 0;
      window.seen.watchPictures();
      const button = document.querySelector('[data-testid=join-call]');
      button.addEventListener('click', () => {
        window.seen.clickedAt = performance.now();
      });
    });
    await this.at('join-call').click();
    await this.page.waitForFunction(() => window.seen.frames.length > 0);
    return this.page.evaluate(() => window.seen.frames[0].at - window.seen.clickedAt);
  }

  async leave() {
    await this.at('leave-button').click();
    await this.page.waitForURL(/\/rooms\/[^/]+$/);
  }

  async openChat() {
    if ((await this.at('chat-input').count()) === 0) {
      await this.at('chat-button').click();
    }
    await this.at('chat-input').waitFor();
  }

  async say(text) {
    await this.at('chat-input').fill(text);
    await this.at('chat-send').click();
  }

  /** A message by its text. */
  message(text) {
    return this.at('chat-message').filter({ hasText: text });
  }

  media() {
    return this.page.evaluate(() => window.seen.media());
  }

  /** Waits until what the page has received satisfies `enough`. */
  async receives(enough, what) {
    const deadline = Date.now() + PATIENCE_MS;
    let media = await this.media();
    while (!enough(media)) {
      if (Date.now() > deadline) {
        throw new Error(`${this.name} never received ${what}: ${JSON.stringify(media)}`);
      }
      await this.page.waitForTimeout(100);
      media = await this.media();
    }
    return media;
  }

  /** Waits until media travels as `wanted` says: a browser may better what it has found first. */
  async travels(wanted) {
    const deadline = Date.now() + PATIENCE_MS;
    let path = await this.page.evaluate(() => window.seen.path());
    while (!wanted(path)) {
      if (Date.now() > deadline) {
        throw new Error(`the media of ${this.name} travels otherwise: ${JSON.stringify(path)}`);
      }
      await this.page.waitForTimeout(100);
      path = await this.page.evaluate(() => window.seen.path());
    }
    return path;
  }

  /** Room events that the page's sockets brought, by kind. */
  events(kind) {
    return this.page.evaluate(
      (wanted) => window.seen.events.filter((e) => e.kind === wanted),
      kind,
    );
  }
}
