/**
 * The one peer connection of a seat: what is sent, what is received, and the offers between.
 *
 * The client is the only side that offers. The first offer carries everything: what is published
 * and a pool of receive slots, so that joining costs one exchange and everybody who comes later
 * costs none. It is sent without waiting for the seat or for candidates (the server is ICE-lite
 * and needs none); it is applied locally only when the seat is there, since that brings the TURN
 * servers for gathering.
 */

import { ConferError } from './errors.js';
import { type Exchange, OfferQueue } from './offers.js';
import type { Platform, TimerId } from './platform.js';
import type {
  Answer,
  IceServer,
  MediaKind,
  Mid,
  PublishIntent,
  SlotDemand,
  SlotMap,
  TrackId,
  TrackSource,
} from './protocol.gen.js';
import type { LocalPublication } from './publication.js';
import { growth, MEDIA_KINDS, midsOf, SlotTable } from './slots.js';

/** A path that a browser has given up for now may come back by itself; after this long it is helped. */
const RESTART_AFTER_MS = 1_000;
/** Bits per second at most, by source: beyond this a person sees no difference. */
const MAX_BITRATE: Record<TrackSource, number> = {
  microphone: 64_000,
  camera: 1_700_000,
  screen: 2_500_000,
  screen_audio: 128_000,
};

/** What a transport needs of its room. */
export interface TransportOwner {
  /** Sends an offer and promises the answer. */
  offer(offer: { offerId: number; sdp: string; publish: PublishIntent[] }): Promise<Answer>;
  candidate(candidate: string | null, mid: Mid | null): void;
  /** The server has taken these, and only these. */
  published(tracks: ReadonlyMap<LocalPublication, TrackId>): void;
  /** Tracks may have moved between slots. */
  slotsChanged(): void;
  /** An offer was refused, or nobody answered. */
  offerFailed(error: unknown): void;
  /** Nothing has come for seconds. */
  pathInDoubt(): void;
  /** The path is gone: a restart is due, with fresh relay credentials. */
  pathLost(): void;
}

/** What the seat gives a transport. */
export interface Seat {
  iceServers: IceServer[];
}

/** As much of a report as is read here. */
interface CandidatePair {
  type: string;
  bytesReceived?: number;
}

interface Sending {
  publication: LocalPublication;
  transceiver: RTCRtpTransceiver;
}

/** One peer connection and its negotiation. */
export class Transport {
  readonly connection: RTCPeerConnection;
  readonly #platform: Platform;
  readonly #owner: TransportOwner;
  readonly #seat: Promise<Seat>;
  readonly #offers: OfferQueue;
  readonly #table = new SlotTable();
  readonly #nextOfferId: () => number;
  readonly #sending = new Map<TrackSource, Sending>();
  /** Sending m-lines without a publication, kept for the next one from the same source. */
  readonly #idle = new Map<TrackSource, RTCRtpTransceiver>();
  readonly #slots: Record<MediaKind, RTCRtpTransceiver[]> = { audio: [], video: [] };
  #layout: SlotDemand;
  #started = false;
  #restartTimer: TimerId = null;

