/** Time that moves only when a test says so. */

import type { TimerId } from '../../src/platform.js';

interface Timer {
  at: number;
  order: number;
  callback: () => void;
}

/** Lets everything that is already decided happen: promises, never timers. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) {
    await Promise.resolve();
  }
}

export class FakeClock {
  now = 1_000;
  readonly #timers = new Set<Timer>();
  #order = 0;

  set(callback: () => void, delayMs: number): TimerId {
    this.#order += 1;
    const timer = { at: this.now + Math.max(0, delayMs), order: this.#order, callback };
    this.#timers.add(timer);
    return timer;
  }

  clear(timer: TimerId): void {
    this.#timers.delete(timer as Timer);
  }

  /** How many timers are set. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time, firing what is due in order. */
  async advance(byMs: number): Promise<void> {
    const end = this.now + byMs;
    await settle();
    for (;;) {
      const due = [...this.#timers]
        .filter((timer) => timer.at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) {
        break;
      }
      this.#timers.delete(due);
      this.now = Math.max(this.now, due.at);
      due.callback();
      await settle();
    }
    this.now = end;
    await settle();
  }
}
