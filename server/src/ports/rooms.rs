use confer_accounts::PortFuture;
use confer_auth::Identity;
use confer_chat::ChatService;
use confer_protocol::error::ErrorBody;
use confer_protocol::id::RoomId;
use confer_protocol::room::{RoomInfo, UserInfo};

/// Rooms, as invites need them.
pub(crate) struct Rooms(pub(crate) ChatService);

impl confer_accounts::Rooms for Rooms {
    fn room<'a>(&'a self, room: RoomId) -> PortFuture<'a, Result<Option<RoomInfo>, ErrorBody>> {
        Box::pin(async move { Ok(self.0.room(room).await?.map(|room| room.info)) })
    }

    fn is_member<'a>(
        &'a self,
        identity: &'a Identity,
        room: RoomId,
    ) -> PortFuture<'a, Result<bool, ErrorBody>> {
        Box::pin(async move {
            let member = self.0.is_member(room, identity.user_id()).await?;
            Ok(identity.grants.covers(room, member))
        })
    }

    /// Whoever moderates may: the owner, or a token that says so.
    fn may_invite<'a>(
        &'a self,
        identity: &'a Identity,
        room: RoomId,
    ) -> PortFuture<'a, Result<bool, ErrorBody>> {
        Box::pin(async move {
            let Some(found) = self.0.room(room).await? else { return Ok(false) };
            let owner = found.owner == identity.user_id();
            let member = self.0.is_member(room, identity.user_id()).await?;
            let grants = &identity.grants;
            Ok(grants.covers(room, member) && grants.permissions(owner).moderate)
        })
    }

    fn add_member<'a>(
        &'a self,
        room: RoomId,
        user: &'a UserInfo,
    ) -> PortFuture<'a, Result<(), ErrorBody>> {
        Box::pin(async move { Ok(self.0.add_member(room, user).await?) })
    }
}
