use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use confer_auth::{KeyId, Secret, SigningKey};
use sqlx::PgPool;
use std::fmt;

use super::Accounts;
use crate::config::Clock;
use crate::error::StoreError;
use crate::sql;

/// What key ids and secrets start with, for people and for secret scanners.
const ID_PREFIX: &str = "ak_";
const SECRET_PREFIX: &str = "confer_sk_";

/// The keys with which applications' back ends sign tokens.
#[derive(Clone, Debug)]
pub struct ApiKeys {
    pool: PgPool,
    clock: Clock,
}

/// A key that was just made: the only moment its secret is shown.
#[derive(Clone)]
pub struct NewApiKey {
    pub id: KeyId,
    /// The secret as text; the text's bytes are the HS256 key.
    pub secret: String,
}

impl NewApiKey {
    /// The key, ready to sign.
    pub fn signing_key(&self) -> SigningKey {
        let secret = Secret::new(self.secret.as_str()).expect("made secrets are long enough");
        SigningKey::hs256(self.id.clone(), &secret)
    }
}

impl fmt::Debug for NewApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewApiKey({}, …)", self.id)
    }
}

impl ApiKeys {
    /// The keys in this database. Usable without the service, which sees a change within its
    /// `mirror_interval`.
    pub fn new(pool: PgPool, clock: Clock) -> Self {
        Self { pool, clock }
    }

    /// Makes a key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create(&self) -> Result<NewApiKey, StoreError> {
        let key = generate();
        let now = self.clock.now();
        sql::api_key::insert(&self.pool, key.id.as_str(), &key.secret, now).await?;
        Ok(key)
    }

    /// Makes a key if there never was one: what a first start shows.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create_first(&self) -> Result<Option<NewApiKey>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        sql::api_key::lock_first(&mut transaction).await?;
        if sql::api_key::any(&mut *transaction).await? {
            return Ok(None);
        }
        let key = generate();
        let now = self.clock.now();
        sql::api_key::insert(&mut *transaction, key.id.as_str(), &key.secret, now).await?;
        transaction.commit().await?;
        Ok(Some(key))
    }

    /// The oldest key that works, with which the operator's own tools sign.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn oldest(&self) -> Result<Option<SigningKey>, StoreError> {
        let keys = sql::api_key::live(&self.pool, 1).await?;
        let key = keys.into_iter().next().and_then(|(id, secret)| {
            let secret = Secret::new(secret).ok()?;
            Some(SigningKey::hs256(id.parse().ok()?, &secret))
        });
        Ok(key)
    }

    /// Ends a key: tokens it signed are refused from now on. Says whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke(&self, id: &KeyId) -> Result<bool, StoreError> {
        Ok(sql::api_key::revoke(&self.pool, id.as_str(), self.clock.now()).await?)
    }
}

impl Accounts {
    /// Makes a key that works at once.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn create_api_key(&self) -> Result<NewApiKey, StoreError> {
        let key = self.api_keys().create().await?;
        self.inner.mirror.add_key(key.id.as_str(), &key.secret);
        Ok(key)
    }

    /// Ends a key, at once on this node and within `mirror_interval` on others.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_api_key(&self, id: &KeyId) -> Result<bool, StoreError> {
        let revoked = self.api_keys().revoke(id).await?;
        self.inner.mirror.remove_key(id);
        Ok(revoked)
    }
}

fn generate() -> NewApiKey {
    let id = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>());
    let id = format!("{ID_PREFIX}{id}").parse().expect("base64url has only plain characters");
    let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    NewApiKey { id, secret: format!("{SECRET_PREFIX}{secret}") }
}
