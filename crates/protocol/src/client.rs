//! What a client says on the WebSocket.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::chat::{ConversationCursor, HistoryQuery, MessageSeq, NewMessage};
use crate::id::{ConversationId, Epoch, Mid, ParticipantId, RoomId, TrackId};
use crate::room::{SlotDemand, TrackSource};

/// One frame: a request and the number its one answer will carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ClientFrame {
    /// Chosen by the client, unique among its unanswered requests.
    pub id: u32,
    #[serde(flatten)]
    pub request: Request,
}

/// Everything a client can ask. Each gets exactly one [`Reply`](crate::server::Reply) or error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// The access token, when it did not come with the handshake; or a fresh one before expiry.
    Auth {
        token: String,
    },
    Ping,
    /// Takes a seat in a room. Media is negotiated afterwards with [`Request::Offer`].
    Join {
        room: RoomId,
    },
    /// Takes the seat of an earlier socket again.
    Resume {
        ticket: String,
        epoch: Epoch,
        /// The last event that was seen.
        #[ts(type = "number")]
        seq: u64,
    },
    Leave,
    /// The client's session description; the client is the only side that offers.
    Offer {
        /// Grows with every offer of this session.
        offer_id: u32,
        sdp: String,
        /// What the offer's sending m-lines carry. An m-line not named here is a receive slot.
        publish: Vec<PublishIntent>,
    },
    /// A trickled candidate; without one, the end of candidates.
    Candidate {
        candidate: Option<String>,
        mid: Option<Mid>,
    },
    Mute {
        track: TrackId,
        muted: bool,
    },
    Unpublish {
        track: TrackId,
    },
    /// What this client wants to receive. Without wishes everything is wanted, newest last.
    Subscribe {
        /// Tracks that are wanted or not, overriding the default.
        wishes: Vec<SubscriptionWish>,
        /// How many slots of each kind the layout can show at most.
        layout: SlotDemand,
    },
    /// Fresh TURN credentials.
    IceServers,
    /// Removes another participant; needs the right to moderate.
    Remove {
        participant: ParticipantId,
    },
    ChatSend {
        conversation: ConversationId,
        message: NewMessage,
    },
    ChatHistory {
        conversation: ConversationId,
        query: HistoryQuery,
    },
    /// Says how far this user is. Lower values than known ones are no error and change nothing.
    ChatMark {
        conversation: ConversationId,
        delivered: Option<MessageSeq>,
        read: Option<MessageSeq>,
    },
    /// Everything after the cursors, and live events from then on, for all of the user's
    /// conversations. A conversation without a cursor is only announced by its head.
    ChatSync {
        /// The epoch the cursors are of; none on a first sync.
        chat_epoch: Option<Epoch>,
        cursors: Vec<ConversationCursor>,
    },
    ChatTyping {
        conversation: ConversationId,
    },
}

/// A track that an offer's m-line carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PublishIntent {
    pub mid: Mid,
    pub source: TrackSource,
    pub muted: bool,
}

/// Whether one track is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct SubscriptionWish {
    pub track: TrackId,
    pub wanted: bool,
    /// Keeps its slot whoever else speaks.
    #[serde(default)]
    pub pinned: bool,
}
