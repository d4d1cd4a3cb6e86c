/** How far this user is in a conversation, told at most once a second. */

import type { Platform, TimerId } from './platform.js';
import type { MessageSeq } from './protocol.gen.js';

/** The server counts cursors, not messages: a burst needs one word. */
const INTERVAL_MS = 1_000;

/** The cursors of one conversation on their way to the server. */
export class ReceiptSender {
  readonly #platform: Platform;
  readonly #send: (mark: Mark) => Promise<void>;
  #wanted: Mark = { delivered: 0, read: 0 };
  #told: Mark = { delivered: 0, read: 0 };
  #toldAt = Number.NEGATIVE_INFINITY;
  #timer: TimerId = null;
  #sending = false;

  /** `send` rejects when the word did not arrive; the next [`flush`](this.flush) repeats it. */
  constructor(platform: Platform, send: (mark: Mark) => Promise<void>) {
    this.#platform = platform;
    this.#send = send;
  }

  /** What the server knows already. */
  known(mark: Mark): void {
    this.#told = highest(this.#told, mark);
    this.#wanted = highest(this.#wanted, mark);
  }

  /** Raises the cursors. Lower values change nothing. */
  mark(mark: Partial<Mark>): void {
    const read = mark.read ?? 0;
    this.#wanted = highest(this.#wanted, { delivered: Math.max(mark.delivered ?? 0, read), read });
    this.flush();
  }

  /** Tells what is not told yet, now or when the second is over. */
  flush(): void {
    if (this.#timer !== null || this.#sending || !this.#due()) {
      return;
    }
    const wait = this.#toldAt + INTERVAL_MS - this.#platform.now();
    if (wait <= 0) {
      void this.#tell();
      return;
    }
    this.#timer = this.#platform.setTimer(() => {
      this.#timer = null;
      void this.#tell();
    }, wait);
  }

  close(): void {
    this.#platform.clearTimer(this.#timer);
    this.#timer = null;
  }

  async #tell(): Promise<void> {
    const mark = this.#wanted;
    this.#sending = true;
    this.#toldAt = this.#platform.now();
    try {
      await this.#send(mark);
      this.#told = highest(this.#told, mark);
    } catch {
      // Cursors only grow: the next sync tells them again and nothing is lost meanwhile.
      this.#sending = false;
      return;
    }
    this.#sending = false;
    this.flush();
  }

  #due(): boolean {
    return this.#wanted.delivered > this.#told.delivered || this.#wanted.read > this.#told.read;
  }
}

/** Delivered and read, each the highest message. */
export interface Mark {
  delivered: MessageSeq;
  read: MessageSeq;
}

function highest(a: Mark, b: Mark): Mark {
  return { delivered: Math.max(a.delivered, b.delivered), read: Math.max(a.read, b.read) };
}
