//! Token buckets, kept as the one number of the generic cell rate algorithm (ITU-T I.371, annex A).

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::config::{Rate, RateLimits};
use crate::error::RateLimited;

/// What is counted separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    Register,
    Login,
    LoginAccount,
    Refresh,
    Invite,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Address(IpAddr),
    Account(String),
}

type Buckets = HashMap<(Scope, Subject), Instant>;

/// The buckets of everybody who came lately. No clock: `now` is an argument.
///
/// Memory is bounded by two generations: when the young one is full it becomes the old one, and
/// what nobody asked about since then is forgotten. Forgetting can only be too generous.
#[derive(Debug)]
pub struct RateLimiter {
    limits: RateLimits,
    young: Buckets,
    old: Buckets,
}

impl RateLimiter {
    /// A limiter that has seen nobody.
    pub fn new(limits: RateLimits) -> Self {
        Self { limits, young: Buckets::new(), old: Buckets::new() }
    }

    /// Takes one token for this address.
    ///
    /// # Errors
    /// When its bucket is empty; the error says when it will not be.
    pub fn address(&mut self, scope: Scope, addr: IpAddr, now: Instant) -> Result<(), RateLimited> {
        self.take(scope, Subject::Address(prefix(addr)), now)
    }

    /// Takes one token for this account.
    ///
    /// # Errors
    /// When its bucket is empty; the error says when it will not be.
    pub fn account(&mut self, scope: Scope, key: &str, now: Instant) -> Result<(), RateLimited> {
        self.take(scope, Subject::Account(key.to_owned()), now)
    }

    fn take(&mut self, scope: Scope, subject: Subject, now: Instant) -> Result<(), RateLimited> {
        let Rate { burst, interval } = self.rate(scope);
        let key = (scope, subject);
        let known = self.young.get(&key).or_else(|| self.old.get(&key)).copied();
        // When the bucket would be full again if nothing more were taken.
        let full_at = known.map_or(now, |full_at| full_at.max(now));
        let room = interval.saturating_mul(burst.saturating_sub(1));
        let wait = full_at.saturating_duration_since(now).saturating_sub(room);
        if wait > Duration::ZERO {
            return Err(RateLimited { retry_after: wait });
        }
        if self.young.len() >= self.limits.entries / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, full_at + interval);
        Ok(())
    }

    fn rate(&self, scope: Scope) -> Rate {
        match scope {
            Scope::Register => self.limits.register,
            Scope::Login => self.limits.login,
            Scope::LoginAccount => self.limits.login_account,
            Scope::Refresh => self.limits.refresh,
            Scope::Invite => self.limits.invite,
        }
    }
}

/// One household has a /64 of IPv6 (RFC 6177); counting single addresses would count nothing.
fn prefix(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V4(addr) => IpAddr::V4(addr),
        IpAddr::V6(addr) => IpAddr::V6(Ipv6Addr::from(u128::from(addr) & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn limiter(burst: u32, entries: usize) -> RateLimiter {
        let login = Rate::new(burst, SECOND);
        RateLimiter::new(RateLimits { login, entries, ..RateLimits::default() })
    }

    fn addr(text: &str) -> IpAddr {
        text.parse().expect("it is an address")
    }

    #[test]
    fn a_burst_passes_and_then_one_per_interval() {
        let (mut limiter, start) = (limiter(3, 100), Instant::now());
        let mut login = |after| limiter.address(Scope::Login, addr("192.0.2.1"), start + after);
        for _ in 0..3 {
            assert_eq!(login(Duration::ZERO), Ok(()));
        }
        assert_eq!(login(Duration::ZERO), Err(RateLimited { retry_after: SECOND }));
        let nearly = SECOND - Duration::from_nanos(1);
        assert_eq!(login(nearly), Err(RateLimited { retry_after: Duration::from_nanos(1) }));
        assert_eq!(login(SECOND), Ok(()));
        assert_eq!(login(SECOND), Err(RateLimited { retry_after: SECOND }));
        for _ in 0..3 {
            assert_eq!(login(10 * SECOND), Ok(()));
        }
        assert!(login(10 * SECOND).is_err());
    }

    #[test]
    fn addresses_accounts_and_routes_are_counted_apart() {
        let (mut limiter, now) = (limiter(1, 100), Instant::now());
        assert!(limiter.address(Scope::Login, addr("192.0.2.1"), now).is_ok());
        assert!(limiter.address(Scope::Login, addr("192.0.2.1"), now).is_err());
        assert!(limiter.address(Scope::Login, addr("192.0.2.2"), now).is_ok());
        assert!(limiter.address(Scope::Refresh, addr("192.0.2.1"), now).is_ok());
        assert!(limiter.account(Scope::LoginAccount, "192.0.2.1", now).is_ok());
    }

    #[test]
    fn one_household_of_ipv6_is_one_and_a_mapped_address_is_its_ipv4_self() {
        let (mut limiter, now) = (limiter(1, 100), Instant::now());
        assert!(limiter.address(Scope::Login, addr("2001:db8::1"), now).is_ok());
        assert!(limiter.address(Scope::Login, addr("2001:db8::ffff:2"), now).is_err());
        assert!(limiter.address(Scope::Login, addr("2001:db8:0:1::1"), now).is_ok());
        assert!(limiter.address(Scope::Login, addr("192.0.2.1"), now).is_ok());
        assert!(limiter.address(Scope::Login, addr("::ffff:192.0.2.1"), now).is_err());
    }

    #[test]
    fn memory_is_bounded_and_whoever_keeps_coming_stays_limited() {
        let (mut limiter, now) = (limiter(1, 100), Instant::now());
        let busy = addr("198.51.100.1");
        assert!(limiter.address(Scope::Login, busy, now).is_ok());
        for number in 0..40_u32 {
            let stranger = IpAddr::V4((0x0a00_0000 + number).into());
            assert!(limiter.address(Scope::Login, stranger, now).is_ok());
            assert!(limiter.address(Scope::Login, busy, now).is_err());
        }
        for number in 0..10_000_u32 {
            let stranger = IpAddr::V4((0x0b00_0000 + number).into());
            assert!(limiter.address(Scope::Login, stranger, now).is_ok());
        }
        assert!(limiter.young.len() + limiter.old.len() <= 100);
    }
}
