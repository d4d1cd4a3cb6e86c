import { describe, expect, it } from 'vitest';
import { settle } from './fakes/clock.js';
import { FakeTrack } from './fakes/peer-connection.js';
import { BOB } from './fakes/platform.js';
import {
  inCall,
  joined,
  participant,
  published,
  ROOM,
  record,
  resumed,
  slots,
  track,
  world,
} from './fakes/room.js';

describe('joining', () => {
  it('sends the offer without waiting for the seat', async () => {
    const { client, server, platform } = world();
    server.on('join', () => undefined);
    await client.connect();
    void client.join(ROOM, { audio: new FakeTrack('audio').real }).catch(() => undefined);
    await settle();
    const ops = server.socket.sent.map((frame) => frame.op);
    expect(ops.filter((op) => op === 'join' || op === 'offer')).toEqual(['join', 'offer']);
    // Gathering waits for the TURN servers, which come with the seat.
    expect(platform.connection.localDescription).toBeNull();
  });

  it('offers what is published and the whole pool of receive slots at once', async () => {
    const { server, platform } = await inCall();
    const [offer] = server.requests('offer');
    expect(offer?.publish).toEqual([
      { mid: '0', source: 'microphone', muted: false },
      { mid: '1', source: 'camera', muted: false },
    ]);
    const directions = platform.connection.transceivers.map((each) => each.direction);
    expect(directions.filter((each) => each === 'recvonly')).toHaveLength(12);
    expect(server.requests('offer')).toHaveLength(1);
    expect(platform.connection.answers).toEqual(['answer-1']);
  });

  it('gathers with the TURN servers that came with the seat', async () => {
    const { platform } = await inCall();
    expect(platform.connection.configuration.iceServers).toEqual(joined().ice_servers);
  });

  it('goes through a relay only when that is wished', async () => {
    const { client, platform } = world();
    await client.connect();
    await client.join(ROOM, { iceTransportPolicy: 'relay' });
    expect(platform.connection.configuration.iceTransportPolicy).toBe('relay');
  });

  it('fetches credentials for relays again before they expire', async () => {
    const { client, server, clock, platform } = world();
    const expiring = (seconds: number, credential: string) => {
      const expires = Math.floor(platform.wallClock() / 1000) + seconds;
      return [{ urls: ['turn:turn.test'], username: `${expires}:u`, credential }];
    };
    server.on('join', () => ({ op: 'join', ...joined(), ice_servers: expiring(1000, 'first') }));
    server.on('ice_servers', () => ({ op: 'ice_servers', ice_servers: expiring(9000, 'next') }));
    await client.connect();
    await client.join(ROOM);
    await clock.advance(700_000);
    expect(server.requests('ice_servers')).toHaveLength(0);
    await clock.advance(60_000);
    expect(server.requests('ice_servers')).toHaveLength(1);
    const [relay] = platform.connection.configuration.iceServers ?? [];
    expect(relay?.credential).toBe('next');
  });

  it('offers again when the offer overtook the seat', async () => {
    const { client, server, clock } = world();
    const usual = { op: 'offer' as const, sdp: 'answer', slots: slots(1, {}) };
    server.on('offer', ({ offer_id, publish }) =>
      offer_id === 1
        ? { code: 'not_joined', message: 'no seat' }
        : { ...usual, offer_id, published: published(publish) },
    );
    await client.connect();
    await client.join(ROOM, { audio: new FakeTrack('audio').real });
    await clock.advance(1_000);
    expect(server.requests('offer').map(({ offer_id }) => offer_id)).toEqual([1, 2]);
  });

  it('drops an answer that comes after its offer was given up', async () => {
    const { client, server, clock, platform } = world();
    server.on('offer', () => undefined);
    await client.connect();
    await client.join(ROOM);
    await clock.advance(5_100);
    const offers = server.socket.sent.filter((frame) => frame.op === 'offer');
    expect(offers).toHaveLength(2);
    for (const offer of [...offers].reverse()) {
      server.socket.answer(offer, {
        op: 'offer',
        offer_id: offer.offer_id,
        sdp: `answer-${offer.offer_id}`,
        published: [],
        slots: slots(1, {}),
      });
      await settle();
    }
    expect(platform.connection.answers).toEqual(['answer-2']);
  });

  it('drops an answer to another offer', async () => {
    const { client, server, platform } = world();
    server.on('offer', () => ({
      op: 'offer',
      offer_id: 77,
      sdp: 'answer-77',
      published: [],
      slots: slots(1, {}),
    }));
    await client.connect();
    await client.join(ROOM);
    await settle();
    expect(platform.connection.answers).toEqual([]);
  });

  it('fails and leaves the camera on when there is no seat', async () => {
    const { client, server, platform } = world();
    server.on('join', () => ({ code: 'room_full', message: 'full' }));
    server.on('offer', () => ({ code: 'not_joined', message: 'no seat' }));
    const camera = new FakeTrack('video');
    await client.connect();
    const joining = client.join(ROOM, { video: camera.real });
    await expect(joining).rejects.toMatchObject({ code: 'room_full' });
    expect(camera.readyState).toBe('live');
    expect(platform.connection.closed).toBe(true);
    expect(client.room).toBeNull();
  });

  it('takes what may not be published out of the offer', async () => {
    const { client, server, clock } = world();
    server.on('join', () => {
      const permissions = { ...joined().permissions, publish: ['microphone' as const] };
      return { op: 'join', ...joined({ permissions }) };
    });
    server.on('offer', ({ offer_id, publish }) =>
      publish.some(({ source }) => source === 'camera')
        ? { code: 'publish_not_granted', message: 'no camera' }
        : { op: 'offer', offer_id, sdp: 'a', published: published(publish), slots: slots(1, {}) },
    );
    await client.connect();
    const room = await client.join(ROOM, {
      audio: new FakeTrack('audio').real,
      video: new FakeTrack('video').real,
    });
    await clock.advance(2_000);
    expect(room.local.publication('camera')).toBeUndefined();
    expect(room.local.publication('microphone')?.id).toBe('own-microphone-0');
  });
});

