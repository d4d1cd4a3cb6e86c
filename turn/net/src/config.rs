use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// How the relay reaches the world.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses to listen on, each over UDP and TCP.
    pub listen: Vec<SocketAddr>,
    /// Where relayed addresses are opened, at most one per family.
    pub relay: Vec<RelayAddress>,
    /// Ports of relayed addresses.
    pub relay_ports: RangeInclusive<u16>,
    /// Simultaneous client connections over TCP, per listener.
    pub tcp_connections: usize,
    /// Decisions and their limits.
    pub core: confer_turn_core::Config,
    /// Wall time in seconds since 1970, which credentials are dated by.
    pub unix_time: fn() -> u64,
}

/// An interface to relay on, and how peers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayAddress {
    pub bind: IpAddr,
    /// Differs from `bind` behind one-to-one NAT, or when `bind` is the wildcard.
    pub external: IpAddr,
}

/// Why the relay did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Somebody else holds the port, or the address is not of this host.
    #[error(
        "cannot listen for TURN on {address}; stop what uses the port, or set turn.listen to another"
    )]
    Listen {
        address: SocketAddr,
        #[source]
        cause: io::Error,
    },
}
