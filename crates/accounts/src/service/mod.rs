mod api_keys;
mod authenticate;
mod invites;
mod logins;
mod running;
mod sessions;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use confer_protocol::Timestamp;
use confer_protocol::error::ErrorBody;
use confer_protocol::id::UserId;
use confer_protocol::room::UserInfo;
use sqlx::PgPool;
use tokio::sync::broadcast;

use crate::config::{Clock, Config, Keys};
use crate::error::{RateLimited, StoreError};
use crate::hasher::Hasher;
use crate::metrics::{Counters, Metrics};
use crate::mirror::{Ended, Mirror};
use crate::ports::Rooms;
use crate::rate_limit::RateLimiter;
use crate::sql;
use crate::subjects::Subjects;

pub use api_keys::{ApiKeys, NewApiKey};
pub use running::Running;
pub use sessions::Session;

/// Who is who. A cheap handle.
#[derive(Clone)]
pub struct Accounts {
    inner: Arc<Inner>,
}

struct Inner {
    pool: PgPool,
    rooms: Arc<dyn Rooms>,
    keys: Keys,
    config: Config,
    clock: Clock,
    hasher: Hasher,
    mirror: Mirror,
    subjects: Subjects,
    limiter: Mutex<RateLimiter>,
    counters: Counters,
}

impl Accounts {
    /// Starts the service on a database whose migrations have been applied.
    ///
    /// # Errors
    /// When the database cannot be read, or the password cost is not possible.
    pub async fn start(
        pool: PgPool,
        rooms: Arc<dyn Rooms>,
        keys: Keys,
        config: Config,
        clock: Clock,
    ) -> Result<(Self, Running), ErrorBody> {
        let hasher = Hasher::new(&config).await?;
        let mirror = Mirror::load(&pool, clock.now()).await?;
        let limiter = Mutex::new(RateLimiter::new(config.rate_limits));
        let (subjects, counters) = (Subjects::default(), Counters::default());
        let inner =
            Inner { pool, rooms, keys, config, clock, hasher, mirror, subjects, limiter, counters };
        let accounts = Self { inner: Arc::new(inner) };
        let running = Running::start(accounts.clone());
        Ok((accounts, running))
    }

    /// The account with this email address, however capitalised.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_by_email(&self, email: &str) -> Result<Option<UserInfo>, StoreError> {
        let account = sql::credential::find_by_email(&self.inner.pool, email.trim()).await?;
        Ok(account.map(|account| account.user))
    }

    /// Somebody's own email address, if they have an account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn email_of(&self, user: UserId) -> Result<Option<String>, StoreError> {
        Ok(sql::credential::email_of(&self.inner.pool, user).await?)
    }

    /// Whose right to be here ends from now on, by logout, reuse or revocation, on any node.
    pub fn ended(&self) -> broadcast::Receiver<Ended> {
        self.inner.mirror.listen()
    }

    /// What was counted since the start.
    pub fn metrics(&self) -> Metrics {
        self.inner.counters.snapshot()
    }

    /// The keys with which applications sign tokens.
    pub fn api_keys(&self) -> ApiKeys {
        ApiKeys::new(self.inner.pool.clone(), self.inner.clock.clone())
    }

    pub(crate) fn limit(
        &self,
        take: impl FnOnce(&mut RateLimiter, Instant) -> Result<(), RateLimited>,
    ) -> Result<(), RateLimited> {
        let mut limiter = self.inner.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        // Tokio's clock, which tests can hold.
        let taken = take(&mut limiter, tokio::time::Instant::now().into_std());
        if taken.is_err() {
            self.inner.counters.rate_limited.add();
        }
        taken
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }
}
