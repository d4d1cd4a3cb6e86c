/** The words of a call: its states, its events, how to enter it. */

import type { ConferError } from './errors.js';
import type { ChangeEvents } from './events.js';
import type { LeaveReason, ParticipantId, SlotDemand, TransportState } from './protocol.gen.js';
import type { LocalPublication } from './publication.js';
import type { RosterEvents } from './roster.js';

/** How the seat does. */
export type RoomState = 'joining' | 'joined' | 'reconnecting' | 'left';

/** Why a call ended: the server's reason, or that the connection was closed for good. */
export type EndReason = LeaveReason | 'closed';

/** What a room tells. */
export interface RoomEvents extends RosterEvents, ChangeEvents {
  /** The server took a local track. */
  localPublished: LocalPublication;
  localUnpublished: LocalPublication;
  /** Who speaks, loudest first. */
  speakers: ParticipantId[];
  /** The socket is gone; media goes on meanwhile. */
  reconnecting: undefined;
  reconnected: undefined;
  /** How the media path does, as the server sees it. */
  transport: TransportState;
  /** The call is over. The last event. */
  left: { reason: EndReason; error?: ConferError };
  /** Something did not work that nobody waits for. */
  error: ConferError;
}

/** How to join. */
export interface JoinOptions {
  /** Published from the first offer on. */
  audio?: MediaStreamTrack | undefined;
  video?: MediaStreamTrack | undefined;
  /** Join with these switched off. */
  audioMuted?: boolean | undefined;
  videoMuted?: boolean | undefined;
  /** Receive slots of the first offer. Default: 4 audio, 8 video. */
  receive?: Partial<SlotDemand> | undefined;
  /** `relay` sends media through a TURN relay only, so that nobody learns this network's addresses. */
  iceTransportPolicy?: RTCIceTransportPolicy | undefined;
}
