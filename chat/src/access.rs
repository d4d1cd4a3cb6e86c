//! Who may do what, as far as the token alone decides. Membership is looked at in the database, in
//! the same transaction as the operation.

use confer_auth::{Grants, Identity, RoomScope};
use confer_protocol::id::ConversationId;

/// What still has to be true in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    /// The user must be a member.
    Needed,
    /// A back end with a token for everything acts without being a member.
    NotNeeded,
}

/// Whether the token covers this conversation at all, and whether membership decides then.
pub(crate) fn scope(grants: &Grants, conversation: ConversationId) -> Option<Membership> {
    match &grants.rooms {
        RoomScope::Member => Some(Membership::Needed),
        RoomScope::Only(rooms) => {
            rooms.contains(&conversation.room()).then_some(Membership::Needed)
        }
        RoomScope::All => Some(Membership::NotNeeded),
    }
}

/// Why an identity may not read or write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The token lacks the grant.
    NotGranted,
    /// The token does not cover the conversation, whose existence it need not know of.
    OutOfScope,
}

/// Whether the token permits writing there.
pub(crate) fn may_write(
    identity: &Identity,
    conversation: ConversationId,
) -> Result<Membership, Denied> {
    if !identity.grants.chat_write {
        return Err(Denied::NotGranted);
    }
    scope(&identity.grants, conversation).ok_or(Denied::OutOfScope)
}

/// Whether the token permits reading there.
pub(crate) fn may_read(
    identity: &Identity,
    conversation: ConversationId,
) -> Result<Membership, Denied> {
    if !identity.grants.chat_read {
        return Err(Denied::NotGranted);
    }
    scope(&identity.grants, conversation).ok_or(Denied::OutOfScope)
}
