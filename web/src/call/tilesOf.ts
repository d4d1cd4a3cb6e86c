import type { RemoteParticipant, Room } from 'confer-sdk';
import type { PersonView, TileView } from './view';

/** The tiles of a call: everybody's camera, oneself first, then the screens. */
export function tilesOf(room: Room): TileView[] {
  const remote = [...room.participants.values()];
  return [
    localCamera(room),
    ...remote.map(remoteCamera),
    ...remote.flatMap(remoteScreen),
    ...localScreen(room),
  ];
}

/** Everybody in the call, oneself first. */
export function peopleOf(room: Room): PersonView[] {
  const { local } = room;
  const self: PersonView = {
    ...identity(local),
    self: true,
    guest: local.user.guest,
    micMuted: local.publication('microphone')?.muted ?? true,
    cameraOff: local.publication('camera')?.muted ?? true,
    sharing: local.publication('screen') !== undefined,
    speaking: local.speaking,
    away: false,
  };
  const others = [...room.participants.values()].map((participant) => ({
    ...identity(participant),
    self: false,
    guest: participant.user.guest,
    micMuted: participant.publication('microphone')?.muted ?? true,
    cameraOff: participant.publication('camera')?.muted ?? true,
    sharing: participant.publication('screen') !== undefined,
    speaking: participant.speaking,
    away: participant.away,
  }));
  return [self, ...others];
}

interface Known {
  readonly id: string;
  readonly user: { id: string; name: string };
}

function identity({ id, user }: Known) {
  return { participant: id, userId: user.id, name: user.name };
}

function localCamera({ local }: Room): TileView {
  const camera = local.publication('camera');
  const on = camera !== undefined && !camera.muted;
  return {
    ...identity(local),
    id: local.id,
    self: true,
    source: 'camera',
    video: on ? camera.track : undefined,
    hasVideo: on,
    micMuted: local.publication('microphone')?.muted ?? true,
    speaking: local.speaking,
    away: false,
  };
}

function localScreen({ local }: Room): TileView[] {
  const screen = local.publication('screen');
  if (screen === undefined) return [];
  return [
    {
      ...identity(local),
      id: `${local.id}:screen`,
      self: true,
      source: 'screen',
      video: screen.track,
      hasVideo: true,
      micMuted: true,
      speaking: false,
      away: false,
    },
  ];
}

function remoteCamera(participant: RemoteParticipant): TileView {
  const camera = participant.publication('camera');
  const on = camera !== undefined && !camera.muted;
  return {
    ...identity(participant),
    id: participant.id,
    self: false,
    source: 'camera',
    video: on ? camera.track : undefined,
    hasVideo: on,
    micMuted: participant.publication('microphone')?.muted ?? true,
    speaking: participant.speaking,
    away: participant.away,
  };
}

function remoteScreen(participant: RemoteParticipant): TileView[] {
  const screen = participant.publication('screen');
  if (screen === undefined) return [];
  return [
    {
      ...identity(participant),
      id: `${participant.id}:screen`,
      self: false,
      source: 'screen',
      video: screen.track,
      hasVideo: true,
      micMuted: true,
      speaking: false,
      away: participant.away,
    },
  ];
}
