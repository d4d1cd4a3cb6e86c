//! Relayed addresses: a socket each, and the way past it to this process's media threads.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use confer_turn_core::{Family, Host, PortWish, RelayKind, RelayRequest, RelaySocket};
use rand::RngExt;
use rustix::event::epoll;
use tokio::runtime;

use crate::config::RelayAddress;
use crate::full::Full;
use crate::in_process::InProcess;
use crate::link::Link;
use crate::tcp_relay::TcpRelay;
use crate::udp::UdpPort;

/// Ports tried at random before all are tried in turn. Random, so that a relayed address cannot be
/// guessed (RFC 8656, section 7.2).
const RANDOM_TRIES: usize = 16;
/// Ports tried in turn before the range counts as exhausted.
const SCAN_TRIES: u16 = 1024;
/// Marks the places of relayed addresses among what a thread waits for.
pub(crate) const RELAY_TOKEN: u64 = 1 << 32;

/// Opens and holds the sockets of relayed addresses of one thread.
pub(crate) struct Relays {
    addresses: Vec<RelayAddress>,
    ports: RangeInclusive<u16>,
    buffer: usize,
    epoll: Arc<OwnedFd>,
    runtime: runtime::Handle,
    link: Link,
    places: Vec<Option<Place>>,
    free: Vec<usize>,
    by_address: HashMap<SocketAddr, usize>,
    /// This thread and how many there are. Relayed TCP addresses are shared out among them,
    /// because the system, which must let peers be connected to from a port that listens, would
    /// let two threads have the same one.
    share: (u16, u16),
    full: Full,
    pub(crate) in_process: InProcess,
}

struct Place {
    relayed: SocketAddr,
    socket: RelayedSocket,
}

enum RelayedSocket {
    Udp(UdpPort),
    Tcp(TcpRelay),
}

impl Relays {
    pub(crate) fn new(
        config: &crate::Config,
        epoll: Arc<OwnedFd>,
        runtime: runtime::Handle,
        link: Link,
        share: (u16, u16),
        full: Full,
        in_process: InProcess,
    ) -> Self {
        Self {
            addresses: config.relay.clone(),
            ports: config.relay_ports.clone(),
            buffer: config.socket_buffer,
            epoll,
            runtime,
            link,
            places: Vec::new(),
            free: Vec::new(),
            by_address: HashMap::new(),
            share,
            full,
            in_process,
        }
    }

    /// The UDP socket of a relayed address.
    pub(crate) fn udp(&self, relayed: SocketAddr) -> Option<&UdpPort> {
        let place = *self.by_address.get(&relayed)?;
        self.at(place).map(|(_, port)| port)
    }

    /// The UDP socket at a place, and its relayed address.
    pub(crate) fn at(&self, place: usize) -> Option<(SocketAddr, &UdpPort)> {
        match self.places.get(place)?.as_ref()? {
            Place { relayed, socket: RelayedSocket::Udp(port) } => Some((*relayed, port)),
            Place { socket: RelayedSocket::Tcp(_), .. } => None,
        }
    }

    /// Where to connect from, for peers of a relayed TCP address.
    pub(crate) fn tcp_local(&self, relayed: SocketAddr) -> Option<SocketAddr> {
        let place = *self.by_address.get(&relayed)?;
        match &self.places.get(place)?.as_ref()?.socket {
            RelayedSocket::Tcp(listener) => Some(listener.local()),
            RelayedSocket::Udp(_) => None,
        }
    }

    /// Closes a relayed address. The kernel forgets a closed socket's place among what is waited
    /// for.
    pub(crate) fn close(&mut self, relayed: SocketAddr) {
        if let Some(place) = self.by_address.remove(&relayed) {
            self.in_process.closed(relayed);
            if let Some(held) = self.places.get_mut(place) {
                *held = None;
            }
            self.full.give_back();
            self.free.push(place);
        }
    }