describe('others', () => {
  it('appear, publish, mute, go away, come back and leave', async () => {
    const { server, room } = await inCall();
    const names = record(room);
    server.event(11, { kind: 'participant_joined', participant: participant('p-bob') });
    server.event(12, { kind: 'track_published', track: track('t-1', 'p-bob') });
    const bob = room.participants.get('p-bob');
    expect(bob?.user).toEqual(BOB);
    expect(bob?.publication('camera')?.muted).toBe(false);
    server.event(13, { kind: 'track_muted', participant: 'p-bob', track: 't-1', muted: true });
    expect(bob?.publication('camera')?.muted).toBe(true);
    server.event(14, { kind: 'participant_away', participant: 'p-bob', away: true });
    expect(bob?.away).toBe(true);
    server.event(15, { kind: 'participant_left', participant: 'p-bob', reason: 'left' });
    expect(room.participants.size).toBe(0);
    expect(names).toEqual([
      'participantJoined',
      'trackPublished',
      'trackUnpublished',
      'participantLeft',
    ]);
  });

  it('are marked while they speak', async () => {
    const { server, room } = await inCall();
    server.event(11, { kind: 'participant_joined', participant: participant('p-bob') });
    server.notice({ kind: 'speakers', speakers: ['p-bob', 'p-self'] });
    expect(room.participants.get('p-bob')?.speaking).toBe(true);
    expect(room.local.speaking).toBe(true);
    server.notice({ kind: 'speakers', speakers: [] });
    expect(room.participants.get('p-bob')?.speaking).toBe(false);
  });
});

