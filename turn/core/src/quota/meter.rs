//! Rates that threads may share, without a lock: each is one instant, the one at which all that
//! was spent will have been earned (the generic cell rate algorithm of ITU-T I.371).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::TenantLimits;
use crate::server::Limits;

/// What may be spent at once: a second's worth.
pub(super) const BURST: Duration = Duration::from_secs(1);
const NANOS: u64 = 1_000_000_000;

/// A rate with one second of burst, in whole units. Full at the start.
#[derive(Debug)]
pub(crate) struct Meter {
    /// Zero for no limit.
    per_second: AtomicU64,
    beginning: Instant,
    /// Nanoseconds from the beginning until all that was spent is earned.
    earned_at: AtomicU64,
}

impl Meter {
    pub(crate) fn new(per_second: u64, now: Instant) -> Self {
        let per_second = AtomicU64::new(per_second);
        Self { per_second, beginning: now, earned_at: AtomicU64::new(0) }
    }

    /// Another rate from now on.
    pub(crate) fn set(&self, per_second: u64) {
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    /// Spends `units` if they are there.
    pub(crate) fn spend(&self, units: u64, now: Instant) -> bool {
        let per_second = self.per_second.load(Ordering::Relaxed);
        per_second == 0
            || spend(&self.earned_at, units, per_second, now.since(self.beginning)).is_some()
    }

    /// Spends `units` whether they are there or not; says how long it takes until they are.
    pub(crate) fn owe(&self, units: u64, now: Instant) -> Duration {
        let per_second = self.per_second.load(Ordering::Relaxed);
        if per_second == 0 {
            return Duration::ZERO;
        }
        let now = now.since(self.beginning);
        let spent = |earned_at: u64| earned_at.max(now).saturating_add(cost(units, per_second));
        let mut after = now;
        // Always `Some`, so it is stored.
        let _ = self.earned_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |earned_at| {
            after = spent(earned_at);
            Some(after)
        });
        Duration::from_nanos(after.saturating_sub(now.saturating_add(NANOS)))
    }

    /// Whether nothing is spent that is not earned.
    fn is_full(&self, now: Instant) -> bool {
        self.earned_at.load(Ordering::Relaxed) <= now.since(self.beginning)
    }
}

/// Whether [`spend`] would find so much left.
pub(crate) fn has_room(earned_at: &AtomicU64, units: u64, per_second: u64, now: u64) -> bool {
    after(earned_at.load(Ordering::Relaxed), units, per_second, now).is_some()
}

/// Spends from a rate of which only this number is kept: with `now`, in nanoseconds from a
/// beginning that is the caller's. `None` when less is left.
pub(crate) fn spend(earned_at: &AtomicU64, units: u64, per_second: u64, now: u64) -> Option<u64> {
    let spent = |earned_at| after(earned_at, units, per_second, now);
    earned_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent).ok()
}

/// When all is earned once these units are spent, if they are there.
fn after(earned_at: u64, units: u64, per_second: u64, now: u64) -> Option<u64> {
    let after = earned_at.max(now).saturating_add(cost(units, per_second));
    (after <= now.saturating_add(NANOS)).then_some(after)
}

/// Nanoseconds in which so much is earned. Less than one is forgiven, so that a second's worth fits
/// into a second.
fn cost(units: u64, per_second: u64) -> u64 {
    units.saturating_mul(NANOS) / per_second.max(1)
}

/// Nanoseconds between two instants; none when they are the other way round, as those of two
/// threads may be.
pub(crate) trait Since {
    fn since(self, earlier: Self) -> u64;
}

impl Since for Instant {
    fn since(self, earlier: Self) -> u64 {
        let passed = self.saturating_duration_since(earlier).as_nanos();
        u64::try_from(passed).unwrap_or(u64::MAX)
    }
}

/// A rate of bytes and one of packets.
#[derive(Debug)]
pub(crate) struct Meters {
    bytes: Meter,
    packets: Meter,
}

impl Meters {
    pub(crate) fn new((bytes, packets): (u64, u64), now: Instant) -> Self {
        Self { bytes: Meter::new(bytes, now), packets: Meter::new(packets, now) }
    }

    pub(crate) fn set(&self, (bytes, packets): (u64, u64)) {
        self.bytes.set(bytes);
        self.packets.set(packets);
    }

    /// Whether a packet may pass; it counts if so.
    pub(crate) fn spend(&self, bytes: usize, now: Instant) -> bool {
        self.packets.spend(1, now) && self.bytes.spend(bytes as u64, now)
    }

    pub(super) fn are_full(&self, now: Instant) -> bool {
        self.bytes.is_full(now) && self.packets.is_full(now)
    }
}

/// What one user, one tenant or everybody uses beside allocations.
#[derive(Debug)]
pub(crate) struct Share {
    pub(super) rates: Meters,
    permissions: AtomicU64,
    most_permissions: AtomicU64,
}

