/** How long to wait before the next try: growing, capped, and spread by chance. */

/** First wait at most. */
const BASE_MS = 250;
/** No wait is longer: a person looks at the page meanwhile. */
const CAP_MS = 8_000;
/**
 * The spread: a wait lies between this share of its bound and the bound, so that clients of a
 * restarted server do not come back in one wave, yet none comes back at once.
 */
const FLOOR = 0.5;

/** Counts failures in a row. */
export class Backoff {
  readonly #random: () => number;
  #failures = 0;

  constructor(random: () => number) {
    this.#random = random;
  }

  /** Milliseconds to wait after one more failure, not less than what the server asked for. */
  next(atLeastMs = 0): number {
    const bound = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(this.#failures, 16));
    this.#failures += 1;
    const wait = bound * (FLOOR + (1 - FLOOR) * this.#random());
    return atLeastMs > 0 ? atLeastMs + wait : wait;
  }

  /** It worked: the next failure is a first one again. */
  reset(): void {
    this.#failures = 0;
  }
}
