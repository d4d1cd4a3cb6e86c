/** How long to wait: before the next try, and before renewing what is about to end. */

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

/**
 * When something that ends is renewed: within these shares of the time it has left. Not at once, for
 * what is short-lived would be renewed without end; not together, for all pages hear it together.
 */
const RENEWAL_SHARES = { from: 0.25, to: 0.5 };

/** Milliseconds until something that ends in `leftMs` is renewed; `random` is below 1. */
export function renewalDelay(leftMs: number, random: number): number {
  const { from, to } = RENEWAL_SHARES;
  return leftMs * (from + (to - from) * random);
}