    fn bind(&mut self, address: RelayAddress, kind: RelayKind, port: u16) -> Option<SocketAddr> {
        let relayed = SocketAddr::new(address.external, port);
        if self.by_address.contains_key(&relayed) {
            return None;
        }
        let local = SocketAddr::new(address.bind, port);
        let place = self.free.last().copied().unwrap_or(self.places.len());
        let socket = match kind {
            RelayKind::Udp => {
                let udp = UdpPort::relay(local, self.buffer).ok()?;
                let token = epoll::EventData::new_u64(RELAY_TOKEN | place as u64);
                epoll::add(&self.epoll, udp.fd(), token, epoll::EventFlags::IN).ok()?;
                RelayedSocket::Udp(udp)
            }
            RelayKind::Tcp => {
                let link = self.link.clone();
                RelayedSocket::Tcp(TcpRelay::open(local, relayed, link, &self.runtime).ok()?)
            }
        };
        let held = Some(Place { relayed, socket });
        match self.free.pop().and_then(|free| self.places.get_mut(free)) {
            Some(free) => *free = held,
            None => self.places.push(held),
        }
        if kind == RelayKind::Udp {
            self.in_process.opened(relayed);
        }
        self.by_address.insert(relayed, place);
        Some(relayed)
    }

    fn try_port(
        &mut self,
        address: RelayAddress,
        request: RelayRequest,
        port: u16,
    ) -> Option<RelaySocket> {
        let relayed = self.bind(address, request.kind, port)?;
        if request.port != PortWish::EvenAndNext {
            return Some(RelaySocket { relayed, next: None });
        }
        match self.bind(address, request.kind, port + 1) {
            Some(next) => Some(RelaySocket { relayed, next: Some(next) }),
            None => {
                self.close(relayed);
                None
            }
        }
    }
}

impl Host for Relays {
    fn serves(&self, family: Family) -> bool {
        self.addresses.iter().any(|address| Family::of(address.external) == family)
    }

    fn open_relay(&mut self, request: RelayRequest) -> Option<RelaySocket> {
        let address = chosen(&self.addresses, request.family, request.server)?;
        let (range, now) = ((address.external, request.kind, request.port), Instant::now());
        if self.full.holds(range, now) {
            return None;
        }
        let (first, last) = (*self.ports.start(), *self.ports.end());
        let (this, threads) = self.share;
        let fits = |port: u16| {
            let parity = match request.port {
                PortWish::Any => true,
                PortWish::Even => port.is_multiple_of(2),
                PortWish::EvenAndNext => port.is_multiple_of(2) && port < last,
            };
            parity && (request.kind == RelayKind::Udp || port % threads == this)
        };
        if first > last {
            return None;
        }
        let mut rng = rand::rng();
        for _ in 0..RANDOM_TRIES {
            let port = rng.random_range(first..=last);
            if fits(port)
                && let Some(opened) = self.try_port(address, request, port)
            {
                return Some(opened);
            }
        }
        let start = rng.random_range(first..=last);
        let found = (start..=last)
            .chain(first..start)
            .filter(|port| fits(*port))
            .take(usize::from(SCAN_TRIES))
            .find_map(|port| self.try_port(address, request, port));
        if found.is_none() {
            self.full.note(range, now);
        }
        found
    }
}

/// Where to relay for a client that came in at `server`.
fn chosen(addresses: &[RelayAddress], family: Family, server: IpAddr) -> Option<RelayAddress> {
    let mut fitting = addresses.iter().filter(|address| Family::of(address.external) == family);
    let here = |address: &&RelayAddress| address.bind == server || address.external == server;
    fitting.clone().find(here).or_else(|| fitting.next()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_relayed_on_the_interface_where_it_came_in() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("a literal");
        let at = |bind, external| RelayAddress { bind: ip(bind), external: ip(external) };
        let addresses = [
            at("10.0.0.5", "203.0.113.5"),
            at("10.1.0.5", "203.0.113.6"),
            at("2001:db8::5", "2001:db8::5"),
        ];
        let found = |family, server| chosen(&addresses, family, ip(server)).map(|one| one.external);
        assert_eq!(found(Family::V4, "10.1.0.5"), Some(ip("203.0.113.6")));
        assert_eq!(found(Family::V4, "203.0.113.6"), Some(ip("203.0.113.6")));
        assert_eq!(found(Family::V4, "2001:db8::5"), Some(ip("203.0.113.5")));
        assert_eq!(found(Family::V6, "10.1.0.5"), Some(ip("2001:db8::5")));
        assert_eq!(chosen(&addresses[..2], Family::V6, ip("10.1.0.5")), None);
    }
}
