use confer_protocol::Timestamp;
use confer_protocol::id::{RoomId, UserId};
use confer_protocol::room::{Permissions, TrackSource, UserInfo};
use serde::{Deserialize, Serialize};

/// A caller whose token was checked. Handlers receive it; they never see a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user: UserInfo,
    pub grants: Grants,
    /// When the access token ends. A session that outlives it must present a fresh one.
    pub expires_at: Timestamp,
    /// The login or the token family this came from, by which it can be revoked.
    pub family: uuid::Uuid,
}

impl Identity {
    /// The user's id.
    pub fn user_id(&self) -> UserId {
        self.user.id
    }
}

/// What a token permits, before membership is looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    pub rooms: RoomScope,
    pub publish: Vec<TrackSource>,
    pub subscribe: bool,
    pub chat_read: bool,
    pub chat_write: bool,
    /// May create rooms and open direct conversations.
    pub create: bool,
    /// May moderate every room in scope. Owners may moderate their own without it.
    pub moderate: bool,
}

impl Default for Grants {
    /// Nothing at all.
    fn default() -> Self {
        Self {
            rooms: RoomScope::Only(Vec::new()),
            publish: Vec::new(),
            subscribe: false,
            chat_read: false,
            chat_write: false,
            create: false,
            moderate: false,
        }
    }
}

impl Grants {
    /// What an account may do: everything in the rooms it is a member of.
    pub fn account() -> Self {
        Self {
            rooms: RoomScope::Member,
            publish: TrackSource::ALL.to_vec(),
            subscribe: true,
            chat_read: true,
            chat_write: true,
            create: true,
            moderate: false,
        }
    }

    /// What a guest may do: call and write in the one room it was invited to.
    pub fn guest(room: RoomId) -> Self {
        Self { rooms: RoomScope::Only(vec![room]), create: false, ..Self::account() }
    }

    /// Whether the token covers this room; `member` says whether its user is a member of it.
    pub fn covers(&self, room: RoomId, member: bool) -> bool {
        match &self.rooms {
            RoomScope::Member => member,
            RoomScope::Only(rooms) => rooms.contains(&room),
            RoomScope::All => true,
        }
    }

    /// What a participant with these grants is told it may do.
    pub fn permissions(&self, owner: bool) -> Permissions {
        Permissions {
            publish: self.publish.clone(),
            subscribe: self.subscribe,
            chat_read: self.chat_read,
            chat_write: self.chat_write,
            moderate: self.moderate || owner,
        }
    }
}

/// The rooms a token is good for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomScope {
    /// Those its user is a member of.
    Member,
    /// These, member or not: joining makes the user a member.
    Only(Vec<RoomId>),
    /// All of this server's, for back ends.
    All,
}
