/** A seat in a room as the server keeps it: taking it, resuming it, and its numbered events. */

import { ConferError } from './errors.js';
import type { Joined, Resumed, RoomEvent, RoomId } from './protocol.gen.js';
import type { Signal } from './signal.js';

/** One event and its place in the numbering. */
export interface Numbered {
  seq: number;
  event: RoomEvent;
}

/** What a seat needs of its room. */
export interface SeatOwner {
  /** Hears every event once and in order. */
  happened(event: RoomEvent): void;
}

/** One participant's place, across sockets. */
export class Seat {
  readonly #signal: Signal;
  readonly #room: RoomId;
  readonly #owner: SeatOwner;
  #held: { epoch: string; ticket: string; seq: number } | null = null;
  /** Events that came before what they build on was applied. */
  #early: Numbered[] | null = [];

  constructor(signal: Signal, room: RoomId, owner: SeatOwner) {
    this.#signal = signal;
    this.#room = room;
    this.#owner = owner;
  }

  /** Whether there is one to resume. */
  get held(): boolean {
    return this.#held !== null;
  }

  /** Asks for a seat at once. Apply the answer, then [`settle`](this.settle). */
  async take(): Promise<Joined> {
    this.#held = null;
    this.#early = [];
    const joined = await this.#signal.request<'join'>({ op: 'join', room: this.#room });
    this.#held = { epoch: joined.epoch, ticket: joined.resume_ticket, seq: joined.seq };
    return joined;
  }

  /** Takes the same seat on another socket. Apply the answer, then [`settle`](this.settle). */
  async resume(): Promise<Resumed> {
    const held = this.#held;
    if (held === null) {
      throw new ConferError('resume_refused', 'There is no seat to resume.');
    }
    this.#early = [];
    const { ticket, epoch, seq } = held;
    const resumed = await this.#signal.request<'resume'>({ op: 'resume', ticket, epoch, seq });
    held.ticket = resumed.resume_ticket;
    if (resumed.snapshot !== null) {
      held.seq = resumed.seq;
    }
    return resumed;
  }

  /** The answer was applied: what came after it may follow. */
  settle(): void {
    const early = this.#early ?? [];
    this.#early = null;
    for (const numbered of early) {
      this.handle(numbered);
    }
  }

  /** Takes one event from the socket. */
  handle(numbered: Numbered): void {
    if (this.#early !== null) {
      this.#early.push(numbered);
      return;
    }
    const held = this.#held;
    if (held === null || numbered.seq <= held.seq) {
      return;
    }
    if (numbered.seq !== held.seq + 1) {
      // A hole: what is missing is replayed to the next socket.
      this.#signal.restart();
      return;
    }
    held.seq = numbered.seq;
    this.#owner.happened(numbered.event);
  }

  /** The seat was given away, or left. */
  drop(): void {
    this.#held = null;
  }
}
