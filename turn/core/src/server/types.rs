//! What goes into the relay and what comes out of it.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::allocation::{Relayed, Traffic};
use crate::credentials::{Credentials, TenantId};
use crate::frame::ChannelRange;

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    Udp,
    Tcp,
    Tls,
    Dtls,
}

impl Transport {
    /// Whether frames follow each other in a stream and are padded (RFC 8656, section 12.5).
    pub fn is_stream(self) -> bool {
        match self {
            Self::Tcp | Self::Tls => true,
            Self::Udp | Self::Dtls => false,
        }
    }
}

/// What names an allocation on the client's side (RFC 8656, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FiveTuple {
    pub client: SocketAddr,
    pub server: SocketAddr,
    pub transport: Transport,
}

/// In one piece instead of field by field: every packet has this hashed.
impl Hash for FiveTuple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ports = u64::from(self.client.port()) << 16 | u64::from(self.server.port());
        let rest = ports << 8 | self.transport as u64;
        let mut key = [0; 40];
        let length = match (self.client.ip(), self.server.ip()) {
            (IpAddr::V4(client), IpAddr::V4(server)) => {
                let ips = u64::from(client.to_bits()) << 32 | u64::from(server.to_bits());
                key[8..16].copy_from_slice(&ips.to_ne_bytes());
                16
            }
            (client, server) => {
                key[8..24].copy_from_slice(&bits(client).to_ne_bytes());
                key[24..].copy_from_slice(&bits(server).to_ne_bytes());
                key.len()
            }
        };
        key[..8].copy_from_slice(&rest.to_ne_bytes());
        state.write(&key[..length]);
    }
}

fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// The time, as a caller read it: steady for lifetimes, wall for what carries a date.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub steady: Instant,
    /// Seconds since 1970.
    pub unix: u64,
}

/// Where relayed addresses come from: the part of the shell that opens sockets.
pub trait Host {
    /// Opens a socket for one allocation. `None` when no port is left or the family is not served.
    fn open_relay(&mut self, request: RelayRequest) -> Option<RelaySocket>;

    /// Whether relayed addresses of this family are there at all (440 if not).
    fn serves(&self, _family: Family) -> bool {
        true
    }
}

/// A relayed address that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelayRequest {
    pub family: Family,
    pub kind: RelayKind,
    pub port: PortWish,
    /// Where the client reached this server, which may tell the interface to relay on.
    pub server: IpAddr,
}

/// Which port a relayed address shall have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortWish {
    Any,
    Even,
    /// An even one, with the next one opened as well and kept.
    EvenAndNext,
}

/// What was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RelaySocket {
    /// As peers see it.
    pub relayed: SocketAddr,
    /// The one on the next port, for [`PortWish::EvenAndNext`].
    pub next: Option<SocketAddr>,
}

/// REQUESTED-ADDRESS-FAMILY (RFC 8656, section 18.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    V4,
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    pub(super) fn read(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::V4),
            2 => Some(Self::V6),
            _ => None,
        }
    }
}

/// REQUESTED-TRANSPORT: what relayed packets travel in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RelayKind {
    Udp,
    /// RFC 6062.
    Tcp,
}

/// Names one connection between a peer and a relayed TCP address (RFC 6062, section 6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u32);

/// Why a peer could not be connected (447 in all cases; counted apart).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    Refused,
    TimedOut,
}

/// What the shell must do with the packet it just handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Drop(DropReason),
    /// Send what was appended back to the client; from another of our addresses if one is named
    /// (RFC 5780).
    Reply {
        from: Option<SocketAddr>,
        to: Option<SocketAddr>,
    },
    /// Send these bytes of the packet from `relayed` to `peer`.
    ToPeer {
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: Range<usize>,
        dont_fragment: bool,
    },
    /// Send what was appended, which carries a peer's packet or news of one, to this client.
    ToClient(FiveTuple),
    /// Connect from `relayed` to `peer`, then say how it went with `handle_connected`.
    Connect {
        id: ConnectionId,
        relayed: SocketAddr,
        peer: SocketAddr,
    },
    /// Send what was appended; from the next byte on, this client connection and the peer
    /// connection are one stream.
    Splice(ConnectionId),
}

impl Verdict {
    /// A plain answer.
    pub(super) const REPLY: Self = Self::Reply { from: None, to: None };
}

/// Why a packet went no further. Each is a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DropReason {
    /// Neither STUN nor ChannelData, or cut.
    NotTurn,
    /// An answer, or an indication nobody expects.
    Unexpected,
    /// No allocation on this five-tuple or relayed address.
    NoAllocation,
    /// No such channel.
    NoChannel,
    /// No permission for this peer.
    NotPermitted,
    /// The policy refuses this peer.
    PeerDenied,
    /// Larger than a relayed packet can be.
    TooLarge,
    /// The allocation, its user, its tenant or all together relay as much as they may.
    OverRate,
    /// Too many unauthenticated requests from this network.
    ChallengesSpent,
    /// Over DTLS, of nobody who has a session or begins one.
    NoSession,
}