impl Share {
    fn new(rates: (u64, u64), most_permissions: u64, now: Instant) -> Self {
        Self {
            rates: Meters::new(rates, now),
            permissions: AtomicU64::new(0),
            most_permissions: AtomicU64::new(most_permissions),
        }
    }

    pub(super) fn of_user(limits: &TenantLimits, now: Instant) -> Self {
        Self::new(limits.user_rates(), limits.permissions_per_user.into(), now)
    }

    pub(super) fn of_tenant(limits: &TenantLimits, now: Instant) -> Self {
        Self::new(limits.tenant_rates(), u64::MAX, now)
    }

    pub(super) fn of_all(limits: &Limits, now: Instant) -> Self {
        Self::new(limits.rates(), u64::MAX, now)
    }

    pub(super) fn set_user(&self, limits: &TenantLimits) {
        self.rates.set(limits.user_rates());
        self.most_permissions.store(limits.permissions_per_user.into(), Ordering::Relaxed);
    }
}

/// What an allocation uses together with others: what its user, its tenant and everybody has.
#[derive(Clone, Debug)]
pub struct Shares {
    pub(super) user: Arc<Share>,
    pub(super) tenant: Arc<Share>,
    pub(super) all: Arc<Share>,
}

impl Shares {
    /// Whether a packet may pass; it counts if so. What the wider share refuses has counted for the
    /// narrower ones, and never the other way round: nobody spends what is others' by being
    /// refused.
    pub(crate) fn spend(&self, bytes: usize, now: Instant) -> bool {
        [&self.user, &self.tenant, &self.all].into_iter().all(|share| share.rates.spend(bytes, now))
    }

    /// Spends bytes of a stream whether they are there or not; says how long they have to wait.
    pub(super) fn owe(&self, bytes: usize, now: Instant) -> Duration {
        let shares = [&self.user, &self.tenant, &self.all].into_iter();
        let owed = shares.map(|share| share.rates.bytes.owe(bytes as u64, now));
        owed.max().unwrap_or_default()
    }

    /// Whether the user may have so many more permissions; they count if so.
    pub(crate) fn take_permissions(&self, more: usize) -> bool {
        let most = self.user.most_permissions.load(Ordering::Relaxed);
        let taken = |held: u64| held.checked_add(more as u64).filter(|after| *after <= most);
        let held = &self.user.permissions;
        more == 0 || held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }

    pub(crate) fn give_permissions_back(&self, fewer: usize) {
        self.user.permissions.fetch_sub(fewer as u64, Ordering::Relaxed);
    }
}

impl TenantLimits {
    pub(crate) fn rates(&self) -> (u64, u64) {
        (self.bytes_per_second, self.packets_per_second)
    }

    pub(super) fn user_rates(&self) -> (u64, u64) {
        (self.user_bytes_per_second, self.user_packets_per_second)
    }

    pub(super) fn tenant_rates(&self) -> (u64, u64) {
        (self.tenant_bytes_per_second, self.tenant_packets_per_second)
    }
}

impl Limits {
    pub(super) fn rates(&self) -> (u64, u64) {
        (self.bytes_per_second, self.packets_per_second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_refills_with_time_and_never_beyond_a_second() {
        let start = Instant::now();
        let meter = Meter::new(1000, start);
        assert!(meter.spend(1000, start));
        assert!(!meter.spend(1, start));
        let later = start + Duration::from_millis(10);
        assert!(meter.spend(10, later));
        assert!(!meter.spend(1, later));
        let much_later = start + Duration::from_secs(60);
        assert!(!meter.is_full(later) && meter.is_full(much_later));
        assert!(meter.spend(1000, much_later));
        assert!(!meter.spend(1, much_later));
    }

    #[test]
    fn what_cannot_be_lost_waits_until_it_is_earned() {
        let start = Instant::now();
        let meter = Meter::new(1000, start);
        assert_eq!(meter.owe(1000, start), Duration::ZERO);
        assert_eq!(meter.owe(500, start), Duration::from_millis(500));
        let later = start + Duration::from_millis(400);
        assert_eq!(meter.owe(100, later), Duration::from_millis(200));
        assert!(!meter.spend(1, later), "packets do not get ahead of it");
        assert_eq!(Meter::new(0, start).owe(u64::MAX, start), Duration::ZERO);
    }

    #[test]
    fn no_rate_is_no_limit_until_there_is_one() {
        let now = Instant::now();
        let meter = Meter::new(0, now);
        assert!(meter.spend(u64::MAX, now));
        meter.set(1);
        assert!(!meter.spend(2, now) && meter.spend(1, now));
    }

    #[test]
    fn threads_spend_a_rate_together_and_not_each() {
        let start = Instant::now();
        let meter = Meter::new(10_000, start);
        let admitted: usize = std::thread::scope(|scope| {
            let spends = || (0..10_000).filter(|_| meter.spend(1, start)).count();
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(spends)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it counts")).sum()
        });
        assert_eq!(admitted, 10_000);
    }
}
