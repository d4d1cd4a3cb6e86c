use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What the service counted since it started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Metrics {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> Metrics {
                Metrics { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

metrics! {
    /// Accounts made.
    registered,
    /// Logins with the right password.
    logins,
    /// Logins with a wrong password or an unknown address.
    logins_refused,
    /// Guests let in.
    guests,
    /// Logins continued.
    refreshes,
    /// Spent refresh tokens that were used again, each of which ended a login.
    refresh_reuses,
    /// Access tokens refused, for whatever reason.
    tokens_refused,
    /// Logins and users ended on purpose.
    revocations,
    /// Attempts that came too often.
    rate_limited,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
