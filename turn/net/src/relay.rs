//! Relayed addresses: one UDP socket each.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use confer_turn_core::{Family, Host, PortWish, RelayKind, RelayRequest, RelaySocket};
use rand::RngExt;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

use crate::config::RelayAddress;
use crate::udp::DATAGRAM_LIMIT;
use crate::{Inbound, World};

/// Ports tried before the range counts as exhausted. Random, so that a relayed address cannot be
/// guessed (RFC 8656, section 7.2).
const PORT_TRIES: usize = 64;

/// Opens and holds the sockets of relayed addresses.
#[derive(Debug)]
pub(crate) struct Relays {
    addresses: Vec<RelayAddress>,
    ports: RangeInclusive<u16>,
    open: HashMap<SocketAddr, Relay>,
    world: World,
}

#[derive(Debug)]
struct Relay {
    socket: Arc<UdpSocket>,
    stop: CancellationToken,
}

impl Relays {
    pub(crate) fn new(
        addresses: Vec<RelayAddress>,
        ports: RangeInclusive<u16>,
        world: World,
    ) -> Self {
        Self { addresses, ports, open: HashMap::new(), world }
    }

    pub(crate) fn socket(&self, relayed: SocketAddr) -> Option<&UdpSocket> {
        self.open.get(&relayed).map(|relay| relay.socket.as_ref())
    }

    pub(crate) fn close(&mut self, relayed: SocketAddr) {
        if let Some(relay) = self.open.remove(&relayed) {
            relay.stop.cancel();
        }
    }

    fn spawn_reader(&self, socket: Arc<UdpSocket>, relayed: SocketAddr) -> CancellationToken {
        let stop = self.world.stop.child_token();
        let (inbound, stats) = (self.world.inbound.clone(), self.world.stats.clone());
        let reading = async move {
            let mut buffer = vec![0; DATAGRAM_LIMIT];
            loop {
                let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
                let packet = buffer[..length].to_vec();
                stats.queued(inbound.try_send(Inbound::Peer { relayed, peer, packet }));
            }
        };
        self.world.tasks.spawn(stop.clone().run_until_cancelled_owned(reading));
        stop
    }
}

impl Relays {
    /// Binds one port; `None` when it is taken.
    fn bind(&mut self, address: RelayAddress, port: u16) -> Option<SocketAddr> {
        let socket = std::net::UdpSocket::bind((address.bind, port)).ok()?;
        socket.set_nonblocking(true).ok()?;
        let socket = Arc::new(UdpSocket::from_std(socket).ok()?);
        let relayed = SocketAddr::new(address.external, port);
        let stop = self.spawn_reader(socket.clone(), relayed);
        self.open.insert(relayed, Relay { socket, stop });
        Some(relayed)
    }
}

impl Host for Relays {
    fn open_relay(&mut self, request: RelayRequest) -> Option<RelaySocket> {
        let address =
            *self.addresses.iter().find(|address| Family::of(address.bind) == request.family)?;
        // TCP allocations are refused by the configuration this crate makes.
        if request.kind == RelayKind::Tcp {
            return None;
        }
        let mut rng = rand::rng();
        for _ in 0..PORT_TRIES {
            let port: u16 = rng.random_range(self.ports.clone());
            let port = if request.port == PortWish::Any { port } else { port & !1 };
            let Some(relayed) = self.bind(address, port) else { continue };
            if request.port != PortWish::EvenAndNext {
                return Some(RelaySocket { relayed, next: None });
            }
            match self.bind(address, port + 1) {
                Some(next) => return Some(RelaySocket { relayed, next: Some(next) }),
                None => self.close(relayed),
            }
        }
        None
    }
}
