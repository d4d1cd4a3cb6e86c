//! How the relay reaches the world.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use confer_turn_core::Transport;
use ipnet::IpNet;

use crate::certificate::{Certificate, CertificateError};

/// Threads at most: their numbers travel in one byte.
const MOST_THREADS: usize = 256;

/// How the relay reaches the world.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients reach it.
    pub listen: Vec<Listener>,
    /// Where relayed addresses are opened. Of several of one family it is the one where the client
    /// reached this server, else the first.
    pub relay: Vec<RelayAddress>,
    /// Ports of relayed addresses.
    pub relay_ports: RangeInclusive<u16>,
    /// Threads that relay; 0 means one per core. A client stays on one thread.
    pub threads: u16,
    /// Bytes that the kernel may hold for each UDP socket; it may grant less.
    pub socket_buffer: usize,
    /// What clients over TLS are shown; without it TLS is not served.
    pub certificate: Option<Certificate>,
    /// Load balancers whose PROXY headers are believed. Connections from there must have one.
    pub proxies: Vec<IpNet>,
    pub limits: Limits,
    /// Decisions and their limits.
    pub core: confer_turn_core::Config,
    /// Wall time in seconds since 1970, which credentials are dated by.
    pub unix_time: fn() -> u64,
}

/// An address that clients reach, and in what they may speak there.
///
/// TCP and TLS share a port, and so do UDP and DTLS: the first byte tells them apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    pub address: SocketAddr,
    pub transports: Vec<Transport>,
}

impl Listener {
    /// Over UDP and TCP.
    pub fn plain(address: SocketAddr) -> Self {
        Self { address, transports: vec![Transport::Udp, Transport::Tcp] }
    }

    pub(crate) fn datagrams(&self) -> bool {
        self.serves(Transport::Udp) || self.serves(Transport::Dtls)
    }

    pub(crate) fn streams(&self) -> bool {
        self.serves(Transport::Tcp) || self.serves(Transport::Tls)
    }

    pub(crate) fn serves(&self, transport: Transport) -> bool {
        self.transports.contains(&transport)
    }
}

/// An interface to relay on, and how peers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayAddress {
    pub bind: IpAddr,
    /// Differs from `bind` behind one-to-one NAT, or when `bind` is the wildcard.
    pub external: IpAddr,
}

/// Caps on client connections. Those of allocations are in [`confer_turn_core::Limits`].
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections over TCP and TLS, per listener, and those over DTLS of all listeners.
    pub connections_per_listener: usize,
    /// Connections from one IPv4 address or IPv6 /56.
    pub connections_per_prefix: u32,
    /// From the connection to the first whole frame, TLS handshake included.
    pub greeting: Duration,
    /// A connection that says nothing whole for this long is closed; clients refresh far more often.
    pub idle: Duration,
    /// A connection that holds no allocation for this long is closed, whatever it says.
    pub unused: Duration,
    /// A connection that takes nothing for this long, though there is something, is closed.
    pub stalled: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_per_listener: 10_000,
            // Whole offices stand behind one address.
            connections_per_prefix: 1_000,
            greeting: Duration::from_secs(10),
            // As long as an allocation lives without a refresh.
            idle: Duration::from_secs(600),
            // Allocating takes a client a few round trips.
            unused: Duration::from_secs(60),
            stalled: Duration::from_secs(30),
        }
    }
}

impl Config {
    /// How many threads this is: [`Config::threads`], or one per core.
    pub fn thread_count(&self) -> usize {
        let threads = match self.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => usize::from(threads),
        };
        threads.min(MOST_THREADS)
    }
}

impl Default for Config {
    /// Listens nowhere, relays nowhere, and lives in 1970.
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            relay: Vec::new(),
            // The dynamic ports (RFC 6335, section 6), as RFC 8656, section 7.2, advises.
            relay_ports: 49_152..=65_535,
            threads: 1,
            socket_buffer: 4 * 1024 * 1024,
            certificate: None,
            proxies: Vec::new(),
            limits: Limits::default(),
            core: confer_turn_core::Config::default(),
            unix_time: || 0,
        }
    }
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
    /// TLS or DTLS is to be served, and there is nothing to show.
    #[error("{address} shall serve TURN over TLS or DTLS, but there is no certificate")]
    NoCertificate { address: SocketAddr },
    #[error("the certificate for TURN cannot be used")]
    Certificate(#[from] CertificateError),
    /// The operating system gave no thread, or no way to wake one.
    #[error("a relay thread could not be started")]
    Thread(#[source] io::Error),
}
