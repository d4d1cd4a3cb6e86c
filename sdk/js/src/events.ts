/**
 * The one emitter everything here is built on: typed, synchronous, and safe against listeners that
 * throw or that unsubscribe while they are called.
 */

/** Calls stop once this is called. Calling it again changes nothing. */
export type Unsubscribe = () => void;

/** What every emitter has: a word that something about it is different now. */
export interface ChangeEvents {
  change: undefined;
}

/** Emits the events of `Events`, a map from name to payload. */
export class Emitter<Events extends ChangeEvents> {
  readonly #listeners = new Map<keyof Events, Set<(payload: never) => void>>();
  #revision = 0;

  /**
   * Grows with every change. Together with `on('change', …)` it is what
   * `useSyncExternalStore` asks for.
   */
  get revision(): number {
    return this.#revision;
  }

  /** Calls `listener` for every later event of this name. */
  on<Name extends keyof Events>(
    name: Name,
    listener: (payload: Events[Name]) => void,
  ): Unsubscribe {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    // The same function may listen twice; each subscription is its own entry.
    const entry = (payload: Events[Name]) => listener(payload);
    listeners.add(entry as (payload: never) => void);
    return () => listeners.delete(entry as (payload: never) => void);
  }

  /** Emits one event and nothing else. */
  protected emit<Name extends keyof Events>(name: Name, payload: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as (payload: Events[Name]) => void)(payload);
      } catch (error) {
        // A listener's bug is its page's, and must not stop the others or the protocol.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Says that something is different now. */
  protected changed(): void {
    this.#revision += 1;
    this.emit('change', undefined as Events['change']);
  }
}
