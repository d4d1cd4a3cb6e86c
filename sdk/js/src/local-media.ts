/** What this page publishes: taking it up, taking it back, and keeping its mutes true. */

import type { Devices } from './devices.js';
import { ConferError } from './errors.js';
import type { LocalParticipant } from './participant.js';
import type { TrackId, TrackSource } from './protocol.gen.js';
import { LocalPublication } from './publication.js';
import type { Signal } from './signal.js';
import type { Transport } from './transport.js';

/** What local media needs of its room. */
export interface LocalMediaOwner {
  /** The connection of the seat that is held now. */
  transport(): Transport | null;
  published(publication: LocalPublication): void;
  unpublished(publication: LocalPublication): void;
  /** Something that nobody waits for was refused. */
  failed(error: ConferError): void;
  changed(): void;
}

interface Waiter {
  resolve: (publication: LocalPublication) => void;
  reject: (error: ConferError) => void;
}

/** The local publications of one call, over all the seats it may need. */
export class LocalMedia {
  readonly #local: LocalParticipant;
  readonly #signal: Signal;
  readonly #devices: Devices;
  readonly #owner: LocalMediaOwner;
  readonly #waiting = new Map<LocalPublication, Waiter>();
  /** Mutes that the server may not know. */
  readonly #unsentMutes = new Set<LocalPublication>();

  constructor(
    local: LocalParticipant,
    parts: { signal: Signal; devices: Devices },
    owner: LocalMediaOwner,
  ) {
    this.#local = local;
    this.#signal = parts.signal;
    this.#devices = parts.devices;
    this.#owner = owner;
  }

  /** Takes a track up; the transport's next offer carries it. */
  add(source: TrackSource, track: MediaStreamTrack, muted: boolean): LocalPublication {
    const publication = new LocalPublication(
      {
        muted: (each) => {
          this.#touch();
          this.#tellMuted(each);
        },
        replaced: async (each) => {
          await this.#owner.transport()?.replaceTrack(each);
          this.#touch();
        },
        reacquire: (each) => this.#devices.again(each.track),
      },
      source,
      track,
      muted,
    );
    this.#local.publications.set(source, publication);
    this.#touch();
    return publication;
  }

  /** Sends a track. Resolves when the server has taken it. */
  async publish(
    track: MediaStreamTrack,
    options: { source: TrackSource; muted?: boolean | undefined },
  ): Promise<LocalPublication> {
    const known = this.#local.publications.get(options.source);
    if (known !== undefined) {
      await known.replaceTrack(track);
      return known;
    }
    if (!this.#local.permissions.publish.includes(options.source)) {
      throw new ConferError('publish_not_granted', `You may not publish ${options.source}.`);
    }
    const publication = this.add(options.source, track, options.muted ?? false);
    const taken = new Promise<LocalPublication>((resolve, reject) => {
      this.#waiting.set(publication, { resolve, reject });
    });
    this.#owner.transport()?.publish(publication);
    return taken;
  }

  /** Stops sending. */
  async unpublish(publication: LocalPublication): Promise<void> {
    const id = publication.id;
    this.#drop(publication);
    this.#owner.transport()?.unpublish(publication);
    if (id !== undefined) {
      // Quicker than the offer that follows; if it is lost, that offer says the same.
      await this.#signal
        .request<'unpublish'>({ op: 'unpublish', track: id })
        .catch(() => undefined);
    }
  }

  /** Lets the person choose a screen and publishes it, with its sound where there is one. */
  async startScreenShare(): Promise<LocalPublication> {
    const { video, audio } = await this.#devices.openDisplay();
    if (video === undefined) {
      throw new ConferError('media_not_found', 'No screen was chosen.');
    }
    // The browser's own "stop sharing" ends the track.
    video.addEventListener('ended', () => void this.stopScreenShare());
    try {
      const screen = this.publish(video, { source: 'screen' });
      if (audio !== undefined) {
        // A page without the right to publish sound still shows its picture.
        this.publish(audio, { source: 'screen_audio' }).catch(() => audio.stop());
      }
      return await screen;
    } catch (error) {
      video.stop();
      audio?.stop();
      throw error;
    }
  }

