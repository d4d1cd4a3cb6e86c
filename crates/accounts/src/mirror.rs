//! What checking a token needs, held in memory: the API keys, and what was revoked lately.
//!
//! Both are few. They are read again every few seconds, so what another node changes takes effect
//! here within one interval; what this node changes takes effect at once.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use confer_auth::{Identity, KeyId, Secret, VerifyingKey};
use confer_protocol::Timestamp;
use confer_protocol::id::UserId;
use sqlx::PgPool;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql;

/// More API keys than anybody would manage by hand.
const API_KEYS_MAX: i64 = 1000;
/// Ends of logins within the life of an access token; beyond that the oldest are overlooked.
const REVOCATIONS_MAX: i64 = 100_000;
/// How many ends a listener may be behind before it is told that it missed some.
const ENDED_CAPACITY: usize = 1024;

/// Somebody's right to be here ended: sessions that it covers must close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended(Uuid);

impl Ended {
    /// The login's or the user's id; no login has a user's.
    pub fn id(&self) -> Uuid {
        self.0
    }

    /// The login's family, or the user's id.
    pub fn whose(&self) -> Uuid {
        self.0
    }

    /// Whether it is this identity's login, or all logins of this user.
    pub fn covers(&self, identity: &Identity) -> bool {
        self.0 == identity.family || self.0 == identity.user_id().0
    }
}

#[derive(Debug)]
pub(crate) struct Mirror {
    state: RwLock<State>,
    ended: broadcast::Sender<Ended>,
}

#[derive(Debug, Default)]
struct State {
    /// Grows with every change made here, so that what was read before it is not put over it.
    changes: u64,
    keys: HashMap<KeyId, VerifyingKey>,
    revoked: HashMap<Uuid, Timestamp>,
}

impl Mirror {
    /// Reads everything for the first time.
    pub(crate) async fn load(pool: &PgPool, now: Timestamp) -> Result<Self, StoreError> {
        let mirror = Self { state: RwLock::default(), ended: broadcast::channel(ENDED_CAPACITY).0 };
        mirror.refresh(pool, now).await?;
        Ok(mirror)
    }

    /// Reads everything again, and tells listeners what is new.
    pub(crate) async fn refresh(&self, pool: &PgPool, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let changes = self.read().changes;
            let keys = sql::api_key::live(pool, API_KEYS_MAX).await?;
            let revoked = sql::revocation::live(pool, now, REVOCATIONS_MAX).await?;
            let keys = keys.iter().filter_map(|(id, secret)| usable(id, secret)).collect();
            let revoked = revoked.into_iter().map(|(id, until)| (id, until.into())).collect();
            if self.replace(State { changes, keys, revoked }) {
                return Ok(());
            }
        }
    }

    /// Puts what was read into place, unless something was changed here meanwhile.
    fn replace(&self, state: State) -> bool {
        let mut current = self.write();
        if current.changes != state.changes {
            return false;
        }
        for (id, until) in &state.revoked {
            if current.revoked.get(id) != Some(until) {
                // Nobody listening is no failure.
                let _ = self.ended.send(Ended(*id));
            }
        }
        *current = state;
        true
    }

    pub(crate) fn key(&self, id: &KeyId) -> Option<VerifyingKey> {
        self.read().keys.get(id).cloned()
    }

    pub(crate) fn add_key(&self, id: &str, secret: &str) {
        let mut state = self.write();
        state.changes += 1;
        state.keys.extend(usable(id, secret));
    }

    pub(crate) fn remove_key(&self, id: &KeyId) {
        let mut state = self.write();
        state.changes += 1;
        state.keys.remove(id);
    }

    /// Whether a token of this family and user, issued then, was revoked.
    pub(crate) fn revoked(&self, family: Uuid, user: UserId, issued_at: Timestamp) -> bool {
        let state = self.read();
        [family, user.0].iter().any(|id| state.revoked.get(id).is_some_and(|at| issued_at <= *at))
    }

    /// Refuses tokens of this family or user that were issued until now.
    pub(crate) fn revoke(&self, id: Uuid, now: Timestamp) {
        let mut state = self.write();
        state.changes += 1;
        state.revoked.insert(id, now);
        let _ = self.ended.send(Ended(id));
    }

    pub(crate) fn listen(&self) -> broadcast::Receiver<Ended> {
        self.ended.subscribe()
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn usable(id: &str, secret: &str) -> Option<(KeyId, VerifyingKey)> {
    let key = Secret::new(secret).ok().map(|secret| VerifyingKey::hs256(&secret));
    let usable = id.parse().ok().zip(key);
    if usable.is_none() {
        tracing::warn!(key.id = id, "this API key cannot be used");
    }
    usable
}
