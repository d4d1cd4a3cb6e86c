//! What signaling needs of other parts. `server/src/assemble.rs` connects them.

use std::pin::Pin;
use std::time::Duration;

use confer_auth::Identity;
use confer_protocol::chat::{
    ConversationCursor, HistoryPage, HistoryQuery, MessageSeq, NewMessage, Receipt, SendReceipt,
    Synced,
};
use confer_protocol::error::ErrorBody;
use confer_protocol::id::{ConversationId, Epoch, RoomId};
use confer_protocol::media::MediaCommand;
use confer_protocol::room::{Permissions, RoomInfo};
use confer_protocol::server::{IceServer, Notice};
use uuid::Uuid;

/// What an asynchronous port returns.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The media plane. Its events come back through the channel `assemble` hands to signaling.
pub trait MediaPlane: Send + Sync {
    /// Queues a command for the room's home shard.
    ///
    /// # Errors
    /// `Unavailable` when the shard's queue is full or the shard is gone.
    fn send(&self, command: MediaCommand) -> Result<(), ErrorBody>;

    /// Takes away what else carries the media of a login (`Identity::family`) that was removed from
    /// a room: its relays. Nothing where there are none.
    fn cut(&self, _login: uuid::Uuid) {}
}

/// Who somebody is and which rooms they may enter.
pub trait Directory: Send + Sync {
    /// Checks an access token and that its subject was not revoked.
    fn authenticate<'a>(&'a self, token: &'a str) -> PortFuture<'a, Result<Identity, ErrorBody>>;

    /// How long this identity's token is still good for, by the wall clock. Zero once it expired.
    fn remaining(&self, identity: &Identity) -> Duration;

    /// Asks whether `identity` may enter `room`, and makes it a member if its grants say so.
    fn admit<'a>(
        &'a self,
        identity: &'a Identity,
        room: RoomId,
    ) -> PortFuture<'a, Result<Admission, ErrorBody>>;

    /// STUN and TURN servers with credentials for somebody who has joined.
    fn ice_servers(&self, identity: &Identity) -> Vec<IceServer>;
}

/// The right to be in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    pub room: RoomInfo,
    pub permissions: Permissions,
}

/// Messages, receipts and history. Every call checks membership again.
pub trait ChatPlane: Send + Sync {
    fn send<'a>(
        &'a self,
        identity: &'a Identity,
        conversation: ConversationId,
        message: NewMessage,
    ) -> PortFuture<'a, Result<SendReceipt, ErrorBody>>;

    fn history<'a>(
        &'a self,
        identity: &'a Identity,
        conversation: ConversationId,
        query: HistoryQuery,
    ) -> PortFuture<'a, Result<HistoryPage, ErrorBody>>;

    fn mark<'a>(
        &'a self,
        identity: &'a Identity,
        conversation: ConversationId,
        delivered: Option<MessageSeq>,
        read: Option<MessageSeq>,
    ) -> PortFuture<'a, Result<Receipt, ErrorBody>>;

    fn typing<'a>(
        &'a self,
        identity: &'a Identity,
        conversation: ConversationId,
    ) -> PortFuture<'a, Result<(), ErrorBody>>;

    /// Registers for live notices first, then reads what the cursors lack, so that nothing falls
    /// between; the feed continues where the answer ends.
    fn sync<'a>(
        &'a self,
        identity: &'a Identity,
        chat_epoch: Option<Epoch>,
        cursors: Vec<ConversationCursor>,
    ) -> PortFuture<'a, Result<SyncedFeed, ErrorBody>>;
}

/// The answer to a sync, and what follows it.
pub type SyncedFeed = (Synced, Box<dyn ChatFeed>);

/// Live chat notices of one user, in order per conversation. Dropping it unsubscribes.
pub trait ChatFeed: Send {
    /// The next notice; dropping the future before it is ready loses nothing.
    ///
    /// `None` when the reader fell too far behind and must sync again: its socket is then closed
    /// with `TooSlow`, and it comes back with its cursors.
    fn next(&mut self) -> PortFuture<'_, Option<Notice>>;
}

/// Signaling's word on who is in a room, for other parts.
pub trait Presence: Send + Sync {
    /// How many participants are in the room's call now.
    fn in_call(&self, room: RoomId) -> u32;

    /// Ends every session of a user, or of one login (`Identity::family`), whose right to be here
    /// ended.
    fn revoke(&self, whose: Uuid);
}
