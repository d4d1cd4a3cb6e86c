//! Messages, events and receipts: the same objects over REST and over the WebSocket.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

use crate::Timestamp;
use crate::id::{ClientMessageId, ConversationId, Epoch, MessageId, UserId};
use crate::room::UserInfo;

macro_rules! sequence {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
        #[serde(transparent)]
        #[ts(type = "number")]
        pub struct $name(pub u64);
    )*};
}

sequence! {
    /// Position of a message in its conversation: 1, 2, 3 … without a hole.
    MessageSeq;
    /// Position of a durable change in its conversation: 1, 2, 3 … without a hole.
    EventSeq;
}

/// What kind of place a conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConversationKind {
    /// Between two accounts; there is one per pair.
    Direct,
    /// The conversation of a room.
    Room,
}

/// A conversation as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Conversation {
    pub id: ConversationId,
    pub kind: ConversationKind,
    /// The room's name, or the other person's.
    pub title: String,
    pub members: Vec<Member>,
    pub last_seq: MessageSeq,
    pub last_event: EventSeq,
    pub last_message: Option<Message>,
    /// Messages of others after the reader's own read cursor.
    #[ts(type = "number")]
    pub unread: u64,
}

/// One member of a conversation and how far they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Member {
    pub user: UserInfo,
    pub delivered: MessageSeq,
    pub read: MessageSeq,
}

/// One message, or the tombstone of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Message {
    pub id: MessageId,
    pub conversation: ConversationId,
    pub seq: MessageSeq,
    pub client_id: ClientMessageId,
    pub sender: UserInfo,
    pub body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reply_to: Option<MessageSeq>,
    pub created_at: Timestamp,
}

/// What the server promises once it has answered: this message is durable and keeps this number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct SendReceipt {
    pub id: MessageId,
    pub seq: MessageSeq,
    pub event_seq: EventSeq,
    pub created_at: Timestamp,
    /// The message was there already: this is an answer to a retry.
    pub duplicate: bool,
}

/// A message to be sent. The client id makes retries harmless, without a time limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct NewMessage {
    pub client_id: ClientMessageId,
    pub body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub reply_to: Option<MessageSeq>,
}

/// One durable change of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ConversationEvent {
    pub conversation: ConversationId,
    pub event_seq: EventSeq,
    #[serde(flatten)]
    pub change: Change,
}

/// What changed. Clients pass over kinds they do not know, so that their cursor still moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    MessageSent { message: Message },
    MemberAdded { user: UserInfo },
    MemberRemoved { user: UserId },
}

/// How far a member is. Only ever grows, and `read` never passes `delivered`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Receipt {
    pub conversation: ConversationId,
    pub user: UserId,
    pub delivered: MessageSeq,
    pub read: MessageSeq,
}

/// How far a client has come in one conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct ConversationCursor {
    pub conversation: ConversationId,
    pub event_seq: EventSeq,
}

/// All events of one conversation after a cursor, or the word that the client must reload it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct CatchUp {
    pub conversation: ConversationId,
    /// Discard what is known of this conversation and load it again.
    pub reset: bool,
    pub events: Vec<ConversationEvent>,
    /// More events follow; ask again from the last of these.
    pub more: bool,
    /// Every member's receipts, which have no place in the event order.
    pub receipts: Vec<Receipt>,
}

/// Answer to a sync: live events of these conversations follow from here on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct Synced {
    /// Changes when stored numbers may have been reused, after restoring a backup.
    pub chat_epoch: Epoch,
    pub conversations: Vec<CatchUp>,
}

/// Which part of a history is asked for. At most one bound is given; none means the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct HistoryQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub before: Option<MessageSeq>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub after: Option<MessageSeq>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[ts(optional)]
    pub limit: Option<u16>,
}

/// A page of messages in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS, ToSchema)]
pub struct HistoryPage {
    pub messages: Vec<Message>,
    /// There are more in the direction that was asked for.
    pub more: bool,
}
