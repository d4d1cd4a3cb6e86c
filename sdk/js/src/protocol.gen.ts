// Generated from crates/protocol by `make gen`. Do not edit.

export const SUBPROTOCOL = "confer.v1" as const;

export const BEARER_SUBPROTOCOL_PREFIX = "confer.bearer." as const;

export const API_PREFIX = "/v1" as const;

export const TRACK_SOURCES = [
  "microphone",
  "camera",
  "screen",
  "screen_audio",
] as const;

export const ERROR_CODES = [
  "malformed",
  "invalid",
  "too_large",
  "unauthenticated",
  "token_expired",
  "revoked",
  "forbidden",
  "not_found",
  "conflict",
  "rate_limited",
  "not_joined",
  "already_joined",
  "room_full",
  "publish_not_granted",
  "too_many_tracks",
  "bad_offer",
  "no_common_codec",
  "stale_offer",
  "resume_refused",
  "reset_required",
  "unavailable",
  "draining",
  "internal",
] as const;

export const CLOSE_CODES = {
  Normal: 1000,
  TooLarge: 1009,
  TryAgainLater: 1013,
  Drained: 4000,
  TooSlow: 4001,
  HeartbeatMissed: 4002,
  RateLimited: 4029,
  Malformed: 4400,
  TokenExpired: 4401,
  Refused: 4403,
  AuthTimeout: 4408,
  Replaced: 4409,
  Unsupported: 4426,
} as const;

/** Close codes after which a client opens another socket. */
export const RECONNECT_CLOSE_CODES: readonly number[] = [1013, 4000, 4001, 4002, 4029, 4401, 4408];

/**
 * The server's session description for one offer.
 */
export type Answer = {
  offer_id: number,
  sdp: string,
  /**
   * The tracks this client publishes now, by m-line.
   */
  published: Array<PublishedMid>,
  /**
   * What its receive slots carry from here on.
   */
  slots: SlotMap,
};

/**
 * All events of one conversation after a cursor, or the word that the client must reload it.
 */
export type CatchUp = {
  conversation: ConversationId,
  /**
   * Discard what is known of this conversation and load it again.
   */
  reset: boolean,
  events: Array<ConversationEvent>,
  /**
   * More events follow; ask again from the last of these.
   */
  more: boolean,
  /**
   * Every member's receipts, which have no place in the event order.
   */
  receipts: Array<Receipt>,
};

/**
 * What changed. Clients pass over kinds they do not know, so that their cursor still moves.
 */
export type Change =
  | { "kind": "message_sent", message: Message, }
  | { "kind": "member_added", user: UserInfo, }
  | { "kind": "member_removed", user: UserId, };

/**
 * One frame: a request and the number its one answer will carry.
 */
export type ClientFrame = {
  /**
   * Chosen by the client, unique among its unanswered requests.
   */
  id: number,
} & (Request);

/**
 * Chosen by the client before sending; a retry with the same one is the same message for ever.
 */
export type ClientMessageId = string;

/**
 * A conversation as one of its members sees it.
 */
export type Conversation = {
  id: ConversationId,
  kind: ConversationKind,
  /**
   * The room's name, or the other person's.
   */
  title: string,
  members: Array<Member>,
  last_seq: MessageSeq,
  last_event: EventSeq,
  last_message: Message | null,
  /**
   * Messages of others after the reader's own read cursor.
   */
  unread: number,
};

/**
 * How far a client has come in one conversation.
 */
export type ConversationCursor = { conversation: ConversationId, event_seq: EventSeq, };

/**
 * One durable change of a conversation.
 */
export type ConversationEvent = { conversation: ConversationId, event_seq: EventSeq, } & (Change);

/**
 * Place people write.
 */
export type ConversationId = string;

/**
 * What kind of place a conversation is.
 */
export type ConversationKind = "direct" | "room";

/**
 * `GET /v1/conversations`
 */
export type ConversationList = { conversations: Array<Conversation>, };

/**
 * `POST /v1/rooms/{room}/invites`
 */
export type CreateInviteRequest = {
  /**
   * Seconds until the link stops working. Default: a week.
   */
  expires_in: number | null,
  /**
   * How many people may use it. Default: no limit.
   */
  max_uses: number | null,
};

/**
 * `POST /v1/rooms`
 */
export type CreateRoomRequest = {
  /**
   * 1 to 80 characters.
   */
  name: string,
};

/**
 * One signaling session: a numbering of events that a resume continues.
 */
export type Epoch = string;

/**
 * One refusal, the same object on the WebSocket and inside a problem+json body.
 */
export type ErrorBody = {
  code: ErrorCode,
  /**
   * For a person: what is wrong and what to do next.
   */
  message: string,
  /**
   * Offending field to what is wrong with it.
   */
  fields?: { [key in string]: string },
  retry_after_ms?: number,
};

