/**
 * Calls and chat with a confer server.
 *
 * Start at [`ConferClient`]. Everything that changes is an [`Emitter`]: listen to its events, or to
 * `change` together with `revision`.
 */

export { Api } from './api.js';
export { Auth, type AuthEvents } from './auth.js';
export { Chat, type ChatEvents } from './chat.js';
export { type ClientEvents, type ClientOptions, ConferClient } from './client.js';
export { ChatConversation } from './conversation.js';
export {
  type CameraChoice,
  type DeviceChoice,
  type DeviceList,
  Devices,
  type DeviceTracks,
} from './devices.js';
export {
  type ClientErrorCode,
  ConferError,
  type ConferErrorCode,
  hasCode,
} from './errors.js';
export { type ChangeEvents, Emitter, type Unsubscribe } from './events.js';
export type { ChatMessage, MessageStatus } from './message-view.js';
export { LocalParticipant, RemoteParticipant } from './participant.js';
export { browserPlatform, type LevelMeter, type Platform, type Socket } from './platform.js';
export type {
  Conversation,
  ConversationId,
  ConversationKind,
  ErrorCode,
  Invite,
  InvitePreview,
  LeaveReason,
  Me,
  MediaKind,
  Member,
  MessageSeq,
  ParticipantId,
  Permissions,
  RoomId,
  RoomInfo,
  RoomSummary,
  SlotDemand,
  TrackId,
  TrackSource,
  TransportState,
  UserId,
  UserInfo,
} from './protocol.gen.js';
export { LocalPublication, RemotePublication } from './publication.js';
export { Room } from './room.js';
export type { EndReason, JoinOptions, RoomEvents, RoomState } from './room-events.js';
export type { PublicationNews, TrackNews } from './roster.js';
export type { ConnectionState } from './signal.js';
export type { ReceivedStats, RoomStats, SentStats, TransportStats } from './stats.js';
