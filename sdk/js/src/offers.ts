/**
 * Which offer is out, and whether another must follow. Nothing else.
 *
 * At most one exchange runs. Whatever asks for another meanwhile sets one flag, so that wishes never
 * stack up. An exchange that takes too long is given up: its late answer finds that it is no longer
 * current and is dropped.
 */

import type { Platform, TimerId } from './platform.js';

/** Wishes of one burst (a camera and a microphone published together) share one offer. */
const DEBOUNCE_MS = 10;
/** An answer that takes longer counts as lost. */
const WATCHDOG_MS = 5_000;

/** How one exchange begins. */
export interface Exchange {
  iceRestart: boolean;
  /** False once this exchange was given up; its results must not be applied. */
  current(): boolean;
}

/** Runs exchanges one after the other. */
export class OfferQueue {
  readonly #platform: Platform;
  readonly #run: (exchange: Exchange) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #generation = 0;
  #running = false;
  #again = false;
  #iceRestart = false;
  #closed = false;
  #debounce: TimerId = null;
  #watchdog: TimerId = null;

  /** `run` makes an offer and applies its answer; `failed` hears why one did not work. */
  constructor(
    platform: Platform,
    run: (exchange: Exchange) => Promise<void>,
    failed: (error: unknown) => void,
  ) {
    this.#platform = platform;
    this.#run = run;
    this.#failed = failed;
  }

  /** Asks for an offer soon. */
  request(options: { iceRestart?: boolean; afterMs?: number } = {}): void {
    this.#iceRestart ||= options.iceRestart ?? false;
    if (this.#closed) {
      return;
    }
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#platform.clearTimer(this.#debounce);
    this.#debounce = this.#platform.setTimer(() => this.start(), options.afterMs ?? DEBOUNCE_MS);
  }

  /** Begins at once, unless an exchange runs: then it is repeated. */
  start(): void {
    if (this.#closed) {
      return;
    }
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#platform.clearTimer(this.#debounce);
    this.#debounce = null;
    this.#running = true;
    this.#again = false;
    this.#generation += 1;
    const generation = this.#generation;
    const current = () => generation === this.#generation && !this.#closed;
    const iceRestart = this.#iceRestart;
    this.#iceRestart = false;
    this.#watchdog = this.#platform.setTimer(() => {
      if (current()) {
        this.#iceRestart ||= iceRestart;
        this.#again = true;
        this.#finish();
      }
    }, WATCHDOG_MS);
    this.#run({ iceRestart, current }).then(
      () => {
        if (current()) {
          this.#finish();
        }
      },
      (error: unknown) => {
        if (current()) {
          // What this exchange wanted is still wanted.
          this.#iceRestart ||= iceRestart;
          this.#finish();
          this.#failed(error);
        }
      },
    );
  }

  close(): void {
    this.#closed = true;
    this.#platform.clearTimer(this.#debounce);
    this.#platform.clearTimer(this.#watchdog);
  }

  #finish(): void {
    this.#platform.clearTimer(this.#watchdog);
    this.#generation += 1;
    this.#running = false;
    if (this.#again) {
      this.request();
    }
  }
}
