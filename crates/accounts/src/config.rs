use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use confer_auth::{Secret, SigningKey, Verifier};
use confer_protocol::Timestamp;

/// Wall time, handed in so that tests can set it.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// A clock that asks `now`.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// The server's own keys.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Signs access tokens; the verifier knows it.
    pub signing: SigningKey,
    /// This key and those before it.
    pub verifier: Verifier,
    /// From which refresh tokens descend. Changing it ends every login.
    pub refresh: Secret,
}

/// Lifetimes, costs and limits.
#[derive(Clone, Debug)]
pub struct Config {
    /// How long an access token is good. Default: 10 min.
    pub access_lifetime: Duration,
    /// How long a login lasts without being used. Default: 30 days.
    pub refresh_lifetime: Duration,
    /// How long a guest may stay, used or not. Default: 12 h.
    pub guest_lifetime: Duration,
    /// How long a spent refresh token still yields its successor, for two tabs at once and for
    /// answers that got lost. Default: 20 s.
    pub refresh_grace: Duration,
    /// How long an invite works when its maker does not say. Default: a week.
    pub invite_lifetime: Duration,
    /// The longest an invite can be made to work. Default: 90 days.
    pub invite_lifetime_max: Duration,
    /// Default: what OWASP recommends for argon2id.
    pub password_cost: PasswordCost,
    /// How many passwords are hashed at once; each takes 19 MiB and about 20 ms. Default: 2.
    pub hash_workers: usize,
    /// How many more may wait; beyond that the answer is 503. Default: 64.
    pub hash_queue: usize,
    /// How often unauthenticated routes may be used.
    pub rate_limits: RateLimits,
    /// How often keys and revocations are read again, which bounds how long a revocation on
    /// another node takes. Default: 5 s.
    pub mirror_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        let (minute, hour, day) = (60, 60 * 60, 24 * 60 * 60);
        Self {
            access_lifetime: Duration::from_secs(10 * minute),
            refresh_lifetime: Duration::from_secs(30 * day),
            guest_lifetime: Duration::from_secs(12 * hour),
            refresh_grace: Duration::from_secs(20),
            invite_lifetime: Duration::from_secs(7 * day),
            invite_lifetime_max: Duration::from_secs(90 * day),
            password_cost: PasswordCost::default(),
            hash_workers: 2,
            hash_queue: 64,
            rate_limits: RateLimits::default(),
            mirror_interval: Duration::from_secs(5),
        }
    }
}

/// The parameters of argon2id (RFC 9106, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PasswordCost {
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
}

impl Default for PasswordCost {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1 }
    }
}

/// A token bucket: so many at once, and one more each interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub burst: u32,
    pub interval: Duration,
}

impl Rate {
    /// `burst` at once, then one each `interval`.
    pub const fn new(burst: u32, interval: Duration) -> Self {
        Self { burst, interval }
    }
}

/// How often each unauthenticated route may be used. "Address" is an IPv4 address or an IPv6 /64.
///
/// The defaults let a hundred people behind one address sign in within a minute or two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// New accounts per address. Default: 30, then one each 10 s.
    pub register: Rate,
    /// Logins per address, right or wrong. Default: 50, then one each second.
    pub login: Rate,
    /// Logins per account from anywhere. Default: 10, then one each 10 s.
    pub login_account: Rate,
    /// Refreshes per address. Default: 200, then five each second.
    pub refresh: Rate,
    /// Guests and looks at invites per address. Default: 100, then two each second.
    pub invite: Rate,
    /// How many addresses and accounts are remembered. Default: 100 000, about 10 MB.
    pub entries: usize,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            register: Rate::new(30, Duration::from_secs(10)),
            login: Rate::new(50, Duration::from_secs(1)),
            login_account: Rate::new(10, Duration::from_secs(10)),
            refresh: Rate::new(200, Duration::from_millis(200)),
            invite: Rate::new(100, Duration::from_millis(500)),
            entries: 100_000,
        }
    }
}
