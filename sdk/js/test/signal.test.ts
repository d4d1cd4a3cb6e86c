import { describe, expect, it } from 'vitest';
import { Signal } from '../src/signal.js';
import { settle } from './fakes/clock.js';
import { FakePlatform } from './fakes/platform.js';

function setup() {
  const platform = new FakePlatform();
  const minted: string[] = [];
  const renewed: string[] = [];
  const tokens = {
    token: async () => {
      minted.push('token');
      return `token-${renewed.length}`;
    },
    renew: async (stale: string) => {
      renewed.push(stale);
      return `token-${renewed.length}`;
    },
  };
  const signal = new Signal(platform, platform.origin, tokens);
  const states: string[] = [];
  signal.on('state', (state) => states.push(state));
  return { platform, server: platform.server, clock: platform.clock, signal, states, renewed };
}

async function connected() {
  const world = setup();
  world.signal.open();
  await settle();
  expect(world.signal.state).toBe('connected');
  return world;
}

describe('the socket', () => {
  it('offers the protocol and the token as subprotocols, never in the address', async () => {
    const { server } = await connected();
    expect(server.socket.url).toBe('wss://confer.test/v1/connect');
    expect(server.socket.protocols).toEqual(['confer.v1', 'confer.bearer.token-0']);
  });

  it('answers each request with its own reply, in whatever order they come', async () => {
    const { signal, server } = await connected();
    server.on('leave', () => undefined);
    server.on('ping', () => undefined);
    const leave = signal.request<'leave'>({ op: 'leave' });
    const ping = signal.request<'ping'>({ op: 'ping' });
    const [first, second] = server.socket.sent;
    if (first === undefined || second === undefined) {
      throw new Error('both were sent');
    }
    server.socket.answer(second, { op: 'ping' });
    server.socket.answer(first, { code: 'not_joined', message: 'no' });
    await expect(ping).resolves.toEqual({ op: 'ping' });
    await expect(leave).rejects.toMatchObject({ code: 'not_joined' });
  });

  it('fails what was unanswered when it is lost, and what is asked without it', async () => {
    const { signal, server } = await connected();
    server.on('leave', () => undefined);
    const leave = signal.request<'leave'>({ op: 'leave' });
    server.socket.die();
    await expect(leave).rejects.toMatchObject({ code: 'connection_lost' });
    const later = signal.request<'leave'>({ op: 'leave' });
    await expect(later).rejects.toMatchObject({ code: 'connection_lost' });
  });

  it('gives up on an answer after its time', async () => {
    const { signal, server, clock } = await connected();
    server.on('leave', () => undefined);
    const leave = signal.request<'leave'>({ op: 'leave' });
    leave.catch(() => undefined);
    await clock.advance(15_000);
    await expect(leave).rejects.toMatchObject({ code: 'timeout' });
  });
});

describe('coming back', () => {
  it('waits longer after each failure, up to a cap', async () => {
    const { server, clock } = await connected();
    server.welcoming = false;
    server.socket.die();
    const waits: number[] = [];
    for (let round = 0; round < 9; round += 1) {
      const sockets = server.sockets.length;
      const start = clock.now;
      while (server.sockets.length === sockets) {
        await clock.advance(25);
      }
      waits.push(clock.now - start);
      server.socket.die();
      await settle();
    }
    expect(waits).toEqual([...waits].sort((a, b) => a - b));
    expect(waits[0]).toBeLessThanOrEqual(250);
    expect(waits.at(-1)).toBeLessThanOrEqual(8_025);
    expect(waits.at(-1)).toBeGreaterThanOrEqual(4_000);
  });

  it('tries at once when the network is back', async () => {
    const { server, platform, clock, signal } = await connected();
    server.welcoming = false;
    for (let round = 0; round < 6; round += 1) {
      server.socket.die();
      await clock.advance(20_000);
    }
    server.socket.die();
    await settle();
    const sockets = server.sockets.length;
    server.welcoming = true;
    platform.wake();
    await settle();
    expect(server.sockets.length).toBe(sockets + 1);
    expect(signal.state).toBe('connected');
  });

  it('notices a dead path by an unanswered ping', async () => {
    const { server, clock, signal } = await connected();
    server.on('ping', () => undefined);
    await clock.advance(25_000 + 5_000);
    expect(server.sockets[0]?.closedWith).toBe(4002);
    expect(signal.state).toBe('reconnecting');
  });

  it('tries the path often while a call is on', async () => {
    const { server, clock, signal } = await connected();
    signal.setBusy(true);
    await clock.advance(9_000);
    expect(server.requests('ping')).toHaveLength(3);
  });

  it('tries the path when the page is looked at again', async () => {
    const { server, platform, clock, signal } = await connected();
    server.on('ping', () => undefined);
    platform.wake();
    await clock.advance(2_000);
    expect(signal.state).not.toBe('connected');
  });

  it.each([1000, 4400, 4403, 4409, 4426])('stays away after close code %i', async (code) => {
    const { server, clock, signal } = await connected();
    server.socket.die(code);
    await clock.advance(60_000);
    expect(server.sockets).toHaveLength(1);
    expect(signal.state).toBe('closed');
    expect(signal.closedBecause).not.toBeNull();
  });

  it.each([1001, 1006, 1012, 4000, 4001, 4002, 4029, 4408])(
    'comes back after close code %i',
    async (code) => {
      const { server, clock, signal } = await connected();
      server.socket.die(code);
      await clock.advance(10_000);
      expect(server.sockets).toHaveLength(2);
      expect(signal.state).toBe('connected');
    },
  );

  it('waits as long as a draining server asks', async () => {
    const { server, clock } = await connected();
    server.notice({ kind: 'draining', retry_after_ms: 30_000 });
    server.socket.die(4000);
    await clock.advance(29_999);
    expect(server.sockets).toHaveLength(1);
    await clock.advance(2_000);
    expect(server.sockets).toHaveLength(2);
  });

  it('renews the token after the server called it expired', async () => {
    const { server, clock, renewed } = await connected();
    server.socket.die(4401);
    await clock.advance(1_000);
    expect(renewed).toEqual(['token-0']);
    expect(server.socket.protocols[1]).toBe('confer.bearer.token-1');
  });

  it('renews the token in place when it is about to expire', async () => {
    const { server, signal, clock } = await connected();
    server.notice({ kind: 'token_expiring', in_ms: 60_000 });
    await clock.advance(14_000);
    expect(server.requests('auth')).toEqual([]);
    await clock.advance(16_000);
    expect(server.requests('auth')).toMatchObject([{ token: 'token-1' }]);
    expect(signal.state).toBe('connected');
  });

  it('tries a new token when sockets are refused before their welcome', async () => {
    const { server, clock, signal, renewed } = setup();
    server.welcoming = false;
    signal.open();
    await settle();
    for (let round = 0; round < 3; round += 1) {
      server.socket.die();
      await clock.advance(5_000);
    }
    expect(renewed).toHaveLength(1);
  });

  it('leaves no timer behind when it is closed', async () => {
    const { clock, signal } = await connected();
    signal.setBusy(true);
    signal.close();
    await settle();
    expect(clock.pending).toBe(0);
    expect(signal.state).toBe('closed');
  });

  it('passes over frames it does not know', async () => {
    const { server, signal } = await connected();
    server.socket.onmessage?.({ data: '{"type":"later","what":1}' });
    expect(signal.state).toBe('connected');
  });
});
