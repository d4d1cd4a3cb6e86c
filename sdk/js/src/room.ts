/**
 * One call: a seat in a room, its media, and everybody else in it.
 *
 * The seat outlives the socket. After a loss the seat is resumed and the media, which never
 * stopped, is left alone. Only when the server has given the seat away is another one taken, with
 * a new peer connection and the same local tracks.
 */

import type { Devices } from './devices.js';
import { ConferError, hasCode } from './errors.js';
import { type ChangeEvents, Emitter, type Unsubscribe } from './events.js';
import { LocalParticipant, type RemoteParticipant } from './participant.js';
import type { Platform } from './platform.js';
import type {
  Answer,
  Joined,
  LeaveReason,
  ParticipantId,
  PublishIntent,
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
import { LocalPublication } from './publication.js';
import { Roster, type RosterEvents } from './roster.js';
import type { Signal } from './signal.js';
import { collectStats, type RoomStats } from './stats.js';
import { Subscriptions } from './subscription.js';
import { Transport } from './transport.js';

/** Receive slots of the first offer. */
const DEFAULT_RECEIVE: SlotDemand = { audio: 4, video: 8 };
/** What a page can show at most unless it says otherwise. */
const DEFAULT_LAYOUT: SlotDemand = { audio: 16, video: 48 };
/** Offers that fail for no reason we know are tried so often in a row. */
const OFFER_TRIES = 4;
/** Pause before such a try. */
const OFFER_PAUSE_MS = 500;
/** A path is not restarted more often than this. */
const RESTART_PAUSE_MS = 3_000;

/** How the seat does. */
export type RoomState = 'joining' | 'joined' | 'reconnecting' | 'left';

/** Why a call ended: the server's reason, or that the connection was closed for good. */
export type EndReason = LeaveReason | 'closed';

/** What [`Room`] tells. */
export interface RoomEvents extends RosterEvents, ChangeEvents {
  /** The server took a local track. */
  localPublished: LocalPublication;
  localUnpublished: LocalPublication;
  /** Who speaks, loudest first. */
  speakers: ParticipantId[];
  /** The socket is gone; media goes on meanwhile. */
  reconnecting: undefined;
  reconnected: undefined;
  /** How the media path does, as the server sees it. */
  transport: TransportState;
  /** The call is over. The last event. */
  left: { reason: EndReason; error?: ConferError };
  /** Something did not work that nobody waits for. */
  error: ConferError;
}

/** How to join. */
export interface JoinOptions {
  /** Published from the first offer on. */
  audio?: MediaStreamTrack | undefined;
  video?: MediaStreamTrack | undefined;
  /** Join with these switched off. */
  audioMuted?: boolean | undefined;
  videoMuted?: boolean | undefined;
  /** Receive slots of the first offer. Default: 4 audio, 8 video. */
  receive?: Partial<SlotDemand> | undefined;
}

/** One call. */
export class Room extends Emitter<RoomEvents> {
  readonly id: RoomId;
  readonly local: LocalParticipant;
  readonly #platform: Platform;
  readonly #signal: Signal;
  readonly #devices: Devices;
  readonly #roster: Roster;
  readonly #subscriptions: Subscriptions;
  readonly #receive: SlotDemand;
  readonly #stops: Unsubscribe[];
  readonly #waiting = new Map<LocalPublication, PublishWaiter>();
  /** Mutes that the server may not know. */
  readonly #unsentMutes = new Set<LocalPublication>();
  #info: RoomInfo;
  #state: RoomState = 'joining';
  #transportState: TransportState = 'connecting';
  #transport: Transport | null = null;
  #seat: { epoch: string; ticket: string; seq: number } | null = null;
  /** Events that came before the answer they follow. */
  #early: Array<{ seq: number; event: RoomEvent }> | null = [];
  #speakers: ParticipantId[] = [];
  #offerId = 0;
  #offerFailures = 0;
  #offerLost = false;
  #restartedAt = Number.NEGATIVE_INFINITY;

  /** @internal */
  constructor(
    parts: { platform: Platform; signal: Signal; devices: Devices },
    id: RoomId,
    user: UserInfo,
    options: JoinOptions,
  ) {
    super();
    this.id = id;
    this.#platform = parts.platform;
    this.#signal = parts.signal;
    this.#devices = parts.devices;
    this.#info = { id, name: '' };
    this.#receive = { ...DEFAULT_RECEIVE, ...options.receive };
    this.local = new LocalParticipant('', user, {
      publish: [],
      subscribe: false,
      chat_read: false,
      chat_write: false,
      moderate: false,
    });
    this.#roster = new Roster(
      (name, news) => {
        this.emit(name, news as RoomEvents[typeof name]);
        this.changed();
      },
      (track) => this.#transport?.received(track),
    );
    this.#subscriptions = new Subscriptions(
      this.#platform,
      DEFAULT_LAYOUT,
      async (wishes, layout) => {
        await this.#signal.request<'subscribe'>({ op: 'subscribe', wishes, layout });
      },
    );
    if (options.audio !== undefined) {
      this.#addLocal('microphone', options.audio, options.audioMuted ?? false);
    }
    if (options.video !== undefined) {
      this.#addLocal('camera', options.video, options.videoMuted ?? false);
    }
    this.#stops = [
      this.#signal.on('event', (numbered) => this.#numbered(numbered)),
      this.#signal.on('notice', (notice) => {
        if (notice.kind === 'speakers') {
          this.#heard(notice.speakers);
        }
      }),
      this.#signal.on('connected', () => void this.#resume()),
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
      this.#end('closed');
      throw error;
    }
  }

  /** Sends a track to the others. Resolves when the server has taken it. */
  async publish(
    track: MediaStreamTrack,
    options: { source: TrackSource; muted?: boolean },
  ): Promise<LocalPublication> {
    this.#requireSeat();
    const known = this.local.publications.get(options.source);
    if (known !== undefined) {
      await known.replaceTrack(track);
      return known;
    }
    if (!this.local.permissions.publish.includes(options.source)) {
      throw new ConferError('publish_not_granted', `You may not publish ${options.source}.`);
    }
    const publication = this.#addLocal(options.source, track, options.muted ?? false);
    const taken = new Promise<LocalPublication>((resolve, reject) => {
      this.#waiting.set(publication, { resolve, reject });
    });
    this.#transport?.publish(publication);
    return taken;
  }

  /** Stops sending a track. The track itself goes on; stop it if nobody else uses it. */
  async unpublish(publication: LocalPublication): Promise<void> {
    const id = publication.id;
    this.#dropLocal(publication);
    this.#transport?.unpublish(publication);
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
    for (const source of ['screen', 'screen_audio'] as const) {
      const publication = this.local.publications.get(source);
      if (publication !== undefined) {
        publication.track.stop();
        await this.unpublish(publication);
      }
    }
  }

  /** How many tracks of each kind the page can show at most. */
  setLayout(layout: SlotDemand): void {
    this.#subscriptions.setLayout(layout);
    this.#transport?.setLayout(layout);
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
    const transport = this.#transport;
    if (transport === null) {
      return null;
    }
    const received = [...this.participants.values()].flatMap((participant) =>
      [...participant.publications.values()].flatMap(({ id, kind, source }) => {
        const mid = transport.midOf(id);
        return mid === undefined
          ? []
          : [{ track: id, participant: participant.id, kind, source, mid }];
      }),
    );
    const sent = [...this.local.publications.values()].flatMap(({ source, kind }) => {
      const mid = transport.sendingMid(source);
      return mid === null ? [] : [{ source, kind, mid }];
    });
    return collectStats(transport.connection, received, sent);
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
    this.#early = [];
    const joining = this.#signal.request<'join'>({ op: 'join', room: this.id });
    this.#transport = new Transport({
      platform: this.#platform,
      owner: this.#transportOwner(),
      seat: joining.then((joined) => ({ iceServers: joined.ice_servers })),
      nextOfferId: () => {
        this.#offerId += 1;
        return this.#offerId;
      },
      publications: this.local.publications.values(),
      receive: this.#receive,
      layout: this.#subscriptions.layout,
    });
    this.#offerFailures = 0;
    this.#transport.start();
    const joined = await joining;
    if (this.#state === 'left') {
      // Left while joining: the seat that came too late is given back.
      await this.#signal.request<'leave'>({ op: 'leave' }).catch(() => undefined);
      throw new ConferError('closed', 'The room was left.');
    }
    this.#seated(joined);
  }

  #seated(joined: Joined): void {
    this.#seat = { epoch: joined.epoch, ticket: joined.resume_ticket, seq: joined.seq };
    this.local.update({ id: joined.participant, permissions: joined.permissions });
    this.#applySnapshot(joined.snapshot);
    this.#state = 'joined';
    this.#subscriptions.resend();
    this.#releaseEarly();
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
    const seat = this.#seat;
    this.#early = [];
    try {
      if (seat === null) {
        await this.#takeAnotherSeat();
      } else {
        const { ticket, epoch, seq } = seat;
        this.#resumed(await this.#signal.request<'resume'>({ op: 'resume', ticket, epoch, seq }));
      }
    } catch (error) {
      if (hasCode(error, 'resume_refused', 'reset_required', 'not_found', 'not_joined')) {
        this.#seat = null;
        await this.#takeAnotherSeat().catch((again: unknown) => this.#seatRefused(again));
      } else {
        this.#seatRefused(error);
      }
    }
  }

  async #takeAnotherSeat(): Promise<void> {
    this.#transport?.close();
    this.#transport = null;
    this.#roster.reconcile();
    for (const publication of this.local.publications.values()) {
      publication.named(undefined);
    }
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
    const seat = this.#seat;
    if (seat === null || this.#state === 'left') {
      return;
    }
    seat.ticket = resumed.resume_ticket;
    if (resumed.snapshot !== null) {
      seat.seq = resumed.seq;
      this.#applySnapshot(resumed.snapshot);
    }
    this.#state = 'joined';
    this.#releaseEarly();
    this.#transport?.setIceServers(resumed.ice_servers);
    const path = this.#transport?.connection.connectionState;
    if (path === 'failed' || path === 'disconnected') {
      this.#restartPath();
    } else if (this.#offerLost) {
      this.#transport?.renegotiate();
    }
    this.#offerLost = false;
    this.#subscriptions.flush();
    for (const publication of [...this.#unsentMutes]) {
      this.#tellMuted(publication);
    }
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
    this.#transport?.applySlots(snapshot.slots);
  }

  #releaseEarly(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const numbered of early) {
      this.#numbered(numbered);
    }
  }

  #numbered({ seq, event }: { seq: number; event: RoomEvent }): void {
    if (this.#early !== null) {
      this.#early.push({ seq, event });
      return;
    }
    const seat = this.#seat;
    if (seat === null || seq <= seat.seq || this.#state === 'left') {
      return;
    }
    if (seq !== seat.seq + 1) {
      // A hole: what is missing is replayed to the next socket.
      this.#signal.restart();
      return;
    }
    seat.seq = seq;
    this.#apply(event);
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
          this.#mutedByServer(event.track, event.muted);
        } else {
          this.#roster.apply(event);
        }
        return;
      case 'slots_changed':
        this.#transport?.applySlots(event.slots);
        return;
      case 'transport_changed':
        this.#transportState = event.state;
        this.emit('transport', event.state);
        this.changed();
        if (event.state === 'failed') {
          this.#restartPath();
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

  #transportOwner(): ConstructorParameters<typeof Transport>[0]['owner'] {
    return {
      offer: ({ offerId, sdp, publish }) => this.#offer(offerId, sdp, publish),
      candidate: (candidate, mid) => {
        // Helpful at best: the server is ICE-lite and learns addresses from checks.
        this.#signal
          .request<'candidate'>({ op: 'candidate', candidate, mid })
          .catch(() => undefined);
      },
      published: (tracks) => this.#published(tracks),
      slotsChanged: () => this.#roster.reconcile(),
      offerFailed: (error) => this.#offerFailed(error),
      pathLost: () => this.#restartPath(),
    };
  }

  #offer(offer_id: number, sdp: string, publish: PublishIntent[]): Promise<Answer> {
    return this.#signal.request<'offer'>({ op: 'offer', offer_id, sdp, publish });
  }

  #published(tracks: ReadonlyMap<LocalPublication, TrackId>): void {
    this.#offerFailures = 0;
    for (const publication of this.local.publications.values()) {
      const id = tracks.get(publication);
      const before = publication.id;
      publication.named(id);
      if (id !== undefined && id !== before) {
        this.emit('localPublished', publication);
        this.#settle(publication)?.resolve(publication);
        if (this.#unsentMutes.has(publication)) {
          this.#tellMuted(publication);
        }
      }
    }
    this.local.touch();
    this.changed();
  }

  #offerFailed(error: unknown): void {
    if (this.#state === 'left') {
      return;
    }
    if (hasCode(error, 'connection_lost', 'network', 'closed')) {
      this.#offerLost = true;
      return;
    }
    this.#offerFailures += 1;
    if (hasCode(error, 'publish_not_granted', 'too_many_tracks', 'no_common_codec', 'bad_offer')) {
      this.#refused(error);
    }
    if (this.#offerFailures >= OFFER_TRIES) {
      const why =
        error instanceof ConferError
          ? error
          : new ConferError('media_failed', 'Media could not be negotiated.', { cause: error });
      this.emit('error', why);
      return;
    }
    const afterMs = error instanceof ConferError ? error.retryAfterMs : undefined;
    this.#transport?.renegotiate({ afterMs: afterMs ?? OFFER_PAUSE_MS });
  }

  /** Takes back what the server will not have: whatever it has not taken before. */
  #refused(error: ConferError): void {
    const granted = this.local.permissions.publish;
    for (const publication of [...this.local.publications.values()]) {
      const culprit =
        error.code === 'publish_not_granted'
          ? !granted.includes(publication.source)
          : publication.id === undefined;
      if (culprit) {
        const waiter = this.#settle(publication);
        this.#dropLocal(publication);
        this.#transport?.unpublish(publication);
        if (waiter === undefined) {
          this.emit('error', error);
        } else {
          waiter.reject(error);
        }
      }
    }
  }

  /** Looks for another path with fresh credentials for the relay. */
  #restartPath(): void {
    const now = this.#platform.now();
    if (this.#state !== 'joined' || now - this.#restartedAt < RESTART_PAUSE_MS) {
      return;
    }
    this.#restartedAt = now;
    const transport = this.#transport;
    this.#signal.request<'ice_servers'>({ op: 'ice_servers' }).then(
      ({ ice_servers }) => transport?.restartIce(ice_servers),
      () => transport?.restartIce(),
    );
  }

  #addLocal(source: TrackSource, track: MediaStreamTrack, muted: boolean): LocalPublication {
    const publication = new LocalPublication(
      {
        muted: (each) => this.#mutedHere(each),
        replaced: async (each) => {
          await this.#transport?.replaceTrack(each);
          this.local.touch();
          this.changed();
        },
        reacquire: (each) => this.#devices.again(each.track),
      },
      source,
      track,
      muted,
    );
    this.local.publications.set(source, publication);
    this.local.touch();
    this.changed();
    return publication;
  }

  #dropLocal(publication: LocalPublication): void {
    if (this.local.publications.get(publication.source) !== publication) {
      return;
    }
    this.local.publications.delete(publication.source);
    this.#unsentMutes.delete(publication);
    this.#settle(publication)?.reject(new ConferError('closed', 'The track was unpublished.'));
    publication.named(undefined);
    this.local.touch();
    this.emit('localUnpublished', publication);
    this.changed();
  }

  #mutedHere(publication: LocalPublication): void {
    this.local.touch();
    this.changed();
    this.#tellMuted(publication);
  }

  #tellMuted(publication: LocalPublication): void {
    this.#unsentMutes.add(publication);
    const { id, muted } = publication;
    if (id === undefined) {
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

  #mutedByServer(track: TrackId, muted: boolean): void {
    const publication = [...this.local.publications.values()].find(({ id }) => id === track);
    // Only silencing is taken over: nobody switches on somebody else's microphone.
    if (publication !== undefined && muted && !publication.muted) {
      publication.forceMuted(true);
      this.local.touch();
      this.changed();
    }
  }

  #settle(publication: LocalPublication): PublishWaiter | undefined {
    const waiter = this.#waiting.get(publication);
    this.#waiting.delete(publication);
    return waiter;
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
    this.#seat = null;
    for (const stop of this.#stops) {
      stop();
    }
    this.#subscriptions.close();
    this.#transport?.close();
    this.#transport = null;
    for (const waiter of this.#waiting.values()) {
      waiter.reject(new ConferError('closed', 'The call ended.'));
    }
    this.#waiting.clear();
    if (!keepTracks) {
      for (const publication of this.local.publications.values()) {
        publication.track.stop();
      }
    }
    this.emit('left', error === undefined ? { reason } : { reason, error });
    this.changed();
  }
}

interface PublishWaiter {
  resolve: (publication: LocalPublication) => void;
  reject: (error: ConferError) => void;
}
