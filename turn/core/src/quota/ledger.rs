//! Who holds how many allocations and kept ports, of everybody in a process.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::meter::{BURST, Share};
use super::{Shares, TenantLimits};
use crate::credentials::{Credentials, TenantId};
use crate::server::Limits;

/// What of the kind counts against limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Allocation,
    /// A port that is kept for a later allocation (RFC 8656, section 7.2): for its user and tenant
    /// it is one already.
    Reservation,
}

/// What somebody wants to have.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'c> {
    pub tenant: TenantId,
    /// The identity, see [`identity`](crate::credentials::identity).
    pub user: &'c str,
    pub kind: Kind,
    /// Whose kept port it is that ends for this.
    pub instead_of: Option<(TenantId, &'c str)>,
    pub tenant_limits: &'c TenantLimits,
    pub limits: &'c Limits,
}

/// Which limit a claim meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exceeded {
    /// The user's or the tenant's (486).
    Quota,
    /// The process's (508).
    Capacity,
}

/// What servers count together.
///
/// [`Holdings`] is one for a single server; a process with several puts one behind a lock, which
/// is taken when something is made or ends and never for a packet.
pub trait Ledger: fmt::Debug + Send {
    /// Notes what somebody wants to have, if the limits leave room for it.
    ///
    /// # Errors
    /// As [`Exceeded`] says; nothing has changed then.
    fn claim(&mut self, claim: &Claim<'_>, now: Instant) -> Result<Shares, Exceeded>;

    /// Notes that somebody has one less.
    fn give_back(&mut self, kind: Kind, tenant: TenantId, user: &str, now: Instant);

    /// Gives changed rates to all who hold something.
    fn reconfigure(&mut self, credentials: &Credentials, limits: &Limits);
}

/// Who holds what.
#[derive(Debug, Default)]
pub struct Holdings {
    users: BTreeMap<(TenantId, String), User>,
    tenants: BTreeMap<TenantId, Group>,
    all: Option<Arc<Share>>,
    allocations: usize,
    reservations: usize,
    /// Users who have nothing any more but spent more than they had earned, in the order they left.
    leaving: VecDeque<(Instant, (TenantId, String))>,
}

#[derive(Debug)]
struct User {
    held: u32,
    share: Arc<Share>,
    /// When the last of what it held was given back.
    left_at: Option<Instant>,
}

#[derive(Debug)]
struct Group {
    held: u32,
    share: Arc<Share>,
}

impl Holdings {
    fn fits(&self, claim: &Claim<'_>) -> Result<(), Exceeded> {
        let user = self.users.get(&(claim.tenant, claim.user.to_owned()));
        let (of_user, of_tenant) = (
            user.map_or(0, |user| user.held),
            self.tenants.get(&claim.tenant).map_or(0, |tenant| tenant.held),
        );
        let limits = claim.tenant_limits;
        if of_user >= limits.allocations_per_user || of_tenant >= limits.allocations {
            return Err(Exceeded::Quota);
        }
        let full = match claim.kind {
            Kind::Allocation => self.allocations >= claim.limits.allocations,
            Kind::Reservation => self.reservations >= claim.limits.reservations,
        };
        if full { Err(Exceeded::Capacity) } else { Ok(()) }
    }

    /// Counts one more or one less of somebody who is known.
    fn count(&mut self, kind: Kind, tenant: TenantId, user: &str, step: Step) {
        let all = match kind {
            Kind::Allocation => &mut self.allocations,
            Kind::Reservation => &mut self.reservations,
        };
        *all = match step {
            Step::More => all.saturating_add(1),
            Step::Less => all.saturating_sub(1),
        };
        let user = self.users.get_mut(&(tenant, user.to_owned())).map(|user| &mut user.held);
        let tenant = self.tenants.get_mut(&tenant).map(|tenant| &mut tenant.held);
        for held in [user, tenant].into_iter().flatten() {
            *held = match step {
                Step::More => held.saturating_add(1),
                Step::Less => held.saturating_sub(1),
            };
        }
    }

    /// Forgets a user who has nothing. One who spent more than it had earned is remembered until
    /// that is earned: coming back at once would be a way around its rates.
    fn part(&mut self, key: (TenantId, String), now: Instant) {
        let Some(user) = self.users.get_mut(&key).filter(|user| user.held == 0) else { return };
        if user.share.rates.are_full(now) {
            self.users.remove(&key);
        } else {
            user.left_at = Some(now);
            self.leaving.push_back((now, key));
        }
    }

    fn forget_the_gone(&mut self, now: Instant) {
        while let Some((left_at, _)) = self.leaving.front()
            && *left_at + BURST <= now
            && let Some((left_at, key)) = self.leaving.pop_front()
        {
            let still = |user: &User| user.held == 0 && user.left_at == Some(left_at);
            if self.users.get(&key).is_some_and(still) {
                self.users.remove(&key);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Step {
    More,
    Less,
}

impl Ledger for Holdings {
    fn claim(&mut self, claim: &Claim<'_>, now: Instant) -> Result<Shares, Exceeded> {
        self.forget_the_gone(now);
        if let Some((tenant, user)) = claim.instead_of {
            self.count(Kind::Reservation, tenant, user, Step::Less);
        }
        let fits = self.fits(claim);
        if let (Err(_), Some((tenant, user))) = (fits, claim.instead_of) {
            self.count(Kind::Reservation, tenant, user, Step::More);
        }
        fits?;
        let limits = claim.tenant_limits;
        let user = self.users.entry((claim.tenant, claim.user.to_owned())).or_insert_with(|| {
            User { held: 0, share: Arc::new(Share::of_user(limits, now)), left_at: None }
        });
        let tenant = self
            .tenants
            .entry(claim.tenant)
            .or_insert_with(|| Group { held: 0, share: Arc::new(Share::of_tenant(limits, now)) });
        let all = self.all.get_or_insert_with(|| Arc::new(Share::of_all(claim.limits, now)));
        let shares = Shares {
            user: Arc::clone(&user.share),
            tenant: Arc::clone(&tenant.share),
            all: Arc::clone(all),
        };
        self.count(claim.kind, claim.tenant, claim.user, Step::More);
        if let Some((tenant, user)) = claim.instead_of {
            self.part((tenant, user.to_owned()), now);
        }
        Ok(shares)
    }

    fn give_back(&mut self, kind: Kind, tenant: TenantId, user: &str, now: Instant) {
        self.forget_the_gone(now);
        self.count(kind, tenant, user, Step::Less);
        self.part((tenant, user.to_owned()), now);
    }

    fn reconfigure(&mut self, credentials: &Credentials, limits: &Limits) {
        if let Some(all) = &self.all {
            all.rates.set(limits.rates());
        }
        for (id, group) in &self.tenants {
            if let Some(tenant) = credentials.tenant(*id) {
                group.share.rates.set(tenant.limits.tenant_rates());
            }
        }
        for ((id, _), user) in &self.users {
            if let Some(tenant) = credentials.tenant(*id) {
                user.share.set_user(&tenant.limits);
            }
        }
    }
}

#[cfg(test)]
mod tests;
