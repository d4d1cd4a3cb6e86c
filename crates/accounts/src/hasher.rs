use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;

use crate::config::{Config, PasswordCost};
use crate::validate::Password;

/// Why a password was not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// As many wait as may.
    #[error("too many passwords are being checked")]
    Busy,
    /// The library refused its input.
    #[error("the password could not be hashed")]
    Failed,
}

/// Hashes passwords on threads that may block, a few at a time: each takes 19 MiB, and more at
/// once than there are cores only makes everybody wait longer.
#[derive(Clone, Debug)]
pub(crate) struct Hasher {
    cost: Argon2<'static>,
    workers: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    queue: usize,
    /// Checked when there is no account, so that the answer takes as long as for one.
    decoy: Arc<str>,
}

/// What checking a password found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    Wrong,
    Right {
        /// The hash to store instead, when the stored one is cheaper than today's.
        rehashed: Option<String>,
    },
}

impl Hasher {
    pub(crate) async fn new(config: &Config) -> Result<Self, HashError> {
        let PasswordCost { memory_kib, iterations, parallelism } = config.password_cost;
        let params = Params::new(memory_kib, iterations, parallelism, None);
        let params = params.map_err(|_| HashError::Failed)?;
        let hasher = Self {
            cost: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            workers: Arc::new(Semaphore::new(config.hash_workers.max(1))),
            waiting: Arc::new(AtomicUsize::new(0)),
            queue: config.hash_queue,
            decoy: Arc::from(""),
        };
        let nobody = hasher.run(|cost| hash(cost, &rand::random::<[u8; 32]>())).await??;
        Ok(Self { decoy: nobody.into(), ..hasher })
    }

    /// The hash of a new password.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, HashError> {
        self.run(move |cost| hash(cost, password.as_bytes())).await?
    }

    /// Checks a password against an account's hash, or against nobody's.
    pub(crate) async fn check(
        &self,
        password: Password,
        stored: Option<String>,
    ) -> Result<Checked, HashError> {
        let decoy = Arc::clone(&self.decoy);
        let exists = stored.is_some();
        let work = move |cost: &Argon2<'_>| {
            let text = stored.as_deref().unwrap_or(&decoy);
            let parsed = PasswordHash::new(text).map_err(|_| HashError::Failed)?;
            let right = cost.verify_password(password.as_bytes(), &parsed).is_ok();
            if !right || !exists {
                return Ok(Checked::Wrong);
            }
            let params = Params::try_from(&parsed).map_err(|_| HashError::Failed)?;
            let today = cost.params();
            let cheap = params.m_cost() < today.m_cost() || params.t_cost() < today.t_cost();
            let rehashed = if cheap { Some(hash(cost, password.as_bytes())?) } else { None };
            Ok(Checked::Right { rehashed })
        };
        self.run(work).await?
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Argon2<'static>) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let place = Place::take(&self.waiting, self.queue + self.workers.available_permits());
        let place = place.ok_or(HashError::Busy)?;
        let worker = Arc::clone(&self.workers).acquire_owned().await;
        let worker = worker.map_err(|_| HashError::Busy)?;
        drop(place);
        let cost = self.cost.clone();
        let task = tokio::task::spawn_blocking(move || {
            let _worker = worker;
            work(&cost)
        });
        task.await.map_err(|_| HashError::Failed)
    }
}

/// One place in the queue, given back when dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, places: usize) -> Option<Self> {
        let place = Self(Arc::clone(waiting));
        (waiting.fetch_add(1, Ordering::Relaxed) < places).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn hash(cost: &Argon2<'_>, password: &[u8]) -> Result<String, HashError> {
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>());
    let salt = salt.map_err(|_| HashError::Failed)?;
    let hash = cost.hash_password(password, &salt).map_err(|_| HashError::Failed)?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text.to_owned()).expect("it is long enough")
    }

    fn config(memory_kib: u32) -> Config {
        let password_cost = PasswordCost { memory_kib, iterations: 1, parallelism: 1 };
        Config { password_cost, ..Config::default() }
    }

    #[tokio::test]
    async fn the_right_password_is_right_and_every_other_wrong() {
        let hasher = Hasher::new(&config(64)).await.expect("the cost is possible");
        let stored = hasher.hash(password("correct horse")).await.expect("it is hashed");
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        let right = hasher.check(password("correct horse"), Some(stored.clone())).await;
        assert_eq!(right, Ok(Checked::Right { rehashed: None }));
        let wrong = hasher.check(password("wrong staple"), Some(stored)).await;
        assert_eq!(wrong, Ok(Checked::Wrong));
        let nobody = hasher.check(password("correct horse"), None).await;
        assert_eq!(nobody, Ok(Checked::Wrong));
    }

    #[tokio::test]
    async fn a_cheap_hash_is_replaced_when_its_password_comes_by() {
        let cheap = Hasher::new(&config(32)).await.expect("the cost is possible");
        let stored = cheap.hash(password("correct horse")).await.expect("it is hashed");
        let today = Hasher::new(&config(64)).await.expect("the cost is possible");
        let checked = today.check(password("correct horse"), Some(stored)).await;
        let Ok(Checked::Right { rehashed: Some(hash) }) = checked else { panic!("{checked:?}") };
        assert!(hash.contains("m=64"), "{hash}");
    }

    #[tokio::test]
    async fn whoever_finds_the_queue_full_is_told() {
        let config = Config { hash_queue: 0, hash_workers: 1, ..config(64) };
        let hasher = Hasher::new(&config).await.expect("the cost is possible");
        let worker = Arc::clone(&hasher.workers).acquire_owned().await.expect("it is open");
        assert_eq!(hasher.hash(password("correct horse")).await, Err(HashError::Busy));
        drop(worker);
        assert!(hasher.hash(password("correct horse")).await.is_ok());
    }
}