impl DropReason {
    /// Every reason, in the order of their numbers.
    pub const ALL: [Self; 10] = [
        Self::NotTurn,
        Self::Unexpected,
        Self::NoAllocation,
        Self::NoChannel,
        Self::NotPermitted,
        Self::PeerDenied,
        Self::TooLarge,
        Self::OverRate,
        Self::ChallengesSpent,
        Self::NoSession,
    ];
}

/// Something others want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Allocated {
        tuple: FiveTuple,
        tenant: TenantId,
        username: String,
        relayed: Relayed,
    },
    Refreshed {
        tuple: FiveTuple,
        lifetime: Duration,
        /// What it carried so far.
        traffic: Traffic,
    },
    /// The client went on from another address (RFC 8016).
    Moved {
        from: FiveTuple,
        to: FiveTuple,
    },
    Closed {
        tuple: FiveTuple,
        tenant: TenantId,
        username: String,
        reason: CloseReason,
        /// When it was made.
        since: Instant,
        traffic: Traffic,
    },
    /// A relayed address is free; its socket is to be closed.
    RelayClosed {
        relayed: SocketAddr,
    },
    /// A connection to or from a peer is to be closed.
    ConnectionClosed {
        id: ConnectionId,
    },
}

/// Why an allocation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CloseReason {
    /// Not refreshed in time.
    Expired,
    /// The client asked for a lifetime of zero.
    Released,
    /// Its connection ended.
    Disconnected,
    /// The server ended it.
    Kicked,
}

/// Caps of the whole process. Tenants have their own beside them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Allocations (508).
    pub allocations: usize,
    /// Peers one allocation may have permissions for (508).
    pub permissions_per_allocation: u16,
    /// Channels of one allocation (508).
    pub channels_per_allocation: u16,
    /// Peer connections of one TCP allocation (508).
    pub connections_per_allocation: u16,
    /// Unauthenticated answers a second to one IPv4 address or IPv6 /56; beyond it, silence.
    pub challenges_per_prefix: u64,
    /// Ports kept for a later request at once (508).
    pub reservations: usize,
    /// Bytes a second that all allocations may relay together, both ways. Zero: no limit.
    pub bytes_per_second: u64,
    /// Packets a second that all allocations may relay together, both ways. Zero: no limit.
    pub packets_per_second: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allocations: 50_000,
            permissions_per_allocation: 64,
            channels_per_allocation: 64,
            connections_per_allocation: 16,
            challenges_per_prefix: 200,
            reservations: 1_000,
            bytes_per_second: 0,
            packets_per_second: 0,
        }
    }
}

/// The four addresses of NAT behaviour discovery (RFC 5780, section 3): `[ip][port]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behaviour {
    pub addresses: [[SocketAddr; 2]; 2],
}

/// How the relay behaves.
#[derive(Clone, Debug)]
pub struct Config {
    /// Tells servers of one process apart; see [`owner`](fn@super::owner).
    pub shard: u8,
    pub credentials: Credentials,
    /// Proves nonces, tickets and tokens; random per process or shared by a fleet.
    pub nonce_secret: Vec<u8>,
    pub nonce_lifetime: Duration,
    pub limits: Limits,
    /// Lifetime when a client asks for none (RFC 8656, section 7.2).
    pub default_lifetime: Duration,
    /// Longest lifetime a client gets.
    pub max_lifetime: Duration,
    /// Whether an allocation may go on after the expiry of the ephemeral name that made it. Where it
    /// may not, calls are cut whose clients cannot bring another name (coturn#774).
    pub outlive_credentials: bool,
    /// Which channel numbers clients may bind. The older, wider range helps clients that were
    /// written for RFC 5766 only, coturn's test client up to 4.6 among them.
    pub channels: ChannelRange,
    /// Whether TCP allocations (RFC 6062) are served. Off by default: they reach any TCP service.
    pub tcp_relay: bool,
    /// Whether allocations may move to another five-tuple (RFC 8016).
    pub mobility: bool,
    /// Where clients are sent while this server drains.
    pub alternate_server: Option<SocketAddr>,
    /// Behaviour discovery, when two addresses are served.
    pub behaviour: Option<Behaviour>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            shard: 0,
            credentials: Credentials::default(),
            nonce_secret: Vec::new(),
            nonce_lifetime: Duration::from_secs(3600),
            limits: Limits::default(),
            default_lifetime: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(3600),
            outlive_credentials: true,
            channels: ChannelRange::default(),
            tcp_relay: false,
            mobility: true,
            alternate_server: None,
            behaviour: None,
        }
    }
}
