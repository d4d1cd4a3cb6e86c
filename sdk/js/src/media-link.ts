/**
 * The media of one seat: the transport, what to do when the server refuses an offer, and when to
 * look for another path.
 */

import { ConferError, hasCode } from './errors.js';
import type { LocalMedia } from './local-media.js';
import type { Platform, TimerId } from './platform.js';
import type { IceServer, SlotDemand } from './protocol.gen.js';
import type { LocalPublication } from './publication.js';
import type { Signal } from './signal.js';
import { type Seat, Transport } from './transport.js';

/** Offers that fail for no reason we know are tried so often in a row. */
const OFFER_TRIES = 4;
/** Pause before such a try. */
const OFFER_PAUSE_MS = 500;
/** Credentials for relays are fetched again when this share of their life is over. */
const CREDENTIAL_SHARE = 0.75;
/** The shortest and the longest wait for that. Longer ones do not fit a timer. */
const CREDENTIAL_WAIT_MS = [60_000, 86_400_000] as const;
/** A path is not restarted more often than this. */
const RESTART_PAUSE_MS = 3_000;
/** A path in doubt is given up when it brings nothing for so long. */
const DOUBT_MS = 1_000;

/** What a link needs of its room. */
export interface MediaLinkOwner {
  /** Tracks may have moved between slots. */
  slotsChanged(): void;
  /** Negotiation is given up. */
  failed(error: ConferError): void;
}

/** One peer connection and its keeper; closed together with the seat. */
export class MediaLink {
  readonly transport: Transport;
  readonly #platform: Platform;
  readonly #signal: Signal;
  readonly #media: LocalMedia;
  readonly #owner: MediaLinkOwner;
  #offerFailures = 0;
  /** An offer or its answer went down with the socket. */
  #offerLost = false;
  #restartedAt = Number.NEGATIVE_INFINITY;
  #restartTimer: TimerId = null;
  #doubtTimer: TimerId = null;
  #credentialTimer: TimerId = null;
  #closed = false;

  constructor(
    parts: { platform: Platform; signal: Signal; media: LocalMedia },
    owner: MediaLinkOwner,
    options: {
      seat: Promise<Seat>;
      nextOfferId: () => number;
      publications: Iterable<LocalPublication>;
      receive: SlotDemand;
      layout: SlotDemand;
      iceTransportPolicy?: RTCIceTransportPolicy | undefined;
    },
  ) {
    this.#platform = parts.platform;
    this.#signal = parts.signal;
    this.#media = parts.media;
    this.#owner = owner;
    options.seat.then(
      ({ iceServers }) => this.#watchCredentials(iceServers),
      () => undefined,
    );
    this.transport = new Transport({
      ...options,
      platform: parts.platform,
      owner: {
        offer: ({ offerId, sdp, publish }) =>
          this.#signal.request<'offer'>({ op: 'offer', offer_id: offerId, sdp, publish }),
        candidate: (candidate, mid) => {
          // Helpful at best: the server is ICE-lite and learns addresses from checks.
          this.#signal
            .request<'candidate'>({ op: 'candidate', candidate, mid })
            .catch(() => undefined);
        },
        published: (tracks) => {
          this.#offerFailures = 0;
          this.#media.taken(tracks);
        },
        slotsChanged: () => this.#owner.slotsChanged(),
        offerFailed: (error) => this.#offerFailed(error),
        // Perhaps it is the network that is gone, and the socket has not noticed yet.
        pathInDoubt: () => this.#signal.probe(),
        pathLost: () => this.restartPath(),
      },
    });
  }

  /** Makes the first offer at once. */
  start(): void {
    this.transport.start();
  }

  /** Another socket has the seat: what was lost with the old one is made up for. */
  resumed(): void {
    const path = this.transport.connection.connectionState;
    if (path === 'failed' || path === 'disconnected') {
      this.restartPath();
    } else {
      if (this.#offerLost) {
        this.transport.renegotiate();
      }
      void this.#doubtPath();
    }
    this.#offerLost = false;
  }

