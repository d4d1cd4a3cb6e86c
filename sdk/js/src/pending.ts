/** Requests that wait for their answers. */

import { ConferError } from './errors.js';
import type { Platform, TimerId } from './platform.js';
import type { Reply, Request } from './protocol.gen.js';

/** From a request to its answer. */
const TIMEOUT_MS = 15_000;
/** Unanswered requests at most; the server refuses more than 64. */
const CAPACITY = 60;

/** Requests with this `op`. */
export type RequestOf<Op extends Request['op']> = Extract<Request, { op: Op }>;
/** The answer to requests with this `op`. */
export type ReplyOf<Op extends Request['op']> = Extract<Reply, { op: Op }>;

interface Entry {
  resolve: (reply: Reply) => void;
  reject: (error: ConferError) => void;
  timer: TimerId;
}

/** The open questions of one socket. Each is settled exactly once. */
export class PendingRequests {
  readonly #platform: Platform;
  readonly #entries = new Map<number, Entry>();
  #nextId = 1;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Opens a question under a fresh id, which `send` takes to the server. */
  open(op: Request['op'], send: (id: number) => void): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#entries.size >= CAPACITY) {
        reject(new ConferError('rate_limited', 'Too many requests are unanswered.'));
        return;
      }
      const id = this.#nextId;
      this.#nextId = id >= 0xffff_ffff ? 1 : id + 1;
      const timer = this.#platform.setTimer(() => {
        this.#entries.delete(id);
        reject(new ConferError('timeout', `The server did not answer ${op} in time.`));
      }, TIMEOUT_MS);
      this.#entries.set(id, { resolve, reject, timer });
      send(id);
    });
  }

  /** The answer to a question; an answer to none, or to one given up, is dropped. */
  answered(id: number, reply: Reply): void {
    this.#take(id)?.resolve(reply);
  }

  /** The refusal of a question. */
  refused(id: number, error: ConferError): void {
    this.#take(id)?.reject(error);
  }

  /** The socket is gone: nothing will be answered any more. */
  failAll(error: ConferError): void {
    for (const id of [...this.#entries.keys()]) {
      this.#take(id)?.reject(error);
    }
  }

  #take(id: number): Entry | undefined {
    const entry = this.#entries.get(id);
    if (entry !== undefined) {
      this.#entries.delete(id);
      this.#platform.clearTimer(entry.timer);
    }
    return entry;
  }
}
