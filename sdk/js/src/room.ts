/**
 * One call: a seat in a room, its media, and everybody else in it.
 *
 * The seat outlives the socket. After a loss the seat is resumed and the media, which never
 * stopped, is left alone. Only when the server has given the seat away is another one taken, with
 * a new peer connection and the same local tracks.
 */

import type { Devices } from './devices.js';
import { ConferError, hasCode } from './errors.js';
import { Emitter, type Unsubscribe } from './events.js';
import { LocalMedia } from './local-media.js';
import { MediaLink } from './media-link.js';
import { LocalParticipant, type RemoteParticipant } from './participant.js';
import type { Platform } from './platform.js';
import type {
  Joined,
  ParticipantId,
  Resumed,
  RoomEvent,
  RoomId,
  RoomInfo,
  RoomSnapshot,
  SlotDemand,
  TrackId,
  TrackSource,
  TransportState,
  UserInfo,
} from './protocol.gen.js';
import type { LocalPublication } from './publication.js';
import type { EndReason, JoinOptions, RoomEvents, RoomState } from './room-events.js';
import { Roster } from './roster.js';
import { Seat } from './seat.js';
import type { Signal } from './signal.js';
import { collectStats, type RoomStats } from './stats.js';
import { Subscriptions } from './subscription.js';

