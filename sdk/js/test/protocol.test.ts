/// <reference types="vite/client" />
/** The golden files of crates/protocol are read by both sides; this is ours. */

import { describe, expect, it } from 'vitest';
import {
  CLOSE_CODES,
  type ClientFrame,
  ERROR_CODES,
  RECONNECT_CLOSE_CODES,
  type ServerFrame,
} from '../src/protocol.gen.js';

const CLIENT = import.meta.glob<ClientFrame>(
  '../../../crates/protocol/tests/golden/client/*.json',
  { eager: true, import: 'default' },
);
const SERVER = import.meta.glob<ServerFrame>(
  '../../../crates/protocol/tests/golden/server/*.json',
  { eager: true, import: 'default' },
);

const name = (path: string) => path.replace(/^.*\/|\.json$/g, '');

/** Every request there is; a new one stops the build here. */
const OPS: Record<ClientFrame['op'], true> = {
  auth: true,
  ping: true,
  join: true,
  resume: true,
  leave: true,
  offer: true,
  candidate: true,
  mute: true,
  unpublish: true,
  subscribe: true,
  ice_servers: true,
  remove: true,
  chat_send: true,
  chat_history: true,
  chat_mark: true,
  chat_sync: true,
  chat_typing: true,
};

describe('the wire', () => {
  it.each(Object.entries(CLIENT))('names every request that %s holds', (path, frame) => {
    expect(OPS[frame.op]).toBe(true);
    expect(typeof frame.id).toBe('number');
    expect(name(path).startsWith(frame.op)).toBe(true);
  });

  it('has a golden file for every request', () => {
    const present = new Set(Object.values(CLIENT).map((frame) => frame.op));
    expect([...present].sort()).toEqual(Object.keys(OPS).sort());
  });

  it.each(Object.entries(SERVER))('understands %s', (path, frame) => {
    switch (frame.type) {
      case 'welcome':
        expect(frame.heartbeat_ms).toBeGreaterThan(0);
        break;
      case 'result':
        expect(name(path)).toBe(`result_${frame.result.op}`);
        break;
      case 'error':
        expect(ERROR_CODES).toContain(frame.error.code);
        break;
      case 'event':
        expect(name(path).startsWith(`event_${frame.event.kind}`)).toBe(true);
        break;
      case 'notice':
        expect(name(path).startsWith(`notice_${frame.notice.kind}`)).toBe(true);
        break;
      default:
        frame satisfies never;
        throw new Error('a frame of no known type');
    }
  });

  it('knows which close codes ask for another socket', () => {
    const known: readonly number[] = Object.values(CLOSE_CODES);
    for (const code of RECONNECT_CLOSE_CODES) {
      expect(known).toContain(code);
    }
  });
});
