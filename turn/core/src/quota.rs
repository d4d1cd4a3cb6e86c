//! What one tenant, one user and one allocation may use: counts and rates.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::credentials::TenantId;

/// Caps of one tenant and of each of its users. Zero rates mean no cap.
#[derive(Clone, Debug)]
pub struct TenantLimits {
    /// Allocations of the tenant (486).
    pub allocations: u32,
    /// Allocations of one identity (486).
    pub allocations_per_user: u32,
    /// Bytes a second that one allocation may relay, both ways together.
    pub bytes_per_second: u64,
    /// Packets a second that one allocation may relay, both ways together.
    pub packets_per_second: u64,
    /// Bytes a second of the whole tenant.
    pub tenant_bytes_per_second: u64,
}

impl Default for TenantLimits {
    fn default() -> Self {
        Self {
            allocations: 10_000,
            allocations_per_user: 16,
            bytes_per_second: 0,
            packets_per_second: 0,
            tenant_bytes_per_second: 0,
        }
    }
}

/// Who holds how many allocations.
#[derive(Debug, Default)]
pub(crate) struct Holdings {
    users: BTreeMap<(TenantId, String), u32>,
    tenants: BTreeMap<TenantId, u32>,
}

impl Holdings {
    /// Whether one more stays within the limits.
    pub(crate) fn admits(&self, tenant: TenantId, user: &str, limits: &TenantLimits) -> bool {
        let of_user = self.users.get(&(tenant, user.to_owned())).copied().unwrap_or(0);
        let of_tenant = self.tenants.get(&tenant).copied().unwrap_or(0);
        of_user < limits.allocations_per_user && of_tenant < limits.allocations
    }

    pub(crate) fn add(&mut self, tenant: TenantId, user: &str) {
        *self.users.entry((tenant, user.to_owned())).or_default() += 1;
        *self.tenants.entry(tenant).or_default() += 1;
    }

    pub(crate) fn remove(&mut self, tenant: TenantId, user: &str) {
        let key = (tenant, user.to_owned());
        if let Some(count) = self.users.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(&key);
            }
        }
        if let Some(count) = self.tenants.get_mut(&tenant) {
            *count -= 1;
        }
    }
}

/// A rate with one second of burst, in whole units. Full at the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    per_second: u64,
    /// Billionths of a unit that may be spent now.
    left: u128,
    counted_at: Instant,
}

const NANOS: u128 = 1_000_000_000;

impl Rate {
    /// A rate of `per_second`; zero for no limit.
    pub(crate) fn new(per_second: u64, now: Instant) -> Self {
        Self { per_second, left: u128::from(per_second) * NANOS, counted_at: now }
    }

    /// Spends `units` if they are there.
    pub(crate) fn spend(&mut self, units: u64, now: Instant) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let full = u128::from(self.per_second) * NANOS;
        let passed = now.saturating_duration_since(self.counted_at).as_nanos();
        self.left = full.min(self.left + passed * u128::from(self.per_second));
        self.counted_at = self.counted_at.max(now);
        match self.left.checked_sub(u128::from(units) * NANOS) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_rate_refills_with_time_and_never_beyond_a_second() {
        let start = Instant::now();
        let mut rate = Rate::new(1000, start);
        assert!(rate.spend(1000, start));
        assert!(!rate.spend(1, start));
        let later = start + Duration::from_millis(10);
        assert!(rate.spend(10, later));
        assert!(!rate.spend(1, later));
        let much_later = start + Duration::from_secs(60);
        assert!(rate.spend(1000, much_later));
        assert!(!rate.spend(1, much_later));
    }

    #[test]
    fn no_rate_is_no_limit() {
        let now = Instant::now();
        assert!(Rate::new(0, now).spend(u64::MAX, now));
    }

    #[test]
    fn holdings_count_by_user_and_by_tenant() {
        let limits =
            TenantLimits { allocations: 3, allocations_per_user: 2, ..TenantLimits::default() };
        let (tenant, mut holdings) = (TenantId(0), Holdings::default());
        for user in ["alice", "alice", "bob"] {
            assert!(holdings.admits(tenant, user, &limits));
            holdings.add(tenant, user);
        }
        assert!(!holdings.admits(tenant, "alice", &limits));
        assert!(!holdings.admits(tenant, "carol", &limits));
        holdings.remove(tenant, "alice");
        assert!(holdings.admits(tenant, "alice", &limits));
        assert!(holdings.admits(TenantId(1), "carol", &limits));
    }
}