/** Receive slots of the first offer. */
const DEFAULT_RECEIVE: SlotDemand = { audio: 4, video: 8 };
/** What a page can show at most unless it says otherwise. */
const DEFAULT_LAYOUT: SlotDemand = { audio: 16, video: 48 };
/** One call. */
export class Room extends Emitter<RoomEvents> {
  readonly id: RoomId;
  readonly local: LocalParticipant;
  readonly #platform: Platform;
  readonly #signal: Signal;
  readonly #roster: Roster;
  readonly #seat: Seat;
  readonly #media: LocalMedia;
  readonly #subscriptions: Subscriptions;
  readonly #wishes: JoinOptions & { receive: SlotDemand };
  readonly #stops: Unsubscribe[];
  #info: RoomInfo;
  #state: RoomState = 'joining';
  #transportState: TransportState = 'connecting';
  #link: MediaLink | null = null;
  #speakers: ParticipantId[] = [];
  #offerId = 0;
  /** @internal */
  constructor(
    parts: { platform: Platform; signal: Signal; devices: Devices },
    id: RoomId,
    user: UserInfo,
    options: JoinOptions,
  ) {
    super();
    this.id = id;
    this.#info = { id, name: '' };
    this.#platform = parts.platform;
    this.#signal = parts.signal;
    this.#wishes = { ...options, receive: { ...DEFAULT_RECEIVE, ...options.receive } };
    this.local = new LocalParticipant(user);
    this.#seat = new Seat(parts.signal, id, { happened: (event) => this.#apply(event) });
    this.#roster = new Roster(
      (name, news) => {
        this.emit(name, news as RoomEvents[typeof name]);
        this.changed();
      },
      (track) => this.#link?.transport.received(track),
    );
    this.#subscriptions = new Subscriptions(
      parts.platform,
      DEFAULT_LAYOUT,
      async (wishes, layout) => {
        await this.#signal.request<'subscribe'>({ op: 'subscribe', wishes, layout });
      },
    );
    this.#media = new LocalMedia(this.local, parts, {
      transport: () => this.#link?.transport ?? null,
      published: (publication) => this.emit('localPublished', publication),
      unpublished: (publication) => this.emit('localUnpublished', publication),
      failed: (error) => this.emit('error', error),
      changed: () => this.changed(),
    });
    if (options.audio !== undefined) {
      this.#media.add('microphone', options.audio, options.audioMuted ?? false);
    }
    if (options.video !== undefined) {
      this.#media.add('camera', options.video, options.videoMuted ?? false);
    }
    this.#stops = [
      this.#signal.on('event', (numbered) => this.#seat.handle(numbered)),
      this.#signal.on('notice', (notice) => {
        if (notice.kind === 'speakers') {
          this.#heard(notice.speakers);
        }
      }),
      this.#signal.on('connected', () => void this.#resume()),
      // A reloaded page takes another seat; nobody shall see the old one linger.
      this.#platform.onUnload(() => void this.leave()),
      this.#signal.on('disconnected', () => this.#disconnected()),
      this.#signal.on('state', (state) => {
        if (state === 'closed') {
          this.#end('closed', this.#signal.closedBecause ?? undefined);
        }
      }),
    ];
  }

  get name(): string {
    return this.#info.name;
  }

  get state(): RoomState {
    return this.#state;
  }

  /** How the media path does, as the server sees it. */
  get transportState(): TransportState {
    return this.#transportState;
  }

  /** Everybody else, in the order they joined. */
  get participants(): ReadonlyMap<ParticipantId, RemoteParticipant> {
    return this.#roster.participants;
  }

  /** Who speaks, loudest first; this page's own participant may be among them. */
  get speakers(): readonly ParticipantId[] {
    return this.#speakers;
  }

  /** @internal Takes the seat; rejects when there is none to be had. */
  async join(): Promise<void> {
    try {
      await this.#takeSeat();
    } catch (error) {
      // The page may try again with the same camera.
      this.#end('closed', undefined, true);
      throw error;
    }
  }

  /** Sends a track to the others. Resolves when the server has taken it. */
  async publish(
    track: MediaStreamTrack,
    options: { source: TrackSource; muted?: boolean },
  ): Promise<LocalPublication> {
    this.#requireSeat();
    return this.#media.publish(track, options);
  }

  /** Stops sending a track. The track itself goes on; stop it if nobody else uses it. */
  unpublish(publication: LocalPublication): Promise<void> {
    return this.#media.unpublish(publication);
  }

  /** Lets the person choose a screen and publishes it, with its sound where there is one. */
  async startScreenShare(): Promise<LocalPublication> {
    this.#requireSeat();
    return this.#media.startScreenShare();
  }

  /** Ends the screen share, if there is one. */
  stopScreenShare(): Promise<void> {
    return this.#media.stopScreenShare();
  }

  /** How many tracks of each kind the page can show at most. */
  setLayout(layout: SlotDemand): void {
    this.#subscriptions.setLayout(layout);
    this.#link?.transport.setLayout(layout);
  }

  /** Wants or does not want one track; `null` returns to the default, which is to want it. */
  subscribe(track: TrackId, wish: { wanted: boolean; pinned?: boolean } | null): void {
    this.#subscriptions.wish(track, wish);
  }

  /** Removes somebody from the room. */
  async remove(participant: ParticipantId): Promise<void> {
    await this.#signal.request<'remove'>({ op: 'remove', participant });
  }

  /** What the call costs and yields at this moment. */
  async stats(): Promise<RoomStats | null> {
    const transport = this.#link?.transport;
    const sent = this.local.publications.values();
    return transport ? collectStats(transport, this.participants.values(), sent) : null;
  }

  /** Leaves, and stops the local tracks unless they are to be used further. */
  async leave(options: { keepTracks?: boolean } = {}): Promise<void> {
    if (this.#state === 'left') {
      return;
    }
    const told = this.#signal.request<'leave'>({ op: 'leave' }).catch(() => undefined);
    this.#end('left', undefined, options.keepTracks ?? false);
    await told;
  }

  async #takeSeat(): Promise<void> {
    const taking = this.#seat.take();
    const parts = { platform: this.#platform, signal: this.#signal, media: this.#media };
    this.#link = new MediaLink(
      parts,
      {
        slotsChanged: () => this.#roster.reconcile(),
        failed: (error) => this.emit('error', error),
      },
      {
        seat: taking.then((joined) => ({ iceServers: joined.ice_servers })),
        nextOfferId: () => {
          this.#offerId += 1;
          return this.#offerId;
        },
        publications: this.local.publications.values(),
        ...this.#wishes,
        layout: this.#subscriptions.layout,
      },
    );
    this.#link.start();
    const joined = await taking;
    if (this.#state === 'left') {
      // Left while joining: the seat that came too late is given back.
      await this.#signal.request<'leave'>({ op: 'leave' }).catch(() => undefined);
      throw new ConferError('closed', 'The room was left.');
    }
    this.#seated(joined);
  }

  #seated(joined: Joined): void {
    this.local.update({ id: joined.participant, permissions: joined.permissions });
    this.#applySnapshot(joined.snapshot);
    this.#state = 'joined';
    this.#subscriptions.resend();
    this.#seat.settle();
    this.changed();
  }

  #disconnected(): void {
    if (this.#state === 'joined') {
      this.#state = 'reconnecting';
      this.emit('reconnecting', undefined);
      this.changed();
    }
  }

  async #resume(): Promise<void> {
    if (this.#state !== 'reconnecting') {
      return;
    }
    try {
      if (this.#seat.held) {
        this.#resumed(await this.#seat.resume());
      } else {
        await this.#takeAnotherSeat();
      }
    } catch (error) {
      if (hasCode(error, 'resume_refused', 'reset_required', 'not_found', 'not_joined')) {
        await this.#takeAnotherSeat().catch((again: unknown) => this.#seatRefused(again));
      } else {
        this.#seatRefused(error);
      }
    }
  }

  async #takeAnotherSeat(): Promise<void> {
    this.#link?.close();
    this.#link = null;
    this.#roster.reconcile();
    this.#media.seatLost();
    await this.#takeSeat();
    this.emit('reconnected', undefined);
  }

  #seatRefused(error: unknown): void {
    if (hasCode(error, 'connection_lost', 'closed')) {
      // The next socket tries again.
      return;
    }
    if (hasCode(error, 'timeout', 'unavailable', 'rate_limited', 'draining', 'internal')) {
      this.#signal.restart();
      return;
    }
    this.#end('connection_lost', error instanceof ConferError ? error : undefined);
  }

  #resumed(resumed: Resumed): void {
    if (this.#state === 'left') {
      return;
    }
    if (resumed.snapshot !== null) {
      this.#applySnapshot(resumed.snapshot);
    }
    this.#state = 'joined';
    this.#seat.settle();
    this.#link?.resumed();
    this.#subscriptions.flush();
    this.#media.flush();
    this.emit('reconnected', undefined);
    this.changed();
  }

  #applySnapshot(snapshot: RoomSnapshot): void {
    this.#info = snapshot.room;
    const self = snapshot.participants.find((each) => each.id === this.local.id);
    if (self !== undefined) {
      this.local.update({ user: self.user });
    }
    this.#roster.replace(snapshot, this.local.id);
    this.#link?.transport.applySlots(snapshot.slots);
  }

  #apply(event: RoomEvent): void {
    switch (event.kind) {
      case 'participant_joined':
      case 'participant_left':
      case 'participant_away':
      case 'track_published':
        this.#roster.apply(event);
        return;
      case 'track_unpublished':
        this.#subscriptions.forget(event.track);
        this.#roster.apply(event);
        return;
      case 'track_muted':
        if (event.participant === this.local.id) {
          this.#media.mutedByServer(event.track, event.muted);
        } else {
          this.#roster.apply(event);
        }
        return;
      case 'slots_changed':
        this.#link?.transport.applySlots(event.slots);
        return;
      case 'transport_changed':
        this.#transportState = event.state;
        this.emit('transport', event.state);
        this.changed();
        if (event.state === 'failed') {
          this.#link?.restartPath();
        }
        return;
      case 'removed':
        this.#end(event.reason);
        return;
    }
    // A later server's event that this client does not know is passed over.
    event satisfies never;
  }

  #heard(speakers: ParticipantId[]): void {
    if (this.#state === 'left' || this.#state === 'joining') {
      return;
    }
    this.#speakers = speakers;
    const set = new Set(speakers);
    this.#roster.speakers(set);
    if (this.local.speaking !== set.has(this.local.id)) {
      this.local.update({ speaking: set.has(this.local.id) });
    }
    this.emit('speakers', speakers);
    this.changed();
  }

  #requireSeat(): void {
    if (this.#state === 'left' || this.#state === 'joining') {
      throw new ConferError('not_joined', 'This room is not joined.');
    }
  }

  #end(reason: EndReason, error?: ConferError, keepTracks = false): void {
    if (this.#state === 'left') {
      return;
    }
    this.#state = 'left';
    this.#seat.drop();
    for (const stop of this.#stops) {
      stop();
    }
    this.#subscriptions.close();
    this.#link?.close();
    this.#link = null;
    this.#media.close(keepTracks);
    this.emit('left', error === undefined ? { reason } : { reason, error });
    this.changed();
  }
}