  /** Ends the screen share, if there is one. */
  async stopScreenShare(): Promise<void> {
    // Both at once: another share may begin while the server is being told.
    const shared = (['screen', 'screen_audio'] as const).flatMap(
      (source) => this.#local.publications.get(source) ?? [],
    );
    await Promise.all(
      shared.map((publication) => {
        publication.track.stop();
        return this.unpublish(publication);
      }),
    );
  }

  /** The server has taken these, and only these. */
  taken(tracks: ReadonlyMap<LocalPublication, TrackId>): void {
    for (const publication of this.#local.publications.values()) {
      const id = tracks.get(publication);
      const before = publication.id;
      publication.named(id);
      if (id !== undefined && id !== before) {
        this.#owner.published(publication);
        this.#settle(publication)?.resolve(publication);
        if (this.#unsentMutes.has(publication)) {
          this.#tellMuted(publication);
        }
      }
    }
    this.#touch();
  }

  /** Takes back what the server will not have: whatever it has not taken before. */
  refused(error: ConferError): void {
    const granted = this.#local.permissions.publish;
    for (const publication of [...this.#local.publications.values()]) {
      const culprit =
        error.code === 'publish_not_granted'
          ? !granted.includes(publication.source)
          : publication.id === undefined;
      if (culprit) {
        const waiter = this.#settle(publication);
        this.#drop(publication);
        this.#owner.transport()?.unpublish(publication);
        if (waiter === undefined) {
          this.#owner.failed(error);
        } else {
          waiter.reject(error);
        }
      }
    }
  }

  /** The seat is gone, and with it the names of its tracks. */
  seatLost(): void {
    for (const publication of this.#local.publications.values()) {
      publication.named(undefined);
    }
  }

  /** Tells what could not be told while there was no socket. */
  flush(): void {
    for (const publication of [...this.#unsentMutes]) {
      this.#tellMuted(publication);
    }
  }

  /** A moderator, or another device of ours, changed the mute. */
  mutedByServer(track: TrackId, muted: boolean): void {
    const publication = [...this.#local.publications.values()].find(({ id }) => id === track);
    // Only silencing is taken over: nobody switches on somebody else's microphone.
    if (publication !== undefined && muted && !publication.muted) {
      publication.forceMuted(true);
      this.#touch();
    }
  }

  /** The call is over. */
  close(keepTracks: boolean): void {
    for (const waiter of this.#waiting.values()) {
      waiter.reject(new ConferError('closed', 'The call ended.'));
    }
    this.#waiting.clear();
    this.#unsentMutes.clear();
    if (!keepTracks) {
      for (const publication of this.#local.publications.values()) {
        publication.track.stop();
      }
    }
  }

  #drop(publication: LocalPublication): void {
    if (this.#local.publications.get(publication.source) !== publication) {
      return;
    }
    this.#local.publications.delete(publication.source);
    this.#unsentMutes.delete(publication);
    this.#settle(publication)?.reject(new ConferError('closed', 'The track was unpublished.'));
    publication.named(undefined);
    this.#owner.unpublished(publication);
    this.#touch();
  }

  #tellMuted(publication: LocalPublication): void {
    this.#unsentMutes.add(publication);
    const { id, muted } = publication;
    if (id === undefined) {
      // The offer that names it says whether it is muted; a change meanwhile is told after that.
      return;
    }
    this.#signal.request<'mute'>({ op: 'mute', track: id, muted }).then(
      () => {
        if (publication.muted === muted) {
          this.#unsentMutes.delete(publication);
        }
      },
      // Told again after the resume.
      () => undefined,
    );
  }

  #settle(publication: LocalPublication): Waiter | undefined {
    const waiter = this.#waiting.get(publication);
    this.#waiting.delete(publication);
    return waiter;
  }

  #touch(): void {
    this.#local.touch();
    this.#owner.changed();
  }
}