  /** Looks for another path, with fresh credentials for the relay. */
  restartPath(): void {
    if (this.#signal.state !== 'connected' || this.#restartTimer !== null || this.#closed) {
      // Without a socket there is nobody to offer to; the resume looks at the path again.
      return;
    }
    const wait = this.#restartedAt + RESTART_PAUSE_MS - this.#platform.now();
    this.#restartTimer = this.#platform.setTimer(
      () => {
        this.#restartTimer = null;
        if (wait > 0 && this.transport.connection.connectionState === 'connected') {
          // The restart before this one has helped meanwhile.
          return;
        }
        this.#restartedAt = this.#platform.now();
        this.#signal.request<'ice_servers'>({ op: 'ice_servers' }).then(
          ({ ice_servers }) => this.#restart(ice_servers),
          (error) => {
            if (isLost(error)) {
              this.#restartLost();
            } else {
              this.#restart();
            }
          },
        );
      },
      Math.max(0, wait),
    );
  }

  close(): void {
    this.#closed = true;
    this.#platform.clearTimer(this.#restartTimer);
    this.#platform.clearTimer(this.#doubtTimer);
    this.#platform.clearTimer(this.#credentialTimer);
    this.transport.close();
  }

  /**
   * What took the socket may have taken media's path: another address of the client, or of a router.
   * A browser needs seconds more to see that, media itself does not. Where nobody sends anything, a
   * restart that was not needed costs one exchange.
   */
  async #doubtPath(): Promise<void> {
    const before = await this.#bytesReceived();
    this.#platform.clearTimer(this.#doubtTimer);
    if (this.#closed || before === null) {
      return;
    }
    this.#doubtTimer = this.#platform.setTimer(async () => {
      const after = await this.#bytesReceived();
      if (after === before && this.transport.connection.connectionState === 'connected') {
        this.restartPath();
      }
    }, DOUBT_MS);
  }

  /** `null` when there is no telling, for instance because the connection was closed meanwhile. */
  #bytesReceived(): Promise<number | null> {
    return this.transport.bytesReceived().catch(() => null);
  }

  /** Has fresh credentials at hand before the relay refuses the old ones to whoever moves. */
  #watchCredentials(iceServers: IceServer[]): void {
    const expiries = iceServers
      .map(({ username }) => Number.parseInt(username ?? '', 10) * 1000)
      .filter((expiry) => Number.isFinite(expiry));
    if (this.#closed || expiries.length === 0) {
      return;
    }
    const left = Math.min(...expiries) - this.#platform.wallClock();
    const [shortest, longest] = CREDENTIAL_WAIT_MS;
    const wait = Math.min(longest, Math.max(shortest, left * CREDENTIAL_SHARE));
    this.#platform.clearTimer(this.#credentialTimer);
    this.#credentialTimer = this.#platform.setTimer(() => {
      this.#signal.request<'ice_servers'>({ op: 'ice_servers' }).then(
        ({ ice_servers: fresh }) => {
          if (!this.#closed) {
            this.transport.setIceServers(fresh);
            this.#watchCredentials(fresh);
          }
        },
        () => this.#watchCredentials(iceServers),
      );
    }, wait);
  }

  #restart(iceServers?: IceServer[]): void {
    if (iceServers !== undefined) {
      this.#watchCredentials(iceServers);
    }
    if (!this.#closed) {
      this.transport.restartIce(iceServers);
    }
  }

  /** A restart that the server never heard of: the resume makes it at once. */
  #restartLost(): void {
    this.#restartedAt = Number.NEGATIVE_INFINITY;
  }

  #offerFailed(error: unknown): void {
    if (this.#closed) {
      return;
    }
    if (isLost(error)) {
      this.#offerLost = true;
      this.#restartLost();
      return;
    }
    this.#offerFailures += 1;
    if (hasCode(error, 'publish_not_granted', 'too_many_tracks', 'no_common_codec', 'bad_offer')) {
      this.#media.refused(error);
    }
    if (this.#offerFailures >= OFFER_TRIES) {
      this.#owner.failed(
        error instanceof ConferError
          ? error
          : new ConferError('media_failed', 'Media could not be negotiated.', { cause: error }),
      );
      return;
    }
    const afterMs = error instanceof ConferError ? error.retryAfterMs : undefined;
    this.transport.renegotiate({ afterMs: afterMs ?? OFFER_PAUSE_MS });
  }
}

/** Whether a question went down with its socket. */
function isLost(error: unknown): boolean {
  return hasCode(error, 'connection_lost', 'network', 'closed');
}
