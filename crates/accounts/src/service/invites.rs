use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use confer_auth::Identity;
use confer_protocol::id::RoomId;
use confer_protocol::rest::{CreateInviteRequest, Invite, InvitePreview};
use confer_protocol::room::RoomInfo;
use sha2::{Digest, Sha256};
use std::time::Duration;

use super::sessions::later;
use super::{Accounts, Session};
use crate::error::{GuestError, InviteError, StoreError};
use crate::sql;
use crate::sql::user::Kind;
use crate::validate::{DisplayName, Invalid};

/// 128 bits cannot be guessed, however many links there are.
const CODE_BYTES: usize = 16;
/// An invite nobody could use is a mistake, and so is one for a minute.
const LIFETIME_MIN: Duration = Duration::from_secs(60);

impl Accounts {
    /// Makes an invite link's code. It is shown once: only its hash is kept.
    ///
    /// # Errors
    /// See [`InviteError`].
    pub async fn create_invite(
        &self,
        identity: &Identity,
        room: RoomId,
        request: &CreateInviteRequest,
    ) -> Result<Invite, InviteError> {
        let config = &self.inner.config;
        let lifetime = match request.expires_in {
            None => config.invite_lifetime,
            Some(seconds) => {
                let wanted = Duration::from_secs(seconds.into());
                if wanted < LIFETIME_MIN {
                    return Err(Invalid::one("expires_in", "is at least 60 seconds").into());
                }
                wanted.min(config.invite_lifetime_max)
            }
        };
        let max_uses = match request.max_uses.map(i32::try_from) {
            None => None,
            Some(Ok(uses)) if uses > 0 => Some(uses),
            Some(_) => return Err(Invalid::one("max_uses", "is at least 1").into()),
        };
        self.check_may_invite(identity, room).await?;

        let code = URL_SAFE_NO_PAD.encode(rand::random::<[u8; CODE_BYTES]>());
        let now = self.now();
        let expires_at = later(now, lifetime);
        let invite = sql::invite::NewInvite {
            code_hash: hash(&code),
            room,
            invited_by: identity.user_id(),
            now,
            expires_at,
            max_uses,
        };
        sql::invite::insert(&self.inner.pool, &invite).await.map_err(StoreError::from)?;
        Ok(Invite { room, code, expires_at })
    }

    /// What the person behind a link may know before joining.
    ///
    /// # Errors
    /// See [`InviteError`].
    pub async fn preview_invite(&self, code: &str) -> Result<InvitePreview, InviteError> {
        let found = sql::invite::find(&self.inner.pool, hash(code), self.now()).await;
        let (room, invited_by) = found.map_err(StoreError::from)?.ok_or(InviteError::NotFound)?;
        let room = self.room(room).await?;
        Ok(InvitePreview { room, invited_by })
    }

    /// Makes an account a member of the room. One that is a member already uses nothing up.
    ///
    /// # Errors
    /// See [`InviteError`].
    pub async fn accept_invite(
        &self,
        identity: &Identity,
        code: &str,
    ) -> Result<RoomInfo, InviteError> {
        if identity.user.guest {
            return Err(InviteError::NotAnAccount);
        }
        let (code_hash, now) = (hash(code), self.now());
        let found = sql::invite::find(&self.inner.pool, code_hash, now).await;
        let (room, _) = found.map_err(StoreError::from)?.ok_or(InviteError::NotFound)?;
        let info = self.room(room).await?;
        let member = self.inner.rooms.is_member(identity, room).await;
        if member.map_err(InviteError::Rooms)? {
            return Ok(info);
        }
        let taken = sql::invite::take(&self.inner.pool, code_hash, now).await;
        taken.map_err(StoreError::from)?.ok_or(InviteError::NotFound)?;
        self.inner.rooms.add_member(room, &identity.user).await.map_err(InviteError::Rooms)?;
        Ok(info)
    }

    /// Makes an invite stop working, for whoever made it or may invite to its room.
    ///
    /// # Errors
    /// See [`InviteError`].
    pub async fn revoke_invite(&self, identity: &Identity, code: &str) -> Result<(), InviteError> {
        let code_hash = hash(code);
        let owner = sql::invite::owner(&self.inner.pool, code_hash).await;
        let (room, owner) = owner.map_err(StoreError::from)?.ok_or(InviteError::NotFound)?;
        if owner != identity.user_id() {
            self.check_may_invite(identity, room).await?;
        }
        let done = sql::invite::revoke(&self.inner.pool, code_hash, self.now()).await;
        Ok(done.map_err(StoreError::from)?)
    }

    /// Lets somebody without an account into the one room they were invited to.
    ///
    /// # Errors
    /// See [`GuestError`].
    pub async fn guest(&self, code: &str, name: &str) -> Result<Session, GuestError> {
        let name = DisplayName::parse(name).map_err(|problem| Invalid::one("name", problem))?;
        let (code_hash, now) = (hash(code), self.now());
        let found = sql::invite::find(&self.inner.pool, code_hash, now).await;
        let (room, _) = found.map_err(StoreError::from)?.ok_or(InviteError::NotFound)?;
        let room = self.room(room).await?;

        let mut transaction = self.inner.pool.begin().await.map_err(StoreError::from)?;
        let taken = sql::invite::take(&mut *transaction, code_hash, now).await;
        taken.map_err(StoreError::from)?.ok_or(InviteError::NotFound)?;
        let user = sql::user::insert(&mut *transaction, name.as_str(), Kind::Guest, now);
        let user = user.await.map_err(StoreError::from)?;
        let id = room.id;
        let session = self.open(&mut transaction, user, Some(room), now).await?;
        transaction.commit().await.map_err(StoreError::from)?;
        self.inner.counters.guests.add();
        // So that a guest can write without calling first. Joining makes a member as well, which
        // is why a failure here is no reason to lose the log-in that was just made.
        if let Err(error) = self.inner.rooms.add_member(id, &session.user).await {
            tracing::warn!(room.id = %id, code = ?error.code, "guest is not a member yet");
        }
        Ok(session)
    }

    async fn room(&self, room: RoomId) -> Result<RoomInfo, InviteError> {
        let found = self.inner.rooms.room(room).await.map_err(InviteError::Rooms)?;
        found.ok_or(InviteError::NotFound)
    }

    async fn check_may_invite(&self, identity: &Identity, room: RoomId) -> Result<(), InviteError> {
        let rooms = &self.inner.rooms;
        if rooms.may_invite(identity, room).await.map_err(InviteError::Rooms)? {
            // A token for all rooms may invite to those that exist.
            let found = rooms.room(room).await.map_err(InviteError::Rooms)?;
            return found.map(|_| ()).ok_or(InviteError::NoRoom);
        }
        // Somebody who is no member is not told whether the room exists.
        let member = rooms.is_member(identity, room).await.map_err(InviteError::Rooms)?;
        Err(if member { InviteError::NotAllowed } else { InviteError::NoRoom })
    }
}

/// Codes have 128 bits of chance in them, so a plain hash cannot be searched.
fn hash(code: &str) -> [u8; 32] {
    Sha256::digest(code.as_bytes()).into()
}
