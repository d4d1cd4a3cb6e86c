//! A budget of unauthenticated answers per network, in memory that never grows.
//!
//! Networks share a fixed table by a keyed hash. Two that meet in one place share its budget for a
//! while, which a spoofing attacker can provoke only by luck.

use std::net::IpAddr;
use std::time::Instant;

use aws_lc_rs::hmac;

use crate::quota::Rate;

/// Places in the table: 200 KB in all.
const PLACES: usize = 4096;

/// Who may still be answered without authentication.
#[derive(Debug)]
pub(crate) struct Challenges {
    keys: [u64; 2],
    per_second: u64,
    places: Vec<Option<Rate>>,
}

impl Challenges {
    pub(crate) fn new(secret: &[u8], per_second: u64) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, b"networks");
        let mut keys = [0; 2];
        for (key, bytes) in keys.iter_mut().zip(tag.as_ref().chunks_exact(8)) {
            *key = bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        }
        Self { keys, per_second, places: vec![None; PLACES] }
    }

    /// Whether a client at `ip` is answered now; counts it if so.
    pub(crate) fn admit(&mut self, ip: IpAddr, now: Instant) -> bool {
        let place = self.place(ip);
        let Some(place) = self.places.get_mut(place) else { return true };
        place.get_or_insert_with(|| Rate::new(self.per_second, now)).spend(1, now)
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
        let mut challenges = Challenges::new(b"secret", 10);
        let flooder = IpAddr::from([192, 0, 2, 1]);
        let admitted = (0..100).filter(|_| challenges.admit(flooder, now)).count();
        assert_eq!(admitted, 10);
        assert!(challenges.admit(IpAddr::from([192, 0, 2, 2]), now));
        assert!(challenges.admit(flooder, now + Duration::from_secs(1)));
    }

    #[test]
    fn one_customers_ipv6_addresses_share_a_budget() {
        let now = Instant::now();
        let mut challenges = Challenges::new(b"secret", 1);
        let ip = |last| IpAddr::from([0x2001, 0xdb8, 0, 0x12, 0, 0, 0, last]);
        assert!(challenges.admit(ip(1), now));
        assert!(!challenges.admit(ip(2), now));
    }
}
