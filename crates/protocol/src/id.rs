//! Names of things. Parsed once at the edge; inside the server no id is a bare string or number.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;
use uuid::Uuid;

macro_rules! uuid_id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
        #[serde(transparent)]
        #[ts(type = "string")]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

uuid_id! {
    /// Somebody with an identity: an account, a guest, or a subject an API key vouches for.
    UserId;
    /// Place people meet. Its conversation carries the same UUID, see [`RoomId::conversation`].
    RoomId;
    /// One device of one user in one room, from join to leave, across sockets.
    ParticipantId;
    /// One track a participant publishes.
    TrackId;
    /// Place people write.
    ConversationId;
    /// One message, as the server names it. Clients name it with a [`ClientMessageId`] first.
    MessageId;
    /// Chosen by the client before sending; a retry with the same one is the same message for ever.
    ClientMessageId;
    /// One signaling session: a numbering of events that a resume continues.
    Epoch;
}

impl RoomId {
    /// The conversation every room has.
    pub fn conversation(self) -> ConversationId {
        ConversationId(self.0)
    }
}

impl ConversationId {
    /// The room this conversation belongs to, if it is a room's.
    pub fn room(self) -> RoomId {
        RoomId(self.0)
    }
}

/// The `mid` of an m-line, chosen by the client (RFC 8843, section 9.1).
#[derive(
    Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, TS, ToSchema,
)]
#[serde(transparent)]
pub struct Mid(pub String);

impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&str> for Mid {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
