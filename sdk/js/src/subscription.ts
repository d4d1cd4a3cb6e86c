/** What this client wants to receive, told to the server as one complete wish. */

import type { Platform, TimerId } from './platform.js';
import type { SlotDemand, SubscriptionWish, TrackId } from './protocol.gen.js';

/** Wishes of one burst (a page turned, a window resized) are sent together. */
const DEBOUNCE_MS = 50;

/** The wishes of a page, and when they must be told. */
export class Subscriptions {
  readonly #platform: Platform;
  readonly #send: (wishes: SubscriptionWish[], layout: SlotDemand) => Promise<void>;
  readonly #wishes = new Map<TrackId, SubscriptionWish>();
  #layout: SlotDemand;
  /** The server does not know the newest wishes. */
  #dirty = false;
  /** There ever was a wish or a layout; until then the server's defaults are right. */
  #spoken = false;
  #timer: TimerId = null;

  /** `send` rejects when the wishes did not arrive; they are sent again after a resume. */
  constructor(
    platform: Platform,
    layout: SlotDemand,
    send: (wishes: SubscriptionWish[], layout: SlotDemand) => Promise<void>,
  ) {
    this.#platform = platform;
    this.#layout = layout;
    this.#send = send;
  }

  get layout(): SlotDemand {
    return this.#layout;
  }

  /** Wants or does not want one track; `null` returns to the default. */
  wish(track: TrackId, wish: { wanted: boolean; pinned?: boolean } | null): void {
    const before = this.#wishes.get(track);
    if (wish === null) {
      if (before === undefined) {
        return;
      }
      this.#wishes.delete(track);
    } else {
      const pinned = wish.pinned ?? false;
      if (before?.wanted === wish.wanted && before.pinned === pinned) {
        return;
      }
      this.#wishes.set(track, { track, wanted: wish.wanted, pinned });
    }
    this.#touch();
  }

  /** A track is gone: no wish about it needs telling, and none is kept. */
  forget(track: TrackId): void {
    this.#wishes.delete(track);
  }

  setLayout(layout: SlotDemand): void {
    if (layout.audio !== this.#layout.audio || layout.video !== this.#layout.video) {
      this.#layout = layout;
      this.#touch();
    }
  }

  /** Another seat was taken, which knows of no wishes. */
  resend(): void {
    if (this.#spoken) {
      this.#touch();
    }
  }

  /** Tells what could not be told before. */
  flush(): void {
    if (this.#dirty) {
      this.#touch();
    }
  }

  close(): void {
    this.#platform.clearTimer(this.#timer);
    this.#timer = null;
  }

  #touch(): void {
    this.#dirty = true;
    this.#spoken = true;
    this.#timer ??= this.#platform.setTimer(() => {
      this.#timer = null;
      this.#dirty = false;
      this.#send([...this.#wishes.values()], this.#layout).catch(() => {
        this.#dirty = true;
      });
    }, DEBOUNCE_MS);
  }
}
