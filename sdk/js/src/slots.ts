/**
 * Receive slots: which track each pre-negotiated m-line carries now.
 *
 * The server maps tracks onto slots by m-line id and says so in answers and events. Stream ids and
 * SSRCs say nothing here: the server rewrites them.
 */

import type { MediaKind, Mid, SlotDemand, SlotMap, TrackId } from './protocol.gen.js';

/** The newest slot map, whichever way it came. */
export class SlotTable {
  #version = -1;
  #midByTrack = new Map<TrackId, Mid>();
  #wanted: SlotDemand = { audio: 0, video: 0 };

  /** Takes a map unless a later one was taken already; says whether it did. */
  apply(map: SlotMap): boolean {
    if (map.version < this.#version) {
      return false;
    }
    this.#version = map.version;
    this.#wanted = map.wanted;
    this.#midByTrack = new Map();
    for (const slot of map.slots) {
      if (slot.track !== null) {
        this.#midByTrack.set(slot.track, slot.mid);
      }
    }
    return true;
  }

  /** The m-line that carries `track` now. */
  midOf(track: TrackId): Mid | undefined {
    return this.#midByTrack.get(track);
  }

  /** How many slots of each kind would be of use. */
  get wanted(): SlotDemand {
    return this.#wanted;
  }
}

/** Slots are added so many at a time: growing one by one would renegotiate with each joiner. */
export const SLOT_GROWTH = 4;

/** How many slots of a kind to add, given what there is, what is wanted and what can be shown. */
export function growth(have: number, wanted: number, limit: number): number {
  if (wanted <= have || have >= limit) {
    return 0;
  }
  const steps = Math.ceil((wanted - have) / SLOT_GROWTH);
  return Math.min(limit - have, steps * SLOT_GROWTH);
}

/** The m-line ids of a description, in order. */
export function midsOf(sdp: string): Mid[] {
  return sdp
    .split(/\r?\nm=/)
    .slice(1)
    .map((section) => /\na=mid:(\S+)/.exec(section)?.[1] ?? '');
}

/** Both kinds, for loops. */
export const MEDIA_KINDS: readonly MediaKind[] = ['audio', 'video'];
