//! How allocations end, and what operators see and do.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::{CloseReason, Config, Event, FiveTuple, RelayKind, Reservation, Server};
use crate::allocation::{Relayed, Traffic};
use crate::credentials::{TenantId, identity};
use crate::nonce::Nonces;
use crate::quota::Kind;

/// One allocation, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    pub tuple: FiveTuple,
    pub tenant: TenantId,
    pub username: String,
    pub kind: RelayKind,
    pub relayed: Relayed,
    pub expires_in: Duration,
    pub traffic: Traffic,
}

impl Server {
    /// Ends what belonged to a client connection that is gone.
    pub fn handle_disconnect(&mut self, tuple: &FiveTuple, now: Instant) {
        self.forget_connection(tuple);
        self.close(tuple, CloseReason::Disconnected, now);
    }

    /// Ends every allocation of an identity, and what it keeps for later ones; says how many
    /// allocations there were. Of an identity that is written `a/b`, such as a user's login, each
    /// part alone ends all that it is a part of.
    pub fn kick(&mut self, user: &str, now: Instant) -> usize {
        let meant = |whole: &str| whole == user || whole.split('/').any(|part| part == user);
        let mut tuples: Vec<FiveTuple> = self
            .allocations
            .values()
            .filter(|allocation| meant(identity(&allocation.username)))
            .map(|allocation| allocation.tuple)
            .collect();
        tuples.sort();
        for tuple in &tuples {
            self.close(tuple, CloseReason::Kicked, now);
        }
        let kept = self.reservations.iter().filter(|(_, kept)| meant(&kept.user));
        let tokens: Vec<[u8; 8]> = kept.map(|(token, _)| *token).collect();
        for token in tokens {
            if let Some(reservation) = self.reservations.remove(&token) {
                self.reservation_ends.remove(reservation.expires, token);
                self.close_reservation(&reservation, now);
            }
        }
        tuples.len()
    }

    /// From now on no allocation is made; those that are live on.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether a client has an allocation.
    pub fn holds(&self, tuple: &FiveTuple) -> bool {
        self.allocations.contains_key(tuple)
    }

    /// Whether a stranger at this address may be answered now, for what is decided elsewhere; it
    /// counts if so.
    pub fn admits_stranger(&self, ip: IpAddr, now: Instant) -> bool {
        self.challenges.admit(ip, now)
    }

    /// How many allocations there are.
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// Every allocation, oldest five-tuple order.
    pub fn sessions(&self, now: Instant) -> Vec<SessionInfo> {
        let mut sessions: Vec<SessionInfo> = self
            .allocations
            .values()
            .map(|allocation| SessionInfo {
                tuple: allocation.tuple,
                tenant: allocation.tenant,
                username: allocation.username.clone(),
                kind: allocation.kind,
                relayed: allocation.relayed,
                expires_in: allocation.expires.saturating_duration_since(now),
                traffic: allocation.traffic(),
            })
            .collect();
        sessions.sort_by_key(|session| session.tuple);
        sessions
    }

    /// Takes changed secrets, users, limits and policies. Allocations stay, but permissions that
    /// the policy no longer gives are dropped. Tenants keep their places: they are told apart by
    /// these.
    pub fn reconfigure(&mut self, config: Config) {
        if config.nonce_secret != self.config.nonce_secret
            || config.nonce_lifetime != self.config.nonce_lifetime
        {
            self.nonces = Nonces::new(&config.nonce_secret, config.nonce_lifetime);
        }
        self.config = config;
        let Config { credentials, limits, .. } = &self.config;
        self.challenges.set(limits.challenges_per_prefix);
        self.ledger.reconfigure(credentials, limits);
        for allocation in self.allocations.values_mut() {
            if let Some(tenant) = credentials.tenant(allocation.tenant) {
                allocation.reconsider(&tenant.policy, &tenant.limits);
            }
        }
        self.reconsider_connections();
    }

    pub(super) fn close(&mut self, tuple: &FiveTuple, reason: CloseReason, now: Instant) {
        let Some(allocation) = self.allocations.remove(tuple) else { return };
        for relayed in allocation.relayed.iter() {
            self.by_relayed.remove(&relayed);
            self.events.push_back(Event::RelayClosed { relayed });
        }
        self.expiries.remove(allocation.expires, *tuple);
        if let Some(number) = allocation.mobility {
            let ticket = self.ticket(number);
            self.tickets.remove(&ticket);
        }
        self.close_connections_of(tuple);
        allocation.give_permissions_back();
        let (tenant, user) = (allocation.tenant, identity(&allocation.username));
        let traffic = allocation.traffic();
        self.ledger.give_back(Kind::Allocation, tenant, user, now);
        self.events.push_back(Event::Closed {
            tuple: *tuple,
            tenant: allocation.tenant,
            username: allocation.username,
            reason,
            since: allocation.since,
            traffic,
        });
    }

    /// Gives a port back that was kept for later.
    pub(super) fn close_reservation(&mut self, reservation: &Reservation, now: Instant) {
        let Reservation { relayed, tenant, user, .. } = reservation;
        self.ledger.give_back(Kind::Reservation, *tenant, user, now);
        self.events.push_back(Event::RelayClosed { relayed: *relayed });
    }

    /// Gives back one of two relayed addresses.
    pub(super) fn release(&mut self, tuple: &FiveTuple, relayed: SocketAddr) {
        let Some(allocation) = self.allocations.get_mut(tuple) else { return };
        match relayed {
            SocketAddr::V4(_) => allocation.relayed.v4 = None,
            SocketAddr::V6(_) => allocation.relayed.v6 = None,
        }
        self.by_relayed.remove(&relayed);
        self.events.push_back(Event::RelayClosed { relayed });
    }
}
