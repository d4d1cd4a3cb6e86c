/** The participants of a room as this client knows them: snapshots and events in, news out. */

import { RemoteParticipant } from './participant.js';
import type {
  LeaveReason,
  ParticipantId,
  ParticipantInfo,
  RoomEvent,
  RoomSnapshot,
  TrackId,
  TrackInfo,
} from './protocol.gen.js';
import { RemotePublication } from './publication.js';

/** A participant and one of its publications. */
export interface PublicationNews {
  participant: RemoteParticipant;
  publication: RemotePublication;
}

/** A publication and what it is heard or seen by. */
export interface TrackNews extends PublicationNews {
  track: MediaStreamTrack;
}

/** What a roster tells its room. */
export interface RosterEvents {
  participantJoined: RemoteParticipant;
  participantLeft: { participant: RemoteParticipant; reason: LeaveReason };
  participantUpdated: RemoteParticipant;
  trackPublished: PublicationNews;
  trackUnpublished: PublicationNews;
  trackMuted: PublicationNews;
  trackSubscribed: TrackNews;
  trackUnsubscribed: TrackNews;
}

/** Changes of the roster among all room events. */
export type RosterChange = Extract<
  RoomEvent,
  {
    kind:
      | 'participant_joined'
      | 'participant_left'
      | 'participant_away'
      | 'track_published'
      | 'track_unpublished'
      | 'track_muted';
  }
>;

/** Everybody but ourselves, in the order they joined. */
export class Roster {
  readonly participants = new Map<ParticipantId, RemoteParticipant>();
  readonly #tell: <Name extends keyof RosterEvents>(name: Name, news: RosterEvents[Name]) => void;
  readonly #received: (track: TrackId) => MediaStreamTrack | undefined;

  /** `received` says what carries a track now. */
  constructor(
    tell: <Name extends keyof RosterEvents>(name: Name, news: RosterEvents[Name]) => void,
    received: (track: TrackId) => MediaStreamTrack | undefined,
  ) {
    this.#tell = tell;
    this.#received = received;
  }

  /** The publication with this id. */
  publication(track: TrackId): PublicationNews | undefined {
    for (const participant of this.participants.values()) {
      const publication = participant.publications.get(track);
      if (publication !== undefined) {
        return { participant, publication };
      }
    }
    return undefined;
  }

  /** Makes the roster equal to a snapshot; what differs is told as if it had happened just now. */
  replace(snapshot: RoomSnapshot, self: ParticipantId): void {
    const present = new Map(snapshot.participants.map((each) => [each.id, each]));
    for (const participant of [...this.participants.values()]) {
      if (!present.has(participant.id)) {
        this.#remove(participant.id, 'connection_lost');
      }
    }
    for (const info of snapshot.participants) {
      if (info.id !== self) {
        this.#put(info);
      }
    }
  }

  /** Takes one event about somebody else. */
  apply(event: RosterChange): void {
    switch (event.kind) {
      case 'participant_joined':
        this.#put(event.participant);
        return;
      case 'participant_left':
        this.#remove(event.participant, event.reason);
        return;
      case 'participant_away': {
        const participant = this.participants.get(event.participant);
        if (participant?.update({ away: event.away })) {
          this.#tell('participantUpdated', participant);
        }
        return;
      }
      case 'track_published':
        this.#publish(event.track);
        return;
      case 'track_unpublished':
        this.#unpublish(event.participant, event.track);
        return;
      case 'track_muted':
        this.#mute(event.participant, event.track, event.muted);
        return;
    }
    event satisfies never;
  }

  /** Marks who speaks now. */
  speakers(speakers: ReadonlySet<ParticipantId>): void {
    for (const participant of this.participants.values()) {
      if (participant.update({ speaking: speakers.has(participant.id) })) {
        this.#tell('participantUpdated', participant);
      }
    }
  }

  /** Looks again which slot carries which publication. */
  reconcile(): void {
    for (const participant of this.participants.values()) {
      for (const publication of participant.publications.values()) {
        this.#carry(participant, publication, this.#received(publication.id));
      }
    }
  }

  #put(info: ParticipantInfo): void {
    const known = this.participants.get(info.id);
    const participant = known ?? new RemoteParticipant(info);
    if (known === undefined) {
      this.participants.set(info.id, participant);
      this.#tell('participantJoined', participant);
    } else if (participant.update({ user: info.user, away: info.away })) {
      this.#tell('participantUpdated', participant);
    }
    const present = new Set(info.tracks.map((track) => track.id));
    for (const publication of [...participant.publications.values()]) {
      if (!present.has(publication.id)) {
        this.#unpublish(participant.id, publication.id);
      }
    }
    for (const track of info.tracks) {
      this.#publish(track);
    }
  }

  #remove(id: ParticipantId, reason: LeaveReason): void {
    const participant = this.participants.get(id);
    if (participant === undefined) {
      return;
    }
    for (const publication of [...participant.publications.values()]) {
      this.#unpublish(id, publication.id);
    }
    this.participants.delete(id);
    this.#tell('participantLeft', { participant, reason });
  }

  #publish(info: TrackInfo): void {
    const participant = this.participants.get(info.participant);
    if (participant === undefined) {
      return;
    }
    const known = participant.publications.get(info.id);
    if (known !== undefined) {
      this.#mute(participant.id, info.id, info.muted);
      return;
    }
    const publication = new RemotePublication(info);
    participant.publications.set(info.id, publication);
    participant.touch();
    this.#tell('trackPublished', { participant, publication });
    this.#carry(participant, publication, this.#received(info.id));
  }

  #unpublish(id: ParticipantId, track: TrackId): void {
    const participant = this.participants.get(id);
    const publication = participant?.publications.get(track);
    if (participant === undefined || publication === undefined) {
      return;
    }
    this.#carry(participant, publication, undefined);
    participant.publications.delete(track);
    participant.touch();
    this.#tell('trackUnpublished', { participant, publication });
  }

  #mute(id: ParticipantId, track: TrackId, muted: boolean): void {
    const participant = this.participants.get(id);
    const publication = participant?.publications.get(track);
    if (participant !== undefined && publication?.update({ muted })) {
      participant.touch();
      this.#tell('trackMuted', { participant, publication });
    }
  }

  #carry(
    participant: RemoteParticipant,
    publication: RemotePublication,
    track: MediaStreamTrack | undefined,
  ): void {
    const before = publication.track;
    if (before === track) {
      return;
    }
    publication.carry(track);
    participant.touch();
    if (before !== undefined) {
      this.#tell('trackUnsubscribed', { participant, publication, track: before });
    }
    if (track !== undefined) {
      this.#tell('trackSubscribed', { participant, publication, track });
    }
  }
}