/**
 * Why a request was refused. Changing or removing one breaks clients; adding one does not.
 */
export type ErrorCode =
  | "malformed"
  | "invalid"
  | "too_large"
  | "unauthenticated"
  | "token_expired"
  | "revoked"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "rate_limited"
  | "not_joined"
  | "already_joined"
  | "room_full"
  | "publish_not_granted"
  | "too_many_tracks"
  | "bad_offer"
  | "no_common_codec"
  | "stale_offer"
  | "resume_refused"
  | "reset_required"
  | "unavailable"
  | "draining"
  | "internal";

/**
 * `GET /v1/conversations/{conversation}/events?after=`
 */
export type EventPage = { events: Array<ConversationEvent>, more: boolean, };

/**
 * Position of a durable change in its conversation: 1, 2, 3 … without a hole.
 */
export type EventSeq = number;

/**
 * `POST /v1/auth/guest`
 */
export type GuestRequest = { invite: string, name: string, };

/**
 * A page of messages in ascending order.
 */
export type HistoryPage = {
  messages: Array<Message>,
  /**
   * There are more in the direction that was asked for.
   */
  more: boolean,
};

/**
 * Which part of a history is asked for. At most one bound is given; none means the newest.
 */
export type HistoryQuery = { before?: MessageSeq, after?: MessageSeq, limit?: number, };

/**
 * Entry of `RTCConfiguration.iceServers`.
 */
export type IceServer = { urls: Array<string>, username?: string, credential?: string, };

/**
 * An invite link's secret part. Shown once; only its hash is stored.
 */
export type Invite = {
  room: RoomId,
  /**
   * 128 random bits, base64url.
   */
  code: string,
  expires_at: Timestamp,
};

/**
 * `GET /v1/invites/{code}`: what the person behind a link may know before joining.
 */
export type InvitePreview = { room: RoomInfo, invited_by: string, };

/**
 * A seat was taken.
 */
export type Joined = {
  participant: ParticipantId,
  permissions: Permissions,
  epoch: Epoch,
  /**
   * The number of the last event the snapshot contains.
   */
  seq: number,
  /**
   * Hand it to [`Request::Resume`](crate::client::Request::Resume) on another socket.
   */
  resume_ticket: string,
  /**
   * How long the seat outlives its socket.
   */
  grace_ms: number,
  ice_servers: Array<IceServer>,
  snapshot: RoomSnapshot,
};

/**
 * Why a participant is gone.
 */
export type LeaveReason = "left" | "connection_lost" | "removed" | "revoked" | "room_closed";

/**
 * `POST /v1/auth/login`
 */
export type LoginRequest = { email: string, password: string, };

/**
 * `PUT /v1/conversations/{conversation}/receipt`
 */
export type MarkRequest = { delivered: MessageSeq | null, read: MessageSeq | null, };

/**
 * `GET /v1/me`
 */
export type Me = { user: UserInfo, email: string | null, };

/**
 * Audio or video.
 */
export type MediaKind = "audio" | "video";

/**
 * One member of a conversation and how far they are.
 */
export type Member = { user: UserInfo, delivered: MessageSeq, read: MessageSeq, };

/**
 * One message, or the tombstone of one.
 */
export type Message = {
  id: MessageId,
  conversation: ConversationId,
  seq: MessageSeq,
  client_id: ClientMessageId,
  sender: UserInfo,
  body: string,
  reply_to?: MessageSeq,
  created_at: Timestamp,
};

/**
 * One message, as the server names it. Clients name it with a [`ClientMessageId`] first.
 */
export type MessageId = string;

/**
 * Position of a message in its conversation: 1, 2, 3 … without a hole.
 */
export type MessageSeq = number;

/**
 * The `mid` of an m-line, chosen by the client (RFC 8843, section 9.1).
 */
export type Mid = string;

/**
 * A message to be sent. The client id makes retries harmless, without a time limit.
 */
export type NewMessage = { client_id: ClientMessageId, body: string, reply_to?: MessageSeq, };

/**
 * Something that may be lost without harm.
 */
export type Notice =
  | { "kind": "speakers", speakers: Array<ParticipantId>, }
  | { "kind": "chat_event", event: ConversationEvent, }
  | { "kind": "chat_receipt", receipt: Receipt, }
  | { "kind": "chat_typing", conversation: ConversationId, user: UserId, }
  | { "kind": "token_expiring", in_ms: number, }
  | { "kind": "draining", retry_after_ms: number, };

/**
 * `POST /v1/conversations`: the direct conversation with somebody, made if there is none.
 */
export type OpenDirectRequest = {
  /**
   * The other account's email address.
   */
  email: string,
};

/**
 * One device of one user in one room, from join to leave, across sockets.
 */
export type ParticipantId = string;

/**
 * One participant as others see it.
 */
