use confer_auth::{AccessToken, Claims, Grants};
use confer_protocol::Timestamp;
use confer_protocol::error::ErrorBody;
use confer_protocol::id::{RoomId, UserId};
use confer_protocol::room::{RoomInfo, UserInfo};
use sqlx::PgConnection;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::Accounts;
use crate::error::{RefreshError, StoreError};
use crate::refresh_token::RefreshToken;
use crate::sql;

/// Who signs access tokens of accounts and guests.
const ISSUER: &str = "confer";

/// A login: an access token for now and a refresh token for later.
#[derive(Clone, Debug)]
pub struct Session {
    pub user: UserInfo,
    pub access: AccessToken,
    pub access_expires_at: Timestamp,
    pub refresh: RefreshToken,
    pub refresh_expires_at: Timestamp,
    /// The one room a guest was invited to.
    pub room: Option<RoomInfo>,
}

impl Accounts {
    /// Continues a login: a new access token, and the refresh token that replaces the given one.
    ///
    /// # Errors
    /// See [`RefreshError`]. A token that was replaced before ends its login.
    pub async fn refresh(&self, token: &str) -> Result<Session, RefreshError> {
        let key = &self.inner.keys.refresh;
        let token = RefreshToken::parse(token, key).ok_or(RefreshError::Unknown)?;
        let (id, now) = (token.family(), self.now());
        let mut transaction = self.inner.pool.begin().await.map_err(StoreError::from)?;
        let family = sql::family::lock(&mut *transaction, id).await.map_err(StoreError::from)?;
        let family = family.ok_or(RefreshError::Expired)?;
        if family.revoked {
            return Err(RefreshError::Revoked);
        }
        if family.expires_at <= now {
            return Err(RefreshError::Expired);
        }

        let next = token.successor(key);
        let current = same(&token.hash(), &family.token_hash);
        let previous = family.previous_hash.is_some_and(|hash| same(&token.hash(), &hash));
        let expires_at = if current {
            let expires_at = match family.room {
                // A guest's time does not grow with use.
                Some(_) => family.expires_at,
                None => later(now, self.inner.config.refresh_lifetime),
            };
            sql::family::rotate(&mut *transaction, id, next.hash(), now, expires_at)
                .await
                .map_err(StoreError::from)?;
            expires_at
        } else if previous && now <= later(family.rotated_at, self.inner.config.refresh_grace) {
            // Two tabs at once, or an answer that got lost: the same successor again.
            family.expires_at
        } else {
            self.end_family(&mut transaction, id, now).await?;
            transaction.commit().await.map_err(StoreError::from)?;
            self.inner.mirror.revoke(id, now);
            self.inner.counters.refresh_reuses.add();
            tracing::warn!(user.id = %family.user.id, "a spent refresh token was used again");
            return Err(RefreshError::Reused);
        };
        transaction.commit().await.map_err(StoreError::from)?;
        self.inner.counters.refreshes.add();

        let room = self.guest_room(family.room).await.map_err(RefreshError::Rooms)?;
        let (access, access_expires_at) = self.mint(&family.user, family.room, id, now);
        let user = family.user;
        let refresh_expires_at = expires_at;
        Ok(Session { user, access, access_expires_at, refresh: next, refresh_expires_at, room })
    }

    /// Ends the login a refresh token belongs to. One that belongs to none is no error: the
    /// outcome is what was asked for.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn logout(&self, token: &str) -> Result<(), StoreError> {
        match RefreshToken::parse(token, &self.inner.keys.refresh) {
            Some(token) => self.revoke_family(token.family()).await,
            None => Ok(()),
        }
    }

    /// Ends one login: its refresh token is refused, its access tokens too, its sessions close.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_family(&self, family: Uuid) -> Result<(), StoreError> {
        let now = self.now();
        let mut transaction = self.inner.pool.begin().await?;
        self.end_family(&mut transaction, family, now).await?;
        transaction.commit().await?;
        self.inner.mirror.revoke(family, now);
        self.inner.counters.revocations.add();
        Ok(())
    }

    /// Ends every login of a user, and every token an application signed for it until now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_user(&self, user: UserId) -> Result<(), StoreError> {
        let now = self.now();
        let forget_after = self.forget_after(now);
        let mut transaction = self.inner.pool.begin().await?;
        sql::family::revoke_all_of(&mut *transaction, user, now).await?;
        sql::revocation::insert(&mut *transaction, user.0, now, forget_after).await?;
        transaction.commit().await?;
        self.inner.mirror.revoke(user.0, now);
        self.inner.counters.revocations.add();
        Ok(())
    }

    /// Begins a login.
    pub(super) async fn open(
        &self,
        connection: &mut PgConnection,
        user: UserInfo,
        room: Option<RoomInfo>,
        now: Timestamp,
    ) -> Result<Session, StoreError> {
        let id = Uuid::now_v7();
        let refresh = RefreshToken::first(id, &self.inner.keys.refresh);
        let lifetime = match room {
            Some(_) => self.inner.config.guest_lifetime,
            None => self.inner.config.refresh_lifetime,
        };
        let refresh_expires_at = later(now, lifetime);
        let room_id = room.as_ref().map(|room| room.id);
        let family = sql::family::NewFamily {
            id,
            user: user.id,
            room: room_id,
            token_hash: refresh.hash(),
            now,
            expires_at: refresh_expires_at,
        };
        sql::family::insert(connection, &family).await?;
        let (access, access_expires_at) = self.mint(&user, room_id, id, now);
        Ok(Session { user, access, access_expires_at, refresh, refresh_expires_at, room })
    }

    async fn end_family(
        &self,
        connection: &mut PgConnection,
        family: Uuid,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sql::family::revoke(&mut *connection, family, now).await?;
        let forget_after = self.forget_after(now);
        sql::revocation::insert(connection, family, now, forget_after).await?;
        Ok(())
    }

    /// When no token that exists now can be valid any more.
    fn forget_after(&self, now: Timestamp) -> Timestamp {
        let limits = self.inner.keys.verifier.limits();
        later(later(now, limits.lifetime), limits.clock_skew)
    }

    async fn guest_room(&self, room: Option<RoomId>) -> Result<Option<RoomInfo>, ErrorBody> {
        match room {
            Some(room) => self.inner.rooms.room(room).await,
            None => Ok(None),
        }
    }

    fn mint(
        &self,
        user: &UserInfo,
        room: Option<RoomId>,
        family: Uuid,
        now: Timestamp,
    ) -> (AccessToken, Timestamp) {
        let claims = Claims {
            iss: Some(ISSUER.to_owned()),
            name: Some(user.name.clone()),
            grants: room.map_or_else(Grants::account, Grants::guest),
            jti: Some(Uuid::now_v7().to_string()),
            sid: Some(family),
            guest: user.guest,
            ..Claims::new(user.id.to_string(), now, self.inner.config.access_lifetime)
        };
        let token = self.inner.keys.signing.sign(&claims);
        let token = token.expect("claims of one user and one room fit into a token");
        (token, claims.expires_at())
    }
}

pub(super) fn later(moment: Timestamp, by: std::time::Duration) -> Timestamp {
    Timestamp(moment.0 + by)
}

fn same(hash: &[u8; 32], stored: &[u8]) -> bool {
    bool::from(hash.as_slice().ct_eq(stored))
}
