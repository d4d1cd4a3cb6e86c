/** A client in a call with a server that negotiates as the real one does. */

import { ConferClient } from '../../src/client.js';
import type {
  Joined,
  ParticipantInfo,
  PublishIntent,
  Resumed,
  SlotAssignment,
  SlotDemand,
  SlotMap,
  TrackInfo,
} from '../../src/protocol.gen.js';
import type { Room } from '../../src/room.js';
import { settle } from './clock.js';
import { FakeTrack } from './peer-connection.js';
import { ALICE, BOB, FakePlatform } from './platform.js';

export const ROOM = 'room-1';

export function participant(
  id: string,
  tracks: TrackInfo[] = [],
  more: Partial<ParticipantInfo> = {},
): ParticipantInfo {
  return { id, user: BOB, away: false, tracks, ...more };
}

export function track(id: string, owner: string, more: Partial<TrackInfo> = {}): TrackInfo {
  return { id, participant: owner, kind: 'video', source: 'camera', muted: false, ...more };
}

export function slots(
  version: number,
  assignments: Record<string, string>,
  wanted: SlotDemand = { audio: 0, video: 0 },
): SlotMap {
  const list: SlotAssignment[] = Object.entries(assignments).map(([mid, id]) => ({
    mid,
    track: id,
  }));
  return { version, slots: list, wanted };
}

export function joined(more: Partial<Joined> = {}): Joined {
  const self: ParticipantInfo = { id: 'p-self', user: ALICE, away: false, tracks: [] };
  return {
    participant: 'p-self',
    permissions: {
      publish: ['microphone', 'camera', 'screen', 'screen_audio'],
      subscribe: true,
      chat_read: true,
      chat_write: true,
      moderate: false,
    },
    epoch: 'epoch-1',
    seq: 10,
    resume_ticket: 'ticket-1',
    grace_ms: 30_000,
    ice_servers: [{ urls: ['turn:turn.test'], username: 'u', credential: 'c' }],
    snapshot: {
      room: { id: ROOM, name: 'Standup' },
      participants: [self],
      slots: slots(0, {}),
    },
    ...more,
  };
}

export function resumed(more: Partial<Resumed> = {}): Resumed {
  return {
    participant: 'p-self',
    seq: 10,
    resume_ticket: 'ticket-2',
    ice_servers: [],
    snapshot: null,
    ...more,
  };
}

/** Track ids the server mints: one per m-line, for as long as it is named. */
export function published(intents: PublishIntent[]) {
  return intents.map(({ mid, source }) => ({ mid, track: `own-${source}-${mid}` }));
}

export function world() {
  const platform = new FakePlatform();
  const { server, http } = platform;
  http.on('GET /v1/conversations', () => ({ conversations: [] }));
  http.on(`GET /v1/conversations/${ROOM}`, () => ({
    id: ROOM,
    kind: 'room',
    title: 'Standup',
    members: [],
    last_seq: 0,
    last_event: 0,
    last_message: null,
    unread: 0,
  }));
  server.on('chat_sync', () => ({ op: 'chat_sync', chat_epoch: 'c-1', conversations: [] }));
  server.on('join', () => ({ op: 'join', ...joined() }));
  let version = 0;
  server.on('offer', ({ offer_id, publish }) => {
    version += 1;
    return {
      op: 'offer',
      offer_id,
      sdp: `answer-${offer_id}`,
      published: published(publish),
      slots: slots(version, {}),
    };
  });
  const client = new ConferClient({ platform, token: async () => 'token' });
  return { platform, server, http, clock: platform.clock, client };
}

/** A client in a call, with a microphone and a camera unless it comes without. */
export async function inCall(options: { tracks?: boolean } = { tracks: true }) {
  const all = world();
  const audio = new FakeTrack('audio');
  const video = new FakeTrack('video');
  await all.client.connect();
  const room = await all.client.join(
    ROOM,
    options.tracks === true ? { audio: audio.real, video: video.real } : {},
  );
  await settle();
  return { ...all, room, audio, video };
}

/** Writes down the names of events as they happen. */
export function record(room: Room): string[] {
  const names: string[] = [];
  for (const name of [
    'participantJoined',
    'participantLeft',
    'trackPublished',
    'trackUnpublished',
    'trackSubscribed',
    'trackUnsubscribed',
    'reconnecting',
    'reconnected',
    'left',
  ] as const) {
    room.on(name, () => names.push(name));
  }
  return names;
}
