use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Sockets that were opened without a token and have not presented one: few of them in all, and of each address, so that
/// nobody without a token can keep others out.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    total: usize,
    per_address: usize,
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place in the waiting room, for as long as it is held.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<WaitingRoom>,
    address: Option<IpAddr>,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// Too many of this address wait.
    Address,
    /// Too many wait.
    Room,
}

impl WaitingRoom {
    pub(crate) fn new(total: usize, per_address: usize) -> Self {
        Self { total, per_address, places: Mutex::default() }
    }

    /// Takes a place; an address that is not known counts only in the total.
    pub(crate) fn enter(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, Full> {
        let address = address.map(network);
        let mut places = self.lock();
        if places.taken >= self.total {
            return Err(Full::Room);
        }
        if let Some(address) = address {
            let taken = places.by_address.entry(address).or_default();
            if *taken >= self.per_address {
                return Err(Full::Address);
            }
            *taken += 1;
        }
        places.taken += 1;
        Ok(Place { room: Arc::clone(self), address })
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        // Nothing that can panic runs under this lock.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.room.lock();
        places.taken -= 1;
        if let Some(address) = self.address
            && let Some(taken) = places.by_address.get_mut(&address)
        {
            *taken -= 1;
            if *taken == 0 {
                places.by_address.remove(&address);
            }
        }
    }
}

/// What one subscriber is likely to hold: an IPv4 address, or an IPv6 network of 64 bits
/// (RFC 6177).
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn one_address_cannot_take_every_place() {
        let room = Arc::new(WaitingRoom::new(3, 2));
        let first = room.enter(address("192.0.2.1")).expect("a place");
        let _second = room.enter(address("::ffff:192.0.2.1")).expect("a place");
        assert_eq!(room.enter(address("192.0.2.1")).err(), Some(Full::Address));
        let _third = room.enter(address("192.0.2.2")).expect("a place");
        assert_eq!(room.enter(None).err(), Some(Full::Room));
        drop(first);
        assert!(room.enter(address("192.0.2.1")).is_ok());
    }

    #[test]
    fn an_ipv6_subscriber_counts_as_one() {
        let room = Arc::new(WaitingRoom::new(10, 1));
        let _first = room.enter(address("2001:db8:0:1::1")).expect("a place");
        assert_eq!(room.enter(address("2001:db8:0:1::2")).err(), Some(Full::Address));
        assert!(room.enter(address("2001:db8:0:2::1")).is_ok());
    }
}
