use std::time::Duration;

use super::*;
use crate::credentials::Tenant;

struct World {
    holdings: Holdings,
    limits: TenantLimits,
    all: Limits,
    now: Instant,
}

const HERE: TenantId = TenantId(0);
const ELSEWHERE: TenantId = TenantId(1);

fn world() -> World {
    World {
        holdings: Holdings::default(),
        limits: TenantLimits { allocations: 3, allocations_per_user: 2, ..TenantLimits::default() },
        all: Limits { allocations: 4, reservations: 1, ..Limits::default() },
        now: Instant::now(),
    }
}

impl World {
    fn claim(&mut self, tenant: TenantId, user: &str, kind: Kind) -> Result<Shares, Exceeded> {
        self.claim_instead(tenant, user, kind, None)
    }

    fn claim_instead(
        &mut self,
        tenant: TenantId,
        user: &str,
        kind: Kind,
        instead_of: Option<(TenantId, &str)>,
    ) -> Result<Shares, Exceeded> {
        let (tenant_limits, limits) = (&self.limits, &self.all);
        let claim = Claim { tenant, user, kind, instead_of, tenant_limits, limits };
        self.holdings.claim(&claim, self.now)
    }

    fn give_back(&mut self, tenant: TenantId, user: &str) {
        self.holdings.give_back(Kind::Allocation, tenant, user, self.now);
    }
}

#[test]
fn holdings_count_by_user_by_tenant_and_together() {
    let mut world = world();
    for user in ["alice", "alice", "bob"] {
        assert!(world.claim(HERE, user, Kind::Allocation).is_ok());
    }
    assert_eq!(world.claim(HERE, "alice", Kind::Allocation).err(), Some(Exceeded::Quota));
    assert_eq!(world.claim(HERE, "carol", Kind::Allocation).err(), Some(Exceeded::Quota));
    assert!(world.claim(ELSEWHERE, "carol", Kind::Allocation).is_ok());
    assert_eq!(world.claim(ELSEWHERE, "carol", Kind::Allocation).err(), Some(Exceeded::Capacity));
    world.give_back(HERE, "alice");
    assert!(world.claim(HERE, "alice", Kind::Allocation).is_ok());
}

#[test]
fn a_kept_port_counts_as_the_allocation_it_will_be() {
    let mut world = world();
    assert!(world.claim(HERE, "alice", Kind::Allocation).is_ok());
    assert!(world.claim(HERE, "alice", Kind::Reservation).is_ok());
    assert_eq!(world.claim(HERE, "alice", Kind::Allocation).err(), Some(Exceeded::Quota));
    assert_eq!(world.claim(HERE, "bob", Kind::Reservation).err(), Some(Exceeded::Capacity));
    let instead_of = Some((HERE, "alice"));
    assert!(world.claim_instead(HERE, "alice", Kind::Allocation, instead_of).is_ok());
    assert!(world.claim(HERE, "bob", Kind::Allocation).is_ok(), "three, and none kept");
}

#[test]
fn a_refusal_gives_nothing_of_anybody_away() {
    let mut world = world();
    world.all.allocations = 0;
    assert!(world.claim(HERE, "alice", Kind::Reservation).is_ok());
    let instead_of = Some((HERE, "alice"));
    let refused = world.claim_instead(ELSEWHERE, "bob", Kind::Allocation, instead_of);
    assert_eq!(refused.err(), Some(Exceeded::Capacity));
    assert_eq!(world.claim(HERE, "alice", Kind::Reservation).err(), Some(Exceeded::Capacity));
}

#[test]
fn users_share_rates_with_themselves_and_tenants_among_users() {
    let mut world = world();
    world.limits.user_packets_per_second = 2;
    world.limits.tenant_packets_per_second = 3;
    let one = world.claim(HERE, "alice", Kind::Allocation).expect("there is room");
    let two = world.claim(HERE, "alice", Kind::Allocation).expect("there is room");
    let other = world.claim(HERE, "bob", Kind::Allocation).expect("there is room");
    let now = world.now;
    assert_eq!([&one, &two, &one].map(|shares| shares.spend(9, now)), [true, true, false]);
    assert_eq!([&other, &other].map(|shares| shares.spend(9, now)), [true, false]);
}

#[test]
fn who_leaves_and_comes_back_at_once_has_no_more_than_who_stays() {
    let mut world = world();
    world.limits.user_bytes_per_second = 1000;
    for (passed, spent) in [(0, true), (0, false), (1000, true)] {
        world.now += Duration::from_millis(passed);
        let shares = world.claim(HERE, "alice", Kind::Allocation).expect("there is room");
        assert_eq!(shares.spend(1000, world.now), spent);
        world.give_back(HERE, "alice");
    }
    world.now += BURST;
    assert!(world.claim(HERE, "bob", Kind::Allocation).is_ok());
    world.give_back(HERE, "bob");
    assert!(world.holdings.users.is_empty() && world.holdings.leaving.is_empty());
}

#[test]
fn changed_rates_hold_for_those_who_hold_something() {
    let mut world = world();
    let shares = world.claim(HERE, "alice", Kind::Allocation).expect("there is room");
    assert!(shares.spend(1_000_000, world.now) && shares.take_permissions(2));
    let limits = TenantLimits {
        user_bytes_per_second: 100,
        permissions_per_user: 3,
        ..TenantLimits::default()
    };
    let credentials = Credentials::new(vec![Tenant { limits, ..Tenant::default() }]);
    world.holdings.reconfigure(&credentials, &Limits::default());
    assert!(!shares.spend(101, world.now) && shares.spend(100, world.now));
    assert!(!shares.take_permissions(2) && shares.take_permissions(1));
    shares.give_permissions_back(3);
    assert!(shares.take_permissions(3));
}