  constructor(options: {
    platform: Platform;
    owner: TransportOwner;
    seat: Promise<Seat>;
    /** Grows over all transports of a session. */
    nextOfferId: () => number;
    publications: Iterable<LocalPublication>;
    receive: SlotDemand;
    layout: SlotDemand;
    iceTransportPolicy?: RTCIceTransportPolicy | undefined;
  }) {
    this.#platform = options.platform;
    this.#owner = options.owner;
    this.#seat = options.seat;
    // Whoever asked for the seat hears why there is none.
    this.#seat.catch(() => undefined);
    this.#nextOfferId = options.nextOfferId;
    this.#layout = options.layout;
    this.connection = options.platform.createPeerConnection({
      bundlePolicy: 'max-bundle',
      rtcpMuxPolicy: 'require',
      iceTransportPolicy: options.iceTransportPolicy ?? 'all',
    });
    this.#offers = new OfferQueue(
      options.platform,
      (exchange) => this.#exchange(exchange),
      (error) => this.#owner.offerFailed(error),
    );
    for (const publication of options.publications) {
      this.#addSender(publication);
    }
    for (const kind of MEDIA_KINDS) {
      this.#addSlots(kind, options.receive[kind]);
    }
    this.connection.onicecandidate = ({ candidate }) => {
      this.#owner.candidate(candidate?.candidate ?? null, candidate?.sdpMid ?? null);
    };
    this.connection.onconnectionstatechange = () => this.#connectionChanged();
  }

  /** Makes the first offer at once. */
  start(): void {
    this.#offers.start();
  }

  /** Offers again, for instance after a refusal or when a new socket has taken the seat. */
  renegotiate(options: { iceRestart?: boolean; afterMs?: number } = {}): void {
    this.#offers.request(options);
  }

  /** The path is gone or in doubt: look for another. */
  restartIce(iceServers?: IceServer[]): void {
    if (iceServers !== undefined) {
      this.setIceServers(iceServers);
    }
    this.#offers.request({ iceRestart: true });
  }

  setIceServers(iceServers: IceServer[]): void {
    this.connection.setConfiguration({
      ...this.connection.getConfiguration?.(),
      iceServers,
    });
  }

  /** Sends `publication` from the next offer on. */
  publish(publication: LocalPublication): void {
    this.#addSender(publication);
    this.#offers.request();
  }

  /** Stops sending it. Its m-line stays for the next publication from this source. */
  unpublish(publication: LocalPublication): void {
    const sending = this.#sending.get(publication.source);
    if (sending?.publication !== publication) {
      return;
    }
    this.#sending.delete(publication.source);
    this.#idle.set(publication.source, sending.transceiver);
    sending.transceiver.direction = 'inactive';
    void sending.transceiver.sender.replaceTrack(null);
    this.#offers.request();
  }

  /** Sends what the publication holds now. */
  async replaceTrack(publication: LocalPublication): Promise<void> {
    const sending = this.#sending.get(publication.source);
    if (sending?.publication === publication) {
      await sending.transceiver.sender.replaceTrack(publication.track);
    }
  }

  /** Takes a slot map from an event or a snapshot. */
  applySlots(map: SlotMap): void {
    if (!this.#table.apply(map)) {
      return;
    }
    this.#grow();
    this.#owner.slotsChanged();
  }

  /** How many slots the page can show at most. */
  setLayout(layout: SlotDemand): void {
    this.#layout = layout;
    this.#grow();
  }

  /** What carries `track` now, if a slot does. */
  received(track: TrackId): MediaStreamTrack | undefined {
    const mid = this.#table.midOf(track);
    if (mid === undefined) {
      return undefined;
    }
    const slot = [...this.#slots.audio, ...this.#slots.video].find((each) => each.mid === mid);
    return slot?.receiver.track;
  }

  /** The m-line that carries `track` now, for statistics. */
  midOf(track: TrackId): Mid | undefined {
    return this.#table.midOf(track);
  }

  /** The m-line that a publication is sent on, for statistics. */
  sendingMid(source: TrackSource): Mid | null {
    return this.#sending.get(source)?.transceiver.mid ?? null;
  }

  /** Bytes that media has brought up to now, whichever way they took. */
  async bytesReceived(): Promise<number> {
    let bytes = 0;
    (await this.connection.getStats()).forEach((report: CandidatePair) => {
      if (report.type === 'candidate-pair') {
        bytes += report.bytesReceived ?? 0;
      }
    });
    return bytes;
  }

  close(): void {
    this.#offers.close();
    this.#platform.clearTimer(this.#restartTimer);
    this.connection.onicecandidate = null;
    this.connection.onconnectionstatechange = null;
    this.connection.close();
  }

  async #exchange(exchange: Exchange): Promise<void> {
    const connection = this.connection;
    const first = !this.#started;
    const offer = await connection.createOffer({ iceRestart: exchange.iceRestart });
    if (!exchange.current()) {
      return;
    }
    if (!first) {
      await connection.setLocalDescription(offer);
      if (!exchange.current()) {
        return;
      }
    }
    const sdp = offer.sdp ?? '';
    const intents = this.#intents(sdp);
    const carried = new Map(intents.map(({ publication, intent }) => [intent.mid, publication]));
    const offerId = this.#nextOfferId();
    const answering = this.#owner.offer({
      offerId,
      sdp,
      publish: intents.map(({ intent }) => intent),
    });
    if (first) {
      // Heard before the seat is awaited, so that a refusal is never an unhandled one.
      answering.catch(() => undefined);
      const seat = await this.#seat;
      if (!exchange.current()) {
        return;
      }
      this.setIceServers(seat.iceServers);
      await connection.setLocalDescription(offer);
      this.#started = true;
    }
    const answer = await answering;
    if (!exchange.current() || answer.offer_id !== offerId) {
      return;
    }
    await connection.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
    if (!exchange.current()) {
      return;
    }
    const published = new Map<LocalPublication, TrackId>();
    for (const { mid, track } of answer.published) {
      const publication = carried.get(mid);
      if (publication !== undefined) {
        published.set(publication, track);
      }
    }
    this.#owner.published(published);
    this.#table.apply(answer.slots);
    this.#grow();
    this.#owner.slotsChanged();
  }

  /** Which m-line carries what. Before the first description is set only the text knows. */
  #intents(sdp: string): Array<{ publication: LocalPublication; intent: PublishIntent }> {
    const mids = midsOf(sdp);
    const transceivers = this.connection.getTransceivers();
    return [...this.#sending.values()].map(({ publication, transceiver }) => {
      const mid = transceiver.mid ?? mids[transceivers.indexOf(transceiver)];
      if (mid === undefined) {
        throw new ConferError('media_failed', 'The offer lacks an m-line.');
      }
      const intent = { mid, source: publication.source, muted: publication.muted };
      return { publication, intent };
    });
  }

  #addSender(publication: LocalPublication): void {
    const { source, kind, track } = publication;
    const idle = this.#idle.get(source);
    if (idle !== undefined) {
      this.#idle.delete(source);
      idle.direction = 'sendonly';
      void idle.sender.replaceTrack(track);
      this.#sending.set(source, { publication, transceiver: idle });
      return;
    }
    const transceiver = this.connection.addTransceiver(track.kind === kind ? track : kind, {
      direction: 'sendonly',
      sendEncodings: [{ maxBitrate: MAX_BITRATE[source] }],
    });
    this.#sending.set(source, { publication, transceiver });
  }

  #addSlots(kind: MediaKind, count: number): void {
    for (let added = 0; added < count; added += 1) {
      this.#slots[kind].push(this.connection.addTransceiver(kind, { direction: 'recvonly' }));
    }
  }

  #grow(): void {
    let grown = false;
    for (const kind of MEDIA_KINDS) {
      const missing = growth(
        this.#slots[kind].length,
        this.#table.wanted[kind],
        this.#layout[kind],
      );
      this.#addSlots(kind, missing);
      grown ||= missing > 0;
    }
    if (grown) {
      this.#offers.request();
    }
  }

  #connectionChanged(): void {
    const state = this.connection.connectionState;
    this.#platform.clearTimer(this.#restartTimer);
    if (state === 'failed') {
      this.#owner.pathLost();
    } else if (state === 'disconnected') {
      this.#owner.pathInDoubt();
      this.#restartTimer = this.#platform.setTimer(() => this.#owner.pathLost(), RESTART_AFTER_MS);
    }
  }
}
