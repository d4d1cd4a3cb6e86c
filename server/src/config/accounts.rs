use std::time::Duration;

use confer_accounts::{Config, RateLimits};

use super::error::ConfigError;
use super::section::section;

section! {
    /// `[accounts]`: registration, logins, guests and invites.
    pub(crate) struct AccountsSection in "accounts" {
        /// How long an access token is good. Clients renew it by themselves.
        ///
        /// A revoked login is noticed within seconds whatever this is.
        access_lifetime: Duration = Config::default().access_lifetime,

        /// How long a login lasts without being used.
        refresh_lifetime: Duration = Config::default().refresh_lifetime,

        /// How long a guest may stay, used or not.
        guest_lifetime: Duration = Config::default().guest_lifetime,

        /// How long an invite link works when its maker does not say.
        invite_lifetime: Duration = Config::default().invite_lifetime,

        /// The longest an invite link can be made to work.
        invite_lifetime_max: Duration = Config::default().invite_lifetime_max,

        /// How many passwords are hashed at once; each takes 19 MiB and about 20 ms of a core.
        hash_workers: usize = Config::default().hash_workers,

        /// New accounts from one address at once; see `register-interval`.
        register_burst: u32 = RateLimits::default().register.burst,

        /// Time after which one more may be registered from the same address.
        register_interval: Duration = RateLimits::default().register.interval,

        /// Logins from one address at once, right or wrong; see `login-interval`.
        login_burst: u32 = RateLimits::default().login.burst,

        /// Time after which one more may be tried from the same address.
        login_interval: Duration = RateLimits::default().login.interval,
    }
}

impl AccountsSection {
    pub(super) fn resolve(self) -> Result<Config, ConfigError> {
        if self.hash_workers == 0 {
            let problem = "nobody could log in; use at least 1".to_owned();
            return Err(ConfigError::Unusable { key: "accounts.hash-workers", problem });
        }
        let defaults = Config::default();
        let mut rate_limits = defaults.rate_limits;
        rate_limits.register.burst = self.register_burst;
        rate_limits.register.interval = self.register_interval;
        rate_limits.login.burst = self.login_burst;
        rate_limits.login.interval = self.login_interval;
        Ok(Config {
            access_lifetime: self.access_lifetime,
            refresh_lifetime: self.refresh_lifetime,
            guest_lifetime: self.guest_lifetime,
            invite_lifetime: self.invite_lifetime,
            invite_lifetime_max: self.invite_lifetime_max,
            hash_workers: self.hash_workers,
            rate_limits,
            ..defaults
        })
    }
}
