/** Who is in the room, and what they publish. */

import { type ChangeEvents, Emitter } from './events.js';
import type {
  ParticipantId,
  ParticipantInfo,
  Permissions,
  TrackId,
  TrackSource,
  UserInfo,
} from './protocol.gen.js';
import type { LocalPublication, RemotePublication } from './publication.js';

/** Somebody else in the room. */
export class RemoteParticipant extends Emitter<ChangeEvents> {
  readonly id: ParticipantId;
  readonly publications = new Map<TrackId, RemotePublication>();
  #user: UserInfo;
  #away: boolean;
  #speaking = false;

  /** @internal */
  constructor(info: ParticipantInfo) {
    super();
    this.id = info.id;
    this.#user = info.user;
    this.#away = info.away;
  }

  get user(): UserInfo {
    return this.#user;
  }

  /** Its connection is gone and may come back; its picture may stand still meanwhile. */
  get away(): boolean {
    return this.#away;
  }

  /** Whether it is among those who speak now. */
  get speaking(): boolean {
    return this.#speaking;
  }

  /** What it publishes from this source, if anything. */
  publication(source: TrackSource): RemotePublication | undefined {
    for (const publication of this.publications.values()) {
      if (publication.source === source) {
        return publication;
      }
    }
    return undefined;
  }

  /** @internal Takes news of this participant; says whether anything is different. */
  update(news: { user?: UserInfo; away?: boolean; speaking?: boolean }): boolean {
    const user = news.user ?? this.#user;
    const away = news.away ?? this.#away;
    const speaking = news.speaking ?? this.#speaking;
    if (
      user.id === this.#user.id &&
      user.name === this.#user.name &&
      away === this.#away &&
      speaking === this.#speaking
    ) {
      return false;
    }
    this.#user = user;
    this.#away = away;
    this.#speaking = speaking;
    this.changed();
    return true;
  }

  /** @internal A publication of this participant is different now. */
  touch(): void {
    this.changed();
  }
}

/** Before the server has said anything, nothing is permitted. */
const NO_PERMISSIONS: Permissions = {
  publish: [],
  subscribe: false,
  chat_read: false,
  chat_write: false,
  moderate: false,
};

/** This page's own place in the room. */
export class LocalParticipant extends Emitter<ChangeEvents> {
  /** At most one per source: publishing a second replaces the first's track. */
  readonly publications = new Map<TrackSource, LocalPublication>();
  #id: ParticipantId = '';
  #user: UserInfo;
  #permissions: Permissions = NO_PERMISSIONS;
  #speaking = false;

  /** @internal */
  constructor(user: UserInfo) {
    super();
    this.#user = user;
  }

  /** Changes only when the seat was lost for good and another was taken. */
  get id(): ParticipantId {
    return this.#id;
  }

  get user(): UserInfo {
    return this.#user;
  }

  get permissions(): Permissions {
    return this.#permissions;
  }

  /** Whether the server counts this participant among those who speak now. */
  get speaking(): boolean {
    return this.#speaking;
  }

  /** What is published from this source, if anything. */
  publication(source: TrackSource): LocalPublication | undefined {
    return this.publications.get(source);
  }

  /** @internal */
  update(news: {
    id?: ParticipantId;
    user?: UserInfo;
    permissions?: Permissions;
    speaking?: boolean;
  }): void {
    this.#id = news.id ?? this.#id;
    this.#user = news.user ?? this.#user;
    this.#permissions = news.permissions ?? this.#permissions;
    this.#speaking = news.speaking ?? this.#speaking;
    this.changed();
  }

  /** @internal */
  touch(): void {
    this.changed();
  }
}