describe('a lost socket', () => {
  it('is followed by a resume, with the media untouched and nobody gone', async () => {
    const { server, clock, room, platform } = await inCall();
    server.event(11, { kind: 'participant_joined', participant: participant('p-bob') });
    server.on('resume', () => ({ op: 'resume', ...resumed({ seq: 12 }) }));
    const names = record(room);
    server.socket.die();
    await clock.advance(10_000);
    server.event(12, { kind: 'track_published', track: track('t-1', 'p-bob') });
    expect(server.requests('resume')).toMatchObject([
      { ticket: 'ticket-1', epoch: 'epoch-1', seq: 11 },
    ]);
    expect(names).toEqual(['reconnecting', 'reconnected', 'trackPublished']);
    expect(room.participants.get('p-bob')?.publications.size).toBe(1);
    expect(platform.connections).toHaveLength(1);
    expect(server.requests('offer')).toHaveLength(1);
  });

  it.each([
    { what: 'took the path with it when nothing comes any more', flows: false, restarts: 1 },
    { what: 'left the path alone when media comes', flows: true, restarts: 0 },
  ])('$what', async ({ flows, restarts }) => {
    const { server, clock, platform } = await inCall();
    server.on('resume', () => ({ op: 'resume', ...resumed({ seq: 11 }) }));
    server.on('ice_servers', () => ({ op: 'ice_servers', ice_servers: [] }));
    platform.connection.become('connected');
    platform.connection.flows = flows;
    server.socket.die();
    await clock.advance(3_000);
    const offers = platform.connection.offers.filter(({ iceRestart }) => iceRestart);
    expect(offers).toHaveLength(restarts);
  });

  it('replays events once, whether they come before or after the answer', async () => {
    const { server, clock, room } = await inCall();
    server.on('resume', () => undefined);
    server.socket.die();
    await clock.advance(1_000);
    const names = record(room);
    const [resume] = server.socket.sent.filter((frame) => frame.op === 'resume');
    if (resume === undefined) {
      throw new Error('a resume was sent');
    }
    server.event(11, { kind: 'participant_joined', participant: participant('p-bob') });
    server.socket.answer(resume, { op: 'resume', ...resumed({ seq: 11 }) });
    await settle();
    server.event(11, { kind: 'participant_joined', participant: participant('p-bob') });
    expect(names.filter((name) => name === 'participantJoined')).toHaveLength(1);
    // An old event is no hole, and no reason for yet another socket.
    await clock.advance(1_000);
    expect(server.sockets).toHaveLength(2);
  });

  it('is told the wishes that did not arrive, and another seat all of them', async () => {
    const { server, clock, room } = await inCall();
    room.setLayout({ audio: 4, video: 2 });
    await clock.advance(100);
    server.on('resume', () => ({ op: 'resume', ...resumed({ seq: 10 }) }));
    server.socket.die();
    room.subscribe('t-1', { wanted: true, pinned: true });
    await clock.advance(1_000);
    const wish = { track: 't-1', wanted: true, pinned: true };
    expect(server.requests('subscribe').at(-1)).toMatchObject({ wishes: [wish] });

    server.on('resume', () => ({ code: 'resume_refused', message: 'too late' }));
    const before = server.requests('subscribe').length;
    server.socket.die();
    await clock.advance(1_000);
    expect(server.requests('subscribe').slice(before)).toMatchObject([
      { wishes: [wish], layout: { audio: 4, video: 2 } },
    ]);
  });

  it('takes a snapshot for what is no longer kept', async () => {
    const { server, clock, room } = await inCall();
    server.event(11, { kind: 'participant_joined', participant: participant('p-bob') });
    const snapshot = {
      room: { id: ROOM, name: 'Renamed' },
      participants: [participant('p-carol', [track('t-9', 'p-carol')])],
      slots: slots(9, {}),
    };
    server.on('resume', () => ({ op: 'resume', ...resumed({ seq: 500, snapshot }) }));
    server.socket.die();
    await clock.advance(1_000);
    expect([...room.participants.keys()]).toEqual(['p-carol']);
    expect(room.name).toBe('Renamed');
    server.event(501, { kind: 'participant_left', participant: 'p-carol', reason: 'left' });
    expect(room.participants.size).toBe(0);
  });

  it('asks for a replay when the numbering has a hole', async () => {
    const { server, clock, room } = await inCall();
    server.on('resume', () => ({ op: 'resume', ...resumed({ seq: 12 }) }));
    server.event(12, { kind: 'participant_joined', participant: participant('p-late') });
    expect(room.participants.size).toBe(0);
    await clock.advance(1_000);
    expect(server.requests('resume')).toMatchObject([{ seq: 10 }]);
  });

  it('takes another seat with the same tracks when the old one is gone', async () => {
    const { server, clock, room, platform, audio, video } = await inCall();
    server.event(11, { kind: 'participant_joined', participant: participant('p-bob') });
    server.on('resume', () => ({ code: 'resume_refused', message: 'too late' }));
    server.on('join', () => ({
      op: 'join',
      ...joined({ participant: 'p-new', epoch: 'epoch-2', seq: 3, resume_ticket: 'ticket-9' }),
    }));
    server.socket.die();
    await clock.advance(40_000);
    expect(room.state).toBe('joined');
    expect(room.local.id).toBe('p-new');
    expect(platform.connections).toHaveLength(2);
    expect(platform.connections[0]?.closed).toBe(true);
    const senders = platform.connection.transceivers.slice(0, 2).map((each) => each.sender.track);
    expect(senders).toEqual([audio, video]);
    expect(audio.readyState).toBe('live');
    const ids = server.requests('offer').map(({ offer_id }) => offer_id);
    expect(ids).toEqual([1, 2]);
  });

  it('tells mutes that were made meanwhile', async () => {
    const { server, clock, room } = await inCall();
    server.on('resume', () => ({ op: 'resume', ...resumed({ seq: 10 }) }));
    server.welcoming = false;
    server.socket.die();
    await clock.advance(1_000);
    await room.local.publication('microphone')?.setMuted(true);
    expect(server.requests('mute')).toHaveLength(0);
    server.welcoming = true;
    await clock.advance(20_000);
    expect(server.requests('mute')).toMatchObject([{ track: 'own-microphone-0', muted: true }]);
  });

  it('repeats an offer that went down with it', async () => {
    const { server, clock, room, platform } = await inCall();
    server.on('resume', () => ({ op: 'resume', ...resumed({ seq: 10 }) }));
    const answering = { op: 'offer' as const, sdp: 'late', slots: slots(9, {}) };
    server.on('offer', () => undefined);
    const sharing = room.startScreenShare();
    await clock.advance(100);
    server.on('offer', ({ offer_id, publish }) => ({
      ...answering,
      offer_id,
      published: published(publish),
    }));
    server.socket.die();
    await clock.advance(1_000);
    await expect(sharing).resolves.toMatchObject({ source: 'screen' });
    expect(platform.connections).toHaveLength(1);
  });

  it('ends the call when the server will not have this client again', async () => {
    const { server, room, platform, audio } = await inCall();
    const ends: unknown[] = [];
    room.on('left', (end) => ends.push(end));
    server.socket.die(4403);
    await settle();
    expect(ends).toMatchObject([{ reason: 'closed', error: { code: 'revoked' } }]);
    expect(platform.connection.closed).toBe(true);
    expect(audio.readyState).toBe('ended');
  });
});