export type ParticipantInfo = {
  id: ParticipantId,
  user: UserInfo,
  /**
   * Its socket is gone and it may come back; its seat and its media are kept meanwhile.
   */
  away: boolean,
  tracks: Array<TrackInfo>,
};

/**
 * What a participant may do in its room, derived from its token.
 */
export type Permissions = {
  publish: Array<TrackSource>,
  subscribe: boolean,
  chat_read: boolean,
  chat_write: boolean,
  /**
   * May remove participants, mute their tracks and invite.
   */
  moderate: boolean,
};

/**
 * An error body: RFC 9457 problem details with confer's stable code.
 */
export type Problem = {
  /**
   * A page about this code, relative to the server.
   */
  type: string,
  title: string,
  status: number,
  /**
   * Quote it in a bug report; the log line of the request carries it.
   */
  request_id: string,
  code: ErrorCode,
  /**
   * For a person: what is wrong and what to do next.
   */
  message: string,
  /**
   * Offending field to what is wrong with it.
   */
  fields?: { [key in string]: string },
  retry_after_ms?: number,
};

/**
 * A track that an offer's m-line carries.
 */
export type PublishIntent = { mid: Mid, source: TrackSource, muted: boolean, };

/**
 * One sending m-line and the track it became.
 */
export type PublishedMid = { mid: Mid, track: TrackId, };

/**
 * How far a member is. Only ever grows, and `read` never passes `delivered`.
 */
export type Receipt = { conversation: ConversationId, user: UserId, delivered: MessageSeq, read: MessageSeq, };

/**
 * `POST /v1/auth/register`
 */
export type RegisterRequest = {
  email: string,
  /**
   * 10 to 256 characters.
   */
  password: string,
  /**
   * What others see, 1 to 64 characters.
   */
  name: string,
};

/**
 * The answer to a request, of the same name.
 */
export type Reply =
  | { "op": "auth" }
  | { "op": "ping" }
  | { "op": "join" } & Joined
  | { "op": "resume" } & Resumed
  | { "op": "leave" }
  | { "op": "offer" } & Answer
  | { "op": "candidate" }
  | { "op": "mute" }
  | { "op": "unpublish" }
  | { "op": "subscribe" }
  | { "op": "ice_servers", ice_servers: Array<IceServer>, }
  | { "op": "remove" }
  | { "op": "chat_send" } & SendReceipt
  | { "op": "chat_history" } & HistoryPage
  | { "op": "chat_mark" } & Receipt
  | { "op": "chat_sync" } & Synced
  | { "op": "chat_typing" };

/**
 * Everything a client can ask. Each gets exactly one [`Reply`](crate::server::Reply) or error.
 */
export type Request =
  | { "op": "auth", token: string, }
  | { "op": "ping" }
  | { "op": "join", room: RoomId, }
  | {
    "op": "resume",
    ticket: string,
    epoch: Epoch,
    /**
     * The last event that was seen.
     */
    seq: number,
  }
  | { "op": "leave" }
  | {
    "op": "offer",
    /**
     * Grows with every offer of this session.
     */
    offer_id: number,
    sdp: string,
    /**
     * What the offer's sending m-lines carry. An m-line not named here is a receive slot.
     */
    publish: Array<PublishIntent>,
  }
  | { "op": "candidate", candidate: string | null, mid: Mid | null, }
  | { "op": "mute", track: TrackId, muted: boolean, }
  | { "op": "unpublish", track: TrackId, }
  | {
    "op": "subscribe",
    /**
     * Tracks that are wanted or not, overriding the default.
     */
    wishes: Array<SubscriptionWish>,
    /**
     * How many slots of each kind the layout can show at most.
     */
    layout: SlotDemand,
  }
  | { "op": "ice_servers" }
  | { "op": "remove", participant: ParticipantId, }
  | { "op": "chat_send", conversation: ConversationId, message: NewMessage, }
  | { "op": "chat_history", conversation: ConversationId, query: HistoryQuery, }
  | {
    "op": "chat_mark",
    conversation: ConversationId,
    delivered: MessageSeq | null,
    read: MessageSeq | null,
  }
  | {
    "op": "chat_sync",
    /**
     * The epoch the cursors are of; none on a first sync.
     */
    chat_epoch: Epoch | null,
    cursors: Array<ConversationCursor>,
  }
  | { "op": "chat_typing", conversation: ConversationId, };

/**
 * A seat was taken again. Events after the client's `seq` follow, unless a snapshot replaces them.
 */
export type Resumed = {
  participant: ParticipantId,
  seq: number,
  /**
   * A ticket is good for one resume; this is the next.
   */
  resume_ticket: string,
  ice_servers: Array<IceServer>,
  /**
   * Present when the events in between are no longer kept.
   */
  snapshot: RoomSnapshot | null,
};

/**
 * A durable change of the room or of the receiver's place in it.
 */
