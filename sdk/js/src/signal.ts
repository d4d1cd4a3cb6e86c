/**
 * The socket: requests and their answers, heartbeat, and coming back after a loss.
 *
 * A session's state is not here. Whoever needs more than one socket to succeed (a room's seat, the
 * chat's cursors) listens for `connected` and picks up its own thread.
 */

import { Backoff, renewalDelay } from './backoff.js';
import { finalReason } from './close-codes.js';
import { ConferError, hasCode } from './errors.js';
import { type ChangeEvents, Emitter, type Unsubscribe } from './events.js';
import type { TokenSource } from './http.js';
import { PendingRequests, type ReplyOf, type RequestOf } from './pending.js';
import type { Platform, Socket, TimerId } from './platform.js';
import {
  BEARER_SUBPROTOCOL_PREFIX,
  CLOSE_CODES,
  type ClientFrame,
  type Notice,
  type Request,
  type RoomEvent,
  type ServerFrame,
  SUBPROTOCOL,
  type Welcome,
} from './protocol.gen.js';

/** From opening a socket to the server's welcome. */
const WELCOME_TIMEOUT_MS = 10_000;
/** A ping that takes longer means a dead path, whatever the socket says. */
const PING_TIMEOUT_MS = 5_000;
/** The same, when there is a reason to doubt the path. */
const PROBE_TIMEOUT_MS = 2_000;
/** How often a path that matters now (a call is on) is tried. */
const BUSY_PING_MS = 3_000;
/** A socket that lived this long was a success: the next loss is a first one. */
const STABLE_AFTER_MS = 5_000;
/** Refusals before the welcome look like loss to a page; after so many a new token is tried. */
const FAILURES_BEFORE_RENEWAL = 3;
/** Wait after being told of too many frames. */
const RATE_LIMITED_WAIT_MS = 5_000;

/** How the socket does. */
export type ConnectionState = 'idle' | 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** What [`Signal`] tells. */
export interface SignalEvents extends ChangeEvents {
  state: ConnectionState;
  /** A new socket was welcomed. */
  connected: Welcome;
  /** The socket is gone; another is being opened unless the state is `closed`. */
  disconnected: undefined;
  event: { seq: number; event: RoomEvent };
  notice: Notice;
}

/** One client's line to the server. */
export class Signal extends Emitter<SignalEvents> {
  readonly #platform: Platform;
  readonly #url: string;
  readonly #tokens: TokenSource;
  readonly #backoff: Backoff;
  readonly #pending: PendingRequests;
  #state: ConnectionState = 'idle';
  #closedBecause: ConferError | null = null;
  #socket: Socket | null = null;
  #token: string | null = null;
  #welcome: Welcome | null = null;
  #welcomedAt = 0;
  /** Grows with every attempt: what belongs to an older one is ignored. */
  #attempt = 0;
  #failuresBeforeWelcome = 0;
  #waitAtLeastMs = 0;
  #busy = false;
  #deadline: TimerId = null;
  #pingTimer: TimerId = null;
  #retryTimer: TimerId = null;
  #renewalTimer: TimerId = null;
  #stopWaking: Unsubscribe | null = null;