describe('a lost path', () => {
  it('is a reason to look whether the socket is lost, too', async () => {
    const { server, clock, platform } = await inCall();
    server.on('ping', () => undefined);
    platform.connection.become('disconnected');
    await clock.advance(2_500);
    expect(server.sockets).toHaveLength(2);
  });

  it('is looked for again with fresh relay credentials', async () => {
    const { server, clock, platform } = await inCall();
    const fresh = [{ urls: ['turn:fresh.test'] }];
    server.on('ice_servers', () => ({ op: 'ice_servers', ice_servers: fresh }));
    platform.connection.become('failed');
    await clock.advance(100);
    expect(platform.connection.offers.at(-1)?.iceRestart).toBe(true);
    expect(platform.connection.configuration.iceServers).toEqual(fresh);
  });

  it('is looked for with the next socket, at once, when the last one was dead already', async () => {
    const { server, clock, platform } = await inCall();
    server.on('resume', () => ({ op: 'resume', ...resumed({ seq: 11 }) }));
    // Nothing arrives, and nobody says so.
    server.on('ping', () => undefined);
    server.on('ice_servers', () => undefined);
    platform.connection.become('disconnected');
    await clock.advance(1_500);
    server.on('ice_servers', () => ({ op: 'ice_servers', ice_servers: [] }));
    await clock.advance(1_000);
    expect(server.sockets).toHaveLength(2);
    expect(platform.connection.offers.at(-1)?.iceRestart).toBe(true);
  });

  it('gets a moment to come back by itself', async () => {
    const { clock, platform } = await inCall();
    platform.connection.become('disconnected');
    await clock.advance(500);
    platform.connection.become('connected');
    await clock.advance(10_000);
    expect(platform.connection.offers).toHaveLength(1);
    platform.connection.become('disconnected');
    await clock.advance(3_000);
    expect(platform.connection.offers.at(-1)?.iceRestart).toBe(true);
  });

  it('is also looked for when only the server noticed', async () => {
    const { server, clock, platform, room } = await inCall();
    server.event(11, { kind: 'transport_changed', state: 'failed' });
    await clock.advance(100);
    expect(room.transportState).toBe('failed');
    expect(platform.connection.offers.at(-1)?.iceRestart).toBe(true);
  });

  it('is not restarted over and over', async () => {
    const { server, clock, platform } = await inCall();
    for (let seq = 11; seq < 31; seq += 1) {
      server.event(seq, { kind: 'transport_changed', state: 'failed' });
      platform.connection.become('failed');
    }
    await clock.advance(3_500);
    expect(platform.connection.offers.filter((offer) => offer.iceRestart)).toHaveLength(1);
  });
});

describe('leaving', () => {
  it('tells the server, closes the media and switches the devices off', async () => {
    const { room, server, platform, audio, video, client } = await inCall();
    await room.leave();
    expect(server.requests('leave')).toHaveLength(1);
    expect(platform.connection.closed).toBe(true);
    expect([audio.readyState, video.readyState]).toEqual(['ended', 'ended']);
    expect(client.room).toBeNull();
  });

  it('happens by itself when the page goes away', async () => {
    const { server, platform } = await inCall();
    platform.unload();
    await settle();
    expect(server.requests('leave')).toHaveLength(1);
    expect(platform.connection.closed).toBe(true);
  });

  it('by being removed says why', async () => {
    const { room, server } = await inCall();
    const ends: unknown[] = [];
    room.on('left', (end) => ends.push(end));
    server.event(11, { kind: 'removed', reason: 'removed' });
    expect(ends).toEqual([{ reason: 'removed' }]);
    expect(room.state).toBe('left');
  });

  it('leaves no timer but the heartbeat behind', async () => {
    const { room, client, clock } = await inCall();
    await room.leave();
    await client.disconnect();
    await settle();
    expect(clock.pending).toBe(0);
  });
});
