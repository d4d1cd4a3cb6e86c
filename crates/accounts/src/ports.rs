use std::pin::Pin;

use confer_auth::Identity;
use confer_protocol::error::ErrorBody;
use confer_protocol::id::RoomId;
use confer_protocol::room::{RoomInfo, UserInfo};

/// What an asynchronous port returns.
pub type PortFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What invites need of rooms. `server` implements it over chat.
pub trait Rooms: Send + Sync {
    /// The room, if there is one.
    fn room<'a>(&'a self, room: RoomId) -> PortFuture<'a, Result<Option<RoomInfo>, ErrorBody>>;

    /// Whether this identity is a member of the room and its grants cover it.
    fn is_member<'a>(
        &'a self,
        identity: &'a Identity,
        room: RoomId,
    ) -> PortFuture<'a, Result<bool, ErrorBody>>;

    /// Whether this identity may let others in.
    fn may_invite<'a>(
        &'a self,
        identity: &'a Identity,
        room: RoomId,
    ) -> PortFuture<'a, Result<bool, ErrorBody>>;

    /// Makes somebody a member; nothing happens when they are one.
    fn add_member<'a>(
        &'a self,
        room: RoomId,
        user: &'a UserInfo,
    ) -> PortFuture<'a, Result<(), ErrorBody>>;
}
