/** Published tracks: those of others, and our own. */

import { ConferError } from './errors.js';
import { type ChangeEvents, Emitter } from './events.js';
import type { MediaKind, ParticipantId, TrackId, TrackInfo, TrackSource } from './protocol.gen.js';

/** A track that somebody else publishes. */
export class RemotePublication extends Emitter<ChangeEvents> {
  readonly id: TrackId;
  readonly participant: ParticipantId;
  readonly kind: MediaKind;
  readonly source: TrackSource;
  #muted: boolean;
  #track: MediaStreamTrack | undefined;

  /** @internal */
  constructor(info: TrackInfo) {
    super();
    this.id = info.id;
    this.participant = info.participant;
    this.kind = info.kind;
    this.source = info.source;
    this.#muted = info.muted;
  }

  get muted(): boolean {
    return this.#muted;
  }

  /**
   * What is heard or seen, while a receive slot carries this publication.
   *
   * The object belongs to the slot: after `trackUnsubscribed` it may show somebody else.
   */
  get track(): MediaStreamTrack | undefined {
    return this.#track;
  }

  /** @internal Says whether anything is different. */
  update(news: { muted: boolean }): boolean {
    if (news.muted === this.#muted) {
      return false;
    }
    this.#muted = news.muted;
    this.changed();
    return true;
  }

  /** @internal */
  carry(track: MediaStreamTrack | undefined): void {
    this.#track = track;
    this.changed();
  }
}

/** What a local publication needs of its room. */
export interface PublicationOwner {
  muted(publication: LocalPublication): void;
  /** The track object itself is another one now. */
  replaced(publication: LocalPublication): Promise<void>;
  /** Starts the same device again. */
  reacquire(publication: LocalPublication): Promise<MediaStreamTrack>;
}

/** A track that this page publishes. */
export class LocalPublication extends Emitter<ChangeEvents> {
  readonly kind: MediaKind;
  readonly source: TrackSource;
  readonly #owner: PublicationOwner;
  #id: TrackId | undefined;
  #track: MediaStreamTrack;
  #muted: boolean;
  /** Mutes and unmutes in the order they were asked for. */
  #turn: Promise<void> = Promise.resolve();

  /** @internal */
  constructor(
    owner: PublicationOwner,
    source: TrackSource,
    track: MediaStreamTrack,
    muted: boolean,
  ) {
    super();
    this.#owner = owner;
    this.source = source;
    this.kind = source === 'camera' || source === 'screen' ? 'video' : 'audio';
    this.#track = track;
    this.#muted = muted;
    track.enabled = !muted;
  }

  /** The server's name for it, once the server has taken it. */
  get id(): TrackId | undefined {
    return this.#id;
  }

  get track(): MediaStreamTrack {
    return this.#track;
  }

  get muted(): boolean {
    return this.#muted;
  }

  /**
   * Stops or resumes sending, and tells the others.
   *
   * A muted camera is switched off, its light included, and started again by unmuting; a muted
   * microphone keeps running, silenced, so that unmuting takes effect at once.
   */
  setMuted(muted: boolean): Promise<void> {
    const next = this.#turn.then(() => this.#apply(muted));
    this.#turn = next.catch(() => undefined);
    return next;
  }

  /** Sends another track from here on: another device, for instance. Others notice nothing. */
  async replaceTrack(track: MediaStreamTrack): Promise<void> {
    if (track.kind !== this.kind) {
      throw new ConferError('invalid', `A ${this.kind} publication needs an ${this.kind} track.`);
    }
    track.enabled = !this.#muted;
    this.#track = track;
    await this.#owner.replaced(this);
    this.changed();
  }

  /** @internal */
  named(id: TrackId | undefined): void {
    if (this.#id !== id) {
      this.#id = id;
      this.changed();
    }
  }

  /** @internal The server muted it, or had another opinion. */
  forceMuted(muted: boolean): void {
    this.#muted = muted;
    this.#track.enabled = !muted;
    this.changed();
  }

  async #apply(muted: boolean): Promise<void> {
    if (muted === this.#muted) {
      return;
    }
    if (!muted && this.#track.readyState === 'ended') {
      this.#track = await this.#owner.reacquire(this);
      await this.#owner.replaced(this);
    }
    this.#muted = muted;
    this.#track.enabled = !muted;
    this.changed();
    this.#owner.muted(this);
    if (muted && this.source === 'camera') {
      this.#track.stop();
    }
  }
}
