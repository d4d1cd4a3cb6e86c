import { describe, expect, it } from 'vitest';
import { settle } from './fakes/clock.js';
import { FakeTrack } from './fakes/peer-connection.js';
import { inCall, joined, participant, ROOM, record, slots, track, world } from './fakes/room.js';

describe('receive slots', () => {
  async function withBob() {
    const all = await inCall();
    all.server.event(11, {
      kind: 'participant_joined',
      participant: participant('p-bob', [track('t-1', 'p-bob'), track('t-2', 'p-bob')]),
    });
    const publication = (id: string) => all.room.participants.get('p-bob')?.publications.get(id);
    const receiver = (mid: string) =>
      all.platform.connection.transceivers.find((each) => each.mid === mid)?.receiver.track;
    return { ...all, publication, receiver };
  }

  it('carry a publication by m-line id', async () => {
    const { server, publication, receiver } = await withBob();
    expect(publication('t-1')?.track).toBeUndefined();
    server.event(12, { kind: 'slots_changed', slots: slots(5, { '7': 't-1', '8': 't-2' }) });
    expect(publication('t-1')?.track).toBe(receiver('7'));
    expect(publication('t-2')?.track).toBe(receiver('8'));
  });

  it('move a publication, and say so in the right order', async () => {
    const { server, publication, receiver, room } = await withBob();
    server.event(12, { kind: 'slots_changed', slots: slots(5, { '7': 't-1' }) });
    const names = record(room);
    server.event(13, { kind: 'slots_changed', slots: slots(6, { '9': 't-1' }) });
    expect(publication('t-1')?.track).toBe(receiver('9'));
    expect(names).toEqual(['trackUnsubscribed', 'trackSubscribed']);
  });

  it('ignore a map that is older than the newest', async () => {
    const { server, publication, receiver } = await withBob();
    server.event(12, { kind: 'slots_changed', slots: slots(6, { '7': 't-1' }) });
    server.event(13, { kind: 'slots_changed', slots: slots(5, { '7': 't-2' }) });
    expect(publication('t-1')?.track).toBe(receiver('7'));
  });

  it('may name a track before its publication is known', async () => {
    const { server, room, receiver } = await withBob();
    server.event(12, { kind: 'slots_changed', slots: slots(5, { '7': 't-3' }) });
    server.event(13, { kind: 'track_published', track: track('t-3', 'p-bob') });
    const bob = room.participants.get('p-bob');
    expect(bob?.publications.get('t-3')?.track).toBe(receiver('7'));
  });

  it('grow in steps, when more are wanted than there are', async () => {
    const { server, clock, platform } = await withBob();
    const wanted = { audio: 4, video: 9 };
    server.event(12, { kind: 'slots_changed', slots: slots(5, {}, wanted) });
    await clock.advance(100);
    const video = platform.connection.transceivers.filter(
      (each) => each.kind === 'video' && each.direction === 'recvonly',
    );
    expect(video).toHaveLength(12);
    expect(server.requests('offer')).toHaveLength(2);
  });

  it('do not grow beyond what the page can show', async () => {
    const { server, clock, platform, room } = await withBob();
    room.setLayout({ audio: 4, video: 9 });
    server.event(12, { kind: 'slots_changed', slots: slots(5, {}, { audio: 9, video: 30 }) });
    await clock.advance(100);
    const receiving = platform.connection.transceivers.filter(
      (each) => each.direction === 'recvonly',
    );
    expect(receiving).toHaveLength(4 + 9);
    expect(server.requests('subscribe').at(-1)?.layout).toEqual({ audio: 4, video: 9 });
  });
});

describe('publishing', () => {
  it('resolves with the name the server gave', async () => {
    const { room, clock } = await inCall({ tracks: false });
    const publishing = room.publish(new FakeTrack('video').real, { source: 'camera' });
    await clock.advance(100);
    const publication = await publishing;
    expect(publication.id).toBe('own-camera-12');
    expect(room.local.publication('camera')).toBe(publication);
  });

  it('shares one offer when two tracks are published together', async () => {
    const { room, server, clock } = await inCall({ tracks: false });
    const both = [
      room.publish(new FakeTrack('audio').real, { source: 'microphone' }),
      room.publish(new FakeTrack('video').real, { source: 'camera' }),
    ];
    await clock.advance(100);
    await Promise.all(both);
    expect(server.requests('offer')).toHaveLength(2);
  });

  it('is refused here already without the right to it', async () => {
    const { client, server } = world();
    server.on('join', () => {
      const permissions = { ...joined().permissions, publish: [] };
      return { op: 'join', ...joined({ permissions }) };
    });
    await client.connect();
    const room = await client.join(ROOM);
    const publishing = room.publish(new FakeTrack('video').real, { source: 'camera' });
    await expect(publishing).rejects.toMatchObject({ code: 'publish_not_granted' });
  });

  it('keeps the m-line for the next share after one has ended', async () => {
    const { room, server, clock, platform } = await inCall();
    const share = async () => {
      const sharing = room.startScreenShare();
      await clock.advance(100);
      return sharing;
    };
    await share();
    const lines = platform.connection.transceivers.length;
    await room.stopScreenShare();
    await clock.advance(100);
    expect(
      server
        .requests('offer')
        .at(-1)
        ?.publish.map(({ source }) => source),
    ).toEqual(['microphone', 'camera']);
    await share();
    expect(platform.connection.transceivers).toHaveLength(lines);
    expect(room.local.publication('screen')?.id).toBeDefined();
  });

  it('mutes a microphone without stopping it, and a camera by switching it off', async () => {
    const { room, server, audio, video, platform } = await inCall();
    await room.local.publication('microphone')?.setMuted(true);
    await room.local.publication('camera')?.setMuted(true);
    await settle();
    expect(audio.readyState).toBe('live');
    expect(audio.enabled).toBe(false);
    expect(video.readyState).toBe('ended');
    expect(server.requests('mute').map(({ track: id, muted }) => [id, muted])).toEqual([
      ['own-microphone-0', true],
      ['own-camera-1', true],
    ]);
    await room.local.publication('camera')?.setMuted(false);
    const sender = platform.connection.transceivers[1]?.sender.track;
    expect(sender).not.toBe(video);
    expect(sender?.readyState).toBe('live');
  });
});
