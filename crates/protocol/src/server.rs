//! What the server says on the WebSocket.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::chat::{ConversationEvent, HistoryPage, Receipt, SendReceipt, Synced};
use crate::error::ErrorBody;
use crate::id::{ConversationId, Epoch, Mid, ParticipantId, TrackId, UserId};
use crate::room::{ParticipantInfo, Permissions, RoomSnapshot, SlotMap, TrackInfo, UserInfo};

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ServerFrame {
    /// The socket is authenticated. Always the first frame, once.
    Welcome(Welcome),
    /// The answer to the request with this id.
    Result { re: u32, result: Reply },
    /// The refusal of the request with this id, or of a frame that had none.
    Error { re: Option<u32>, error: ErrorBody },
    /// A change of the room, numbered within the session's epoch, replayed on resume.
    Event {
        #[ts(type = "number")]
        seq: u64,
        event: RoomEvent,
    },
    /// Something that may be lost: it expires alone, or has a cursor of its own.
    Notice { notice: Notice },
}

/// Who the server takes the client for, and how to behave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Welcome {
    pub user: UserInfo,
    /// The version of the server, for bug reports.
    pub server: String,
    /// The client pings at least this often; the server closes after two and a half times as long.
    pub heartbeat_ms: u32,
    pub max_frame_bytes: u32,
}

/// The answer to a request, of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Reply {
    Auth,
    Ping,
    Join(Box<Joined>),
    Resume(Box<Resumed>),
    Leave,
    Offer(Answer),
    Candidate,
    Mute,
    Unpublish,
    Subscribe,
    IceServers { ice_servers: Vec<IceServer> },
    Remove,
    ChatSend(SendReceipt),
    ChatHistory(HistoryPage),
    ChatMark(Receipt),
    ChatSync(Synced),
    ChatTyping,
}

/// A seat was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Joined {
    pub participant: ParticipantId,
    pub permissions: Permissions,
    pub epoch: Epoch,
    /// The number of the last event the snapshot contains.
    #[ts(type = "number")]
    pub seq: u64,
    /// Hand it to [`Request::Resume`](crate::client::Request::Resume) on another socket.
    pub resume_ticket: String,
    /// How long the seat outlives its socket.
    pub grace_ms: u32,
    pub ice_servers: Vec<IceServer>,
    pub snapshot: RoomSnapshot,
}

/// A seat was taken again. Events after the client's `seq` follow, unless a snapshot replaces them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Resumed {
    pub participant: ParticipantId,
    #[ts(type = "number")]
    pub seq: u64,
    /// A ticket is good for one resume; this is the next.
    pub resume_ticket: String,
    pub ice_servers: Vec<IceServer>,
    /// Present when the events in between are no longer kept.
    pub snapshot: Option<RoomSnapshot>,
}

/// Entry of `RTCConfiguration.iceServers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct IceServer {
    pub urls: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub credential: Option<String>,
}

/// The server's session description for one offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Answer {
    pub offer_id: u32,
    pub sdp: String,
    /// The tracks this client publishes now, by m-line.
    pub published: Vec<PublishedMid>,
    /// What its receive slots carry from here on.
    pub slots: SlotMap,
}

/// One sending m-line and the track it became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PublishedMid {
    pub mid: Mid,
    pub track: TrackId,
}

/// A durable change of the room or of the receiver's place in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RoomEvent {
    ParticipantJoined {
        participant: ParticipantInfo,
    },
    ParticipantLeft {
        participant: ParticipantId,
        reason: LeaveReason,
    },
    /// Its socket went or came back, its seat stayed.
    ParticipantAway {
        participant: ParticipantId,
        away: bool,
    },
    TrackPublished {
        track: TrackInfo,
    },
    TrackUnpublished {
        participant: ParticipantId,
        track: TrackId,
    },
    TrackMuted {
        participant: ParticipantId,
        track: TrackId,
        muted: bool,
    },
    SlotsChanged {
        slots: SlotMap,
    },
    /// The receiver's own media transport changed.
    TransportChanged {
        state: TransportState,
    },
    /// The receiver was removed from the room. Its last event.
    Removed {
        reason: LeaveReason,
    },
}

/// Why a participant is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    Left,
    /// The grace period passed without a socket.
    ConnectionLost,
    /// A moderator removed it.
    Removed,
    /// Its right to be here ended.
    Revoked,
    RoomClosed,
}

/// How the media transport of a participant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TransportState {
    Connecting,
    Connected,
    /// Nothing was heard for a while. It may come back on another path.
    Suspect,
    /// It will not come back: offer again with an ICE restart.
    Failed,
}

/// Something that may be lost without harm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Notice {
    /// Who speaks, loudest first. Empty when nobody does.
    Speakers {
        speakers: Vec<ParticipantId>,
    },
    /// Has a cursor of its own, see [`crate::chat`].
    ChatEvent {
        event: ConversationEvent,
    },
    ChatReceipt {
        receipt: Receipt,
    },
    ChatTyping {
        conversation: ConversationId,
        user: UserId,
    },
    /// Send [`Request::Auth`](crate::client::Request::Auth) with a fresh token before then.
    TokenExpiring {
        in_ms: u32,
    },
    /// The server goes away; the socket closes soon. Reconnect after this long.
    Draining {
        retry_after_ms: u32,
    },
}
