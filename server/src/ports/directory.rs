use std::time::Duration;

use confer_accounts::Accounts;
use confer_auth::{Identity, RoomScope, Secret};
use confer_chat::ChatService;
use confer_protocol::Timestamp;
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::{RoomId, UserId};
use confer_protocol::server::IceServer;
use confer_signaling_core::ports::{Admission, PortFuture};

use crate::clock;

/// Accounts and rooms, as signaling sees them.
pub(crate) struct Directory {
    pub(crate) accounts: Accounts,
    pub(crate) chat: ChatService,
    pub(crate) turn: Option<IceUrls>,
}

/// Relays, and how to let somebody use them.
#[derive(Clone)]
pub(crate) struct IceUrls {
    pub(crate) urls: Vec<String>,
    pub(crate) secret: Secret,
    pub(crate) lifetime: Duration,
}

impl confer_signaling_core::ports::Directory for Directory {
    fn authenticate<'a>(&'a self, token: &'a str) -> PortFuture<'a, Result<Identity, ErrorBody>> {
        Box::pin(async move { Ok(self.accounts.authenticate(token).await?) })
    }

    fn remaining(&self, identity: &Identity) -> Duration {
        // Negative once it has expired, which no Duration is.
        (identity.expires_at.0 - clock::now().0).try_into().unwrap_or_default()
    }

    fn admit<'a>(
        &'a self,
        identity: &'a Identity,
        room: RoomId,
    ) -> PortFuture<'a, Result<Admission, ErrorBody>> {
        Box::pin(async move {
            // The same answer whether it does not exist or is not theirs.
            let not_theirs =
                || ErrorBody::new(ErrorCode::NotFound, "There is no such room among yours.");
            let found = self.chat.room(room).await?.ok_or_else(not_theirs)?;
            let member = self.chat.is_member(room, identity.user_id()).await?;
            if !identity.grants.covers(room, member) {
                return Err(not_theirs());
            }
            match &identity.grants.rooms {
                RoomScope::Only(_) if !member => {
                    self.chat.add_member(room, &identity.user).await?;
                }
                RoomScope::Only(_) | RoomScope::Member | RoomScope::All => {}
            }
            let owner = found.owner == identity.user_id();
            Ok(Admission { room: found.info, permissions: identity.grants.permissions(owner) })
        })
    }

    /// Only relays: the media plane itself is reached without STUN.
    fn ice_servers(&self, identity: &Identity) -> Vec<IceServer> {
        let Some(turn) = &self.turn else { return Vec::new() };
        let expires_at = Timestamp(clock::now().0 + turn.lifetime);
        // The login as well, so that the end of one does not cut the relays of another.
        let user = format!("{}/{}", identity.user_id(), identity.family);
        let credentials = confer_auth::turn::credentials(&turn.secret, &user, expires_at);
        vec![IceServer {
            urls: turn.urls.clone(),
            username: Some(credentials.username),
            credential: Some(credentials.password),
        }]
    }
}

/// Accounts, as chat's routes need them.
pub(crate) struct AddressBook(pub(crate) Accounts);

impl confer_chat::ports::AddressBook for AddressBook {
    fn find_by_email<'a>(
        &'a self,
        email: &'a str,
    ) -> confer_chat::ports::PortFuture<'a, Result<Option<UserId>, ErrorBody>> {
        Box::pin(async move { Ok(self.0.find_by_email(email).await?.map(|user| user.id)) })
    }
}