export type RoomEvent =
  | { "kind": "participant_joined", participant: ParticipantInfo, }
  | { "kind": "participant_left", participant: ParticipantId, reason: LeaveReason, }
  | { "kind": "participant_away", participant: ParticipantId, away: boolean, }
  | { "kind": "track_published", track: TrackInfo, }
  | { "kind": "track_unpublished", participant: ParticipantId, track: TrackId, }
  | { "kind": "track_muted", participant: ParticipantId, track: TrackId, muted: boolean, }
  | { "kind": "slots_changed", slots: SlotMap, }
  | { "kind": "transport_changed", state: TransportState, }
  | { "kind": "removed", reason: LeaveReason, };

/**
 * Place people meet. Its conversation carries the same UUID, see [`RoomId::conversation`].
 */
export type RoomId = string;

/**
 * A room as its members see it.
 */
export type RoomInfo = { id: RoomId, name: string, };

/**
 * `GET /v1/rooms`
 */
export type RoomList = { rooms: Array<RoomSummary>, };

/**
 * Everything a client needs to show a room, at one moment of its event numbering.
 */
export type RoomSnapshot = {
  room: RoomInfo,
  /**
   * In the order they joined; the reader itself is among them.
   */
  participants: Array<ParticipantInfo>,
  slots: SlotMap,
};

/**
 * A room in somebody's list.
 */
export type RoomSummary = {
  room: RoomInfo,
  owner: UserId,
  /**
   * How many are in the call now.
   */
  in_call: number,
  unread: number,
  last_message_at: Timestamp | null,
  created_at: Timestamp,
};

/**
 * What the server promises once it has answered: this message is durable and keeps this number.
 */
export type SendReceipt = {
  id: MessageId,
  seq: MessageSeq,
  event_seq: EventSeq,
  created_at: Timestamp,
  /**
   * The message was there already: this is an answer to a retry.
   */
  duplicate: boolean,
};

/**
 * One frame.
 */
export type ServerFrame =
  | { "type": "welcome" } & Welcome
  | { "type": "result", re: number, result: Reply, }
  | { "type": "error", re: number | null, error: ErrorBody, }
  | { "type": "event", seq: number, event: RoomEvent, }
  | { "type": "notice", notice: Notice, };

/**
 * One receive slot and what it carries now.
 */
export type SlotAssignment = { mid: Mid, track: TrackId | null, };

/**
 * Receive slots by kind.
 */
export type SlotDemand = { audio: number, video: number, };

/**
 * Which track each pre-negotiated receive m-line carries. A later version replaces an earlier one.
 */
export type SlotMap = {
  version: number,
  slots: Array<SlotAssignment>,
  /**
   * How many slots of each kind the client could use now, so that it can grow its pool.
   */
  wanted: SlotDemand,
};

/**
 * Whether one track is wanted.
 */
export type SubscriptionWish = {
  track: TrackId,
  wanted: boolean,
  /**
   * Keeps its slot whoever else speaks.
   */
  pinned: boolean,
};

/**
 * Answer to a sync: live events of these conversations follow from here on.
 */
export type Synced = {
  /**
   * Changes when stored numbers may have been reused, after restoring a backup.
   */
  chat_epoch: Epoch,
  conversations: Array<CatchUp>,
};

/**
 * A moment in UTC, RFC 3339 on the wire. For display: order is a sequence number's business.
 */
export type Timestamp = string;

/**
 * An access token. The refresh token comes beside it, in an HttpOnly cookie.
 */
export type TokenResponse = {
  access_token: string,
  /**
   * Seconds until the access token expires.
   */
  expires_in: number,
  user: UserInfo,
  /**
   * The room a guest was invited to.
   */
  room?: RoomInfo,
};

/**
 * One track a participant publishes.
 */
export type TrackId = string;

/**
 * One published track as others see it.
 */
export type TrackInfo = {
  id: TrackId,
  participant: ParticipantId,
  kind: MediaKind,
  source: TrackSource,
  muted: boolean,
};

/**
 * Where a track comes from. A token grants publishing by source.
 */
export type TrackSource = "microphone" | "camera" | "screen" | "screen_audio";

/**
 * How the media transport of a participant does.
 */
export type TransportState = "connecting" | "connected" | "suspect" | "failed";

/**
 * Somebody with an identity: an account, a guest, or a subject an API key vouches for.
 */
export type UserId = string;

/**
 * What others see of somebody.
 */
export type UserInfo = { id: UserId, name: string, guest: boolean, };

/**
 * Who the server takes the client for, and how to behave.
 */
export type Welcome = {
  user: UserInfo,
  /**
   * The version of the server, for bug reports.
   */
  server: string,
  /**
   * The client pings at least this often; the server closes after two and a half times as long.
   */
  heartbeat_ms: number,
  max_frame_bytes: number,
};
