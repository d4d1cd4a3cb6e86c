//! A budget of unauthenticated answers per network, and one of wrong proofs, in memory that never
//! grows.
//!
//! Networks share a fixed table by a keyed hash. Two that meet in one place share its budget for a
//! while, which a spoofing attacker can provoke only by luck.

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use aws_lc_rs::hmac;

use crate::quota::{Since, has_room, spend};

/// Places in each of the two tables: 32 KB.
const PLACES: usize = 4096;

/// Who may still be answered without authentication, by all servers that share it.
pub struct Challenges {
    keys: [u64; 2],
    /// Zero for no limit.
    per_second: AtomicU64,
    beginning: Instant,
    /// For each place, when all that was spent is earned; see [`spend`].
    answers: Vec<AtomicU64>,
    /// The same for wrong proofs. Apart, because answers are spent by whoever is named as a source.
    wrong_proofs: Vec<AtomicU64>,
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Challenges").field("per_second", &self.per_second).finish_non_exhaustive()
    }
}

impl Challenges {
    /// A full budget for everybody; `secret` decides who shares a place.
    pub fn new(secret: &[u8], per_second: u64, now: Instant) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, b"networks");
        let mut keys = [0; 2];
        for (key, bytes) in keys.iter_mut().zip(tag.as_ref().chunks_exact(8)) {
            *key = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        }
        let places = || (0..PLACES).map(|_| AtomicU64::new(0)).collect();
        let (answers, wrong_proofs) = (places(), places());
        let per_second = AtomicU64::new(per_second);
        Self { keys, per_second, beginning: now, answers, wrong_proofs }
    }

    /// Whether a client at `ip` is answered now; counts it if so.
    pub(crate) fn admit(&self, ip: IpAddr, now: Instant) -> bool {
        self.spends(&self.answers, ip, now)
    }

    /// Whether a proof of a client at `ip` is looked at now.
    pub(crate) fn hears_proofs(&self, ip: IpAddr, now: Instant) -> bool {
        let per_second = self.per_second.load(Ordering::Relaxed);
        let place = self.wrong_proofs.get(self.place(ip)).filter(|_| per_second > 0);
        place.is_none_or(|place| has_room(place, 1, per_second, now.since(self.beginning)))
    }

    /// Counts a proof that was wrong.
    pub(crate) fn heard_wrong_proof(&self, ip: IpAddr, now: Instant) {
        self.spends(&self.wrong_proofs, ip, now);
    }

    fn spends(&self, places: &[AtomicU64], ip: IpAddr, now: Instant) -> bool {
        let per_second = self.per_second.load(Ordering::Relaxed);
        let Some(place) = places.get(self.place(ip)).filter(|_| per_second > 0) else {
            return true;
        };
        spend(place, 1, per_second, now.since(self.beginning)).is_some()
    }

    /// Another budget from now on.
    pub(crate) fn set(&self, per_second: u64) {
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    /// IPv4 addresses stand alone, IPv6 ones with their /56: what one customer usually has.
    fn place(&self, ip: IpAddr) -> usize {
        let network = match ip {
            IpAddr::V4(ip) => u64::from(u32::from(ip)),
            IpAddr::V6(ip) => (u128::from(ip) >> 72) as u64 | 1 << 63,
        };
        let [multiplier, shift] = self.keys;
        let mixed = (network ^ shift).wrapping_mul(multiplier | 1);
        let mixed = (mixed ^ mixed >> 32).wrapping_mul(shift | 1);
        (mixed >> 52) as usize % PLACES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_network_is_silent_once_its_budget_is_spent_and_others_are_not() {
        let now = Instant::now();
        let challenges = Challenges::new(b"secret", 10, now);
        let flooder = IpAddr::from([192, 0, 2, 1]);
        let admitted = (0..100).filter(|_| challenges.admit(flooder, now)).count();
        assert_eq!(admitted, 10);
        assert!(challenges.admit(IpAddr::from([192, 0, 2, 2]), now));
        assert!(challenges.admit(flooder, now + Duration::from_secs(1)));
    }

    #[test]
    fn wrong_proofs_have_a_budget_of_their_own() {
        let now = Instant::now();
        let challenges = Challenges::new(b"secret", 2, now);
        let ip = IpAddr::from([192, 0, 2, 1]);
        while challenges.admit(ip, now) {}
        assert!(challenges.hears_proofs(ip, now), "a right one costs nothing");
        challenges.heard_wrong_proof(ip, now);
        assert!(challenges.hears_proofs(ip, now));
        challenges.heard_wrong_proof(ip, now);
        assert!(!challenges.hears_proofs(ip, now));
        assert!(challenges.hears_proofs(ip, now + Duration::from_secs(1)));
    }

    #[test]
    fn one_customers_ipv6_addresses_share_a_budget() {
        let now = Instant::now();
        let challenges = Challenges::new(b"secret", 1, now);
        let ip = |last| IpAddr::from([0x2001, 0xdb8, 0, 0x12, 0, 0, 0, last]);
        assert!(challenges.admit(ip(1), now));
        assert!(!challenges.admit(ip(2), now));
    }
}