  constructor(platform: Platform, baseUrl: string, tokens: TokenSource) {
    super();
    this.#platform = platform;
    this.#url = `${baseUrl.replace(/^http/, 'ws')}/v1/connect`;
    this.#tokens = tokens;
    this.#pending = new PendingRequests(platform);
    this.#backoff = new Backoff(() => platform.random());
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Why there will be no other socket, while the state is `closed`. */
  get closedBecause(): ConferError | null {
    return this.#closedBecause;
  }

  /** Opens the socket and keeps one open from now on. */
  open(): void {
    if (this.#state !== 'idle' && this.#state !== 'closed') {
      return;
    }
    this.#closedBecause = null;
    this.#failuresBeforeWelcome = 0;
    this.#backoff.reset();
    this.#stopWaking ??= this.#platform.onWake(() => this.#wake());
    this.#setState('connecting');
    void this.#connect();
  }

  /** Closes the socket for good. */
  close(): void {
    this.#end(new ConferError('closed', 'The client was closed.'));
  }

  /** A call is on: a dead path must be noticed in seconds. */
  setBusy(busy: boolean): void {
    this.#busy = busy;
    this.#schedulePing();
  }

  /** There is a reason to doubt the network: a dead socket is to be noticed soon. */
  probe(): void {
    this.#ping(PROBE_TIMEOUT_MS);
  }

  /** Asks, and promises the one answer. Nothing is kept for a later socket. */
  async request<Op extends Request['op']>(request: RequestOf<Op>): Promise<ReplyOf<Op>> {
    const socket = this.#socket;
    if (socket === null || this.#welcome === null) {
      throw new ConferError('connection_lost', 'There is no connection to the server now.');
    }
    const reply = await this.#pending.open(request.op, (id) => {
      const frame: ClientFrame = { id, ...(request as Request) };
      socket.send(JSON.stringify(frame));
    });
    return reply as ReplyOf<Op>;
  }

  /** Resolves at the next welcome, or at once while connected. */
  async connected(): Promise<void> {
    if (this.#state === 'connected') {
      return;
    }
    if (this.#state === 'closed') {
      throw this.#closedBecause ?? new ConferError('closed', 'The client was closed.');
    }
    await new Promise<void>((resolve, reject) => {
      const stop = this.on('state', (state) => {
        if (state === 'connected') {
          stop();
          resolve();
        } else if (state === 'closed') {
          stop();
          reject(this.#closedBecause ?? new ConferError('closed', 'The client was closed.'));
        }
      });
    });
  }

  /** Gives up this socket for another, because its numbering has a hole. */
  restart(): void {
    this.#lose(CLOSE_CODES.HeartbeatMissed);
  }

  async #connect(): Promise<void> {
    this.#attempt += 1;
    const attempt = this.#attempt;
    const current = () => attempt === this.#attempt;
    try {
      const renewal =
        this.#failuresBeforeWelcome >= FAILURES_BEFORE_RENEWAL && this.#token !== null;
      this.#token = renewal
        ? await this.#tokens.renew(this.#token ?? '')
        : await this.#tokens.token();
    } catch (error) {
      if (!current()) {
        return;
      }
      if (hasCode(error, 'unauthenticated', 'revoked')) {
        this.#end(error);
      } else {
        this.#retry();
      }
      return;
    }
    if (!current()) {
      return;
    }
    const socket = this.#platform.openSocket(this.#url, [
      SUBPROTOCOL,
      BEARER_SUBPROTOCOL_PREFIX + this.#token,
    ]);
    this.#socket = socket;
    socket.onmessage = ({ data }) => {
      if (current() && typeof data === 'string') {
        this.#receive(data);
      }
    };
    socket.onclose = ({ code }) => {
      if (current()) {
        this.#lose(code);
      }
    };
    this.#platform.clearTimer(this.#deadline);
    this.#deadline = this.#platform.setTimer(() => {
      this.#lose(CLOSE_CODES.HeartbeatMissed);
    }, WELCOME_TIMEOUT_MS);
  }

  #receive(text: string): void {
    let frame: ServerFrame;
    try {
      frame = JSON.parse(text) as ServerFrame;
    } catch {
      // Not this protocol: a proxy's word, or a server of another kind.
      this.#lose(CLOSE_CODES.HeartbeatMissed);
      return;
    }
    switch (frame.type) {
      case 'welcome':
        this.#welcomed(frame);
        return;
      case 'result':
        this.#pending.answered(frame.re, frame.result);
        return;
      case 'error':
        if (frame.re !== null) {
          this.#pending.refused(frame.re, ConferError.from(frame.error));
        }
        return;
      case 'event':
        this.emit('event', { seq: frame.seq, event: frame.event });
        return;
      case 'notice':
        this.#noticed(frame.notice);
        return;
    }
    // A later server's frame that this client does not know is passed over.
    frame satisfies never;
  }

  #welcomed(welcome: Welcome): void {
    this.#platform.clearTimer(this.#deadline);
    this.#welcome = welcome;
    this.#welcomedAt = this.#platform.now();
    this.#failuresBeforeWelcome = 0;
    this.#waitAtLeastMs = 0;
    this.#schedulePing();
    this.#setState('connected');
    this.emit('connected', welcome);
  }

  #noticed(notice: Notice): void {
    if (notice.kind === 'token_expiring') {
      this.#renewWithin(notice.in_ms);
    } else if (notice.kind === 'draining') {
      this.#waitAtLeastMs = notice.retry_after_ms;
    }
    this.emit('notice', notice);
  }

  #renewWithin(leftMs: number): void {
    this.#platform.clearTimer(this.#renewalTimer);
    this.#renewalTimer = this.#platform.setTimer(
      () => void this.#reauthenticate(),
      renewalDelay(leftMs, this.#platform.random()),
    );
  }

  async #reauthenticate(): Promise<void> {
    try {
      const token = await this.#tokens.renew(this.#token ?? '');
      this.#token = token;
      await this.request<'auth'>({ op: 'auth', token });
    } catch {
      // The server closes at the token's end with a code that says so; that path tries again.
    }
  }

  #schedulePing(): void {
    this.#platform.clearTimer(this.#pingTimer);
    const welcome = this.#welcome;
    if (welcome === null) {
      return;
    }
    const heartbeat = welcome.heartbeat_ms;
    const interval = this.#busy ? Math.min(BUSY_PING_MS, heartbeat) : heartbeat;
    this.#pingTimer = this.#platform.setTimer(() => {
      this.#ping(PING_TIMEOUT_MS);
      this.#schedulePing();
    }, interval);
  }

  #ping(timeoutMs: number): void {
    const attempt = this.#attempt;
    const timer = this.#platform.setTimer(() => {
      if (attempt === this.#attempt) {
        this.#lose(CLOSE_CODES.HeartbeatMissed);
      }
    }, timeoutMs);
    this.request<'ping'>({ op: 'ping' })
      .catch(() => undefined)
      .finally(() => this.#platform.clearTimer(timer));
  }

  /** The network is back or somebody looks at the page again: no more waiting. */
  #wake(): void {
    if (this.#retryTimer === null) {
      this.probe();
      return;
    }
    this.#platform.clearTimer(this.#retryTimer);
    this.#retryTimer = null;
    void this.#connect();
  }

  /** Drops the socket, and opens another unless the code forbids it. */
  #lose(code: number): void {
    if (this.#state === 'closed') {
      return;
    }
    const welcomed = this.#welcome !== null;
    this.#drop(code);
    if (welcomed) {
      if (this.#platform.now() - this.#welcomedAt >= STABLE_AFTER_MS) {
        this.#backoff.reset();
      }
      this.emit('disconnected', undefined);
    } else {
      this.#failuresBeforeWelcome += 1;
    }
    const why = finalReason(code);
    if (why !== null) {
      this.#end(why);
      return;
    }
    if (code === CLOSE_CODES.RateLimited) {
      this.#waitAtLeastMs = Math.max(this.#waitAtLeastMs, RATE_LIMITED_WAIT_MS);
    }
    if (code === CLOSE_CODES.TokenExpired) {
      this.#failuresBeforeWelcome = FAILURES_BEFORE_RENEWAL;
    }
    this.#retry();
  }

  #retry(): void {
    this.#setState(this.#state === 'connecting' ? 'connecting' : 'reconnecting');
    const wait = this.#backoff.next(this.#waitAtLeastMs);
    this.#waitAtLeastMs = 0;
    this.#platform.clearTimer(this.#retryTimer);
    this.#retryTimer = this.#platform.setTimer(() => {
      this.#retryTimer = null;
      void this.#connect();
    }, wait);
  }

  #end(why: ConferError): void {
    if (this.#state === 'closed') {
      return;
    }
    const welcomed = this.#welcome !== null;
    this.#drop(CLOSE_CODES.Normal);
    this.#platform.clearTimer(this.#retryTimer);
    this.#retryTimer = null;
    this.#stopWaking?.();
    this.#stopWaking = null;
    this.#closedBecause = why;
    if (welcomed) {
      this.emit('disconnected', undefined);
    }
    this.#setState('closed');
  }

  /** Lets go of the socket; every question that was open on it fails. */
  #drop(code: number): void {
    this.#attempt += 1;
    this.#platform.clearTimer(this.#deadline);
    this.#platform.clearTimer(this.#pingTimer);
    this.#platform.clearTimer(this.#renewalTimer);
    this.#welcome = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket !== null) {
      socket.onmessage = null;
      socket.onclose = null;
      // Pages may use 1000 and 3000 to 4999 only.
      socket.close(code >= 4000 ? code : CLOSE_CODES.Normal);
    }
    this.#pending.failAll(new ConferError('connection_lost', 'The connection was lost.'));
  }

  #setState(state: ConnectionState): void {
    if (this.#state !== state) {
      this.#state = state;
      this.changed();
      this.emit('state', state);
    }
  }
}
