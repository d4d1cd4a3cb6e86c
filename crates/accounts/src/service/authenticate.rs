use confer_auth::{Claims, Identity, KeyId, TokenError};
use confer_protocol::id::UserId;
use confer_protocol::room::UserInfo;

use super::Accounts;
use crate::error::{AuthenticateError, StoreError};
use crate::sql;
use crate::sql::user::Kind;
use crate::subjects::Known;

impl Accounts {
    /// Turns an access token into the identity it stands for.
    ///
    /// A token of the server's own keys names a user. A token of an API key names somebody in the
    /// application's own words, who becomes a user here when first seen.
    ///
    /// # Errors
    /// See [`AuthenticateError`].
    pub async fn authenticate(&self, token: &str) -> Result<Identity, AuthenticateError> {
        let found = self.identify(token).await;
        if found.is_err() {
            self.inner.counters.tokens_refused.add();
        }
        found
    }

    async fn identify(&self, token: &str) -> Result<Identity, AuthenticateError> {
        let verifier = &self.inner.keys.verifier;
        let (key, now) = (confer_auth::key_id(token)?, self.now());
        let (claims, user) = if verifier.knows(&key) {
            let (_, claims) = verifier.verify(token, now)?;
            let user = own_user(&claims)?;
            (claims, user)
        } else {
            let secret = self.inner.mirror.key(&key);
            let secret = secret.ok_or_else(|| TokenError::UnknownKey(key.clone()))?;
            let claims = confer_auth::verify(token, &secret, verifier.limits(), now)?;
            let user = self.subject(&key, &claims).await?;
            (claims, user)
        };
        let family = claims.sid.unwrap_or(user.id.0);
        if self.inner.mirror.revoked(family, user.id, claims.issued_at()) {
            return Err(AuthenticateError::Revoked);
        }
        let expires_at = claims.expires_at();
        Ok(Identity { user, grants: claims.grants, expires_at, family })
    }

    /// The user an application's subject is here.
    async fn subject(&self, key: &KeyId, claims: &Claims) -> Result<UserInfo, StoreError> {
        let name = display_name(claims);
        let known = match self.inner.subjects.find(key, &claims.sub) {
            Some(known) => Some(known),
            None => self.stored_subject(key, &claims.sub).await?,
        };
        let user = match known {
            Some(known) if known.name == name => {
                self.inner.subjects.remember(key, &claims.sub, known.clone());
                known.user
            }
            Some(known) => {
                sql::user::rename(&self.inner.pool, known.user, &name).await?;
                known.user
            }
            None => self.new_subject(key, &claims.sub, &name).await?,
        };
        self.inner.subjects.remember(key, &claims.sub, Known { user, name: name.clone() });
        Ok(UserInfo { id: user, name, guest: false })
    }

    async fn stored_subject(&self, key: &KeyId, sub: &str) -> Result<Option<Known>, StoreError> {
        let pool = &self.inner.pool;
        let Some(id) = sql::api_key::subject(pool, key.as_str(), sub).await? else {
            return Ok(None);
        };
        let user = sql::user::find(pool, id).await?;
        Ok(user.map(|user| Known { user: user.id, name: user.name }))
    }

    async fn new_subject(&self, key: &KeyId, sub: &str, name: &str) -> Result<UserId, StoreError> {
        let mut transaction = self.inner.pool.begin().await?;
        let user = sql::user::insert(&mut *transaction, name, Kind::Subject, self.now()).await?;
        let first =
            sql::api_key::insert_subject(&mut *transaction, key.as_str(), sub, user.id).await?;
        if first {
            transaction.commit().await?;
            return Ok(user.id);
        }
        // Another request with the same subject was faster; its user stands.
        transaction.rollback().await?;
        let winner = sql::api_key::subject(&self.inner.pool, key.as_str(), sub).await?;
        Ok(winner.ok_or(sqlx::Error::RowNotFound)?)
    }
}

fn own_user(claims: &Claims) -> Result<UserInfo, TokenError> {
    let id = claims.sub.parse::<UserId>();
    let id = id.map_err(|_| TokenError::BadClaims("`sub` is no user id".to_owned()))?;
    let name = claims.name.clone().unwrap_or_default();
    Ok(UserInfo { id, name, guest: claims.guest })
}

/// The name in the token, else as much of the subject as a name may have.
fn display_name(claims: &Claims) -> String {
    match &claims.name {
        Some(name) => name.clone(),
        None => claims.sub.chars().take(64).collect(),
    }
}
