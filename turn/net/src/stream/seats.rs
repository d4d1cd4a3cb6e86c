//! How many connections one network may have.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Connections by network. Only networks that have any are remembered.
#[derive(Clone, Debug)]
pub(crate) struct Prefixes {
    taken: Arc<Mutex<HashMap<IpAddr, u32>>>,
    most: u32,
}

/// A place for one connection; dropping it leaves it to others.
#[derive(Debug)]
pub(crate) struct Seat {
    prefixes: Prefixes,
    prefix: IpAddr,
}

impl Prefixes {
    pub(crate) fn new(most: u32) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// A place for a client, if its network has one left.
    pub(crate) fn sit(&self, client: IpAddr) -> Option<Seat> {
        let prefix = prefix(client);
        let mut taken = self.lock();
        let count = taken.entry(prefix).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Seat { prefixes: self.clone(), prefix })
    }

    /// A thread that panicked while counting has counted.
    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u32>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.prefixes.lock();
        if let Some(count) = taken.get_mut(&self.prefix) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.prefix);
            }
        }
    }
}

/// IPv4 addresses stand alone, IPv6 ones with their /56: what one customer usually has.
fn prefix(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from(u128::from(ip) >> 72 << 72)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_so_many_places_and_gets_them_back() {
        let prefixes = Prefixes::new(2);
        let ip = |last| IpAddr::from([0x2001, 0xdb8, 0, 0x12, 0, 0, 0, last]);
        let (first, second) = (prefixes.sit(ip(1)), prefixes.sit(ip(2)));
        assert!(first.is_some() && second.is_some());
        assert!(prefixes.sit(ip(3)).is_none());
        assert!(prefixes.sit(IpAddr::from([192, 0, 2, 1])).is_some());
        drop(first);
        assert!(prefixes.sit(ip(3)).is_some());
        drop(second);
        assert!(prefixes.lock().is_empty());
    }
}
