//! The relay itself: every allocation of one listener thread, and what each packet does to them.

mod request;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::allocation::Allocation;
use crate::credentials::{Credentials, identity};
use crate::frame::{CHANNEL_HEADER, Frame, classify};
use crate::message::{Attributes, Class, Message, Method, Writer, attribute};
use crate::nonce::Nonces;
use crate::policy::PeerPolicy;

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    Udp,
    Tcp,
}

/// What names an allocation on the client's side (RFC 8656, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FiveTuple {
    pub client: SocketAddr,
    pub server: SocketAddr,
    pub transport: Transport,
}

/// The time, as a caller read it: steady for lifetimes, wall for what carries a date.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub steady: Instant,
    /// Seconds since 1970.
    pub unix: u64,
}

/// Where relayed addresses come from.
pub trait RelayPorts {
    /// Opens a socket of this family for one allocation; the answer is the address clients and
    /// peers see. `None` when no port is left or the family is not served.
    fn open(&mut self, family: Family) -> Option<SocketAddr>;
}

/// REQUESTED-ADDRESS-FAMILY (RFC 8656, section 18.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    V4,
    V6,
}

/// What the shell must do with the packet it just handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Drop(DropReason),
    /// Send [`Server::reply`] back to the client.
    Reply,
    /// Send these bytes of the packet from `relayed` to `peer`.
    ToPeer {
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: Range<usize>,
    },
    /// Send [`Server::reply`], which carries the peer's packet, to this client.
    ToClient(FiveTuple),
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
}

/// Something others want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Allocated {
        tuple: FiveTuple,
        username: String,
        relayed: SocketAddr,
    },
    /// The relayed address is free; its socket is to be closed.
    Closed {
        tuple: FiveTuple,
        username: String,
        relayed: SocketAddr,
        reason: CloseReason,
        bytes: [u64; 2],
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

/// Caps. Each has an error code and a counter.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Allocations on this server (508).
    pub allocations: u32,
    /// Allocations of one identity (486).
    pub allocations_per_user: u16,
    /// Peers one allocation may have permissions for (508).
    pub permissions_per_allocation: u16,
    /// Channels of one allocation (508).
    pub channels_per_allocation: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            allocations: 10_000,
            allocations_per_user: 16,
            permissions_per_allocation: 64,
            channels_per_allocation: 64,
        }
    }
}

/// How the relay behaves.
#[derive(Clone, Debug)]
pub struct Config {
    pub credentials: Credentials,
    /// Proves nonces; random per process or shared by a fleet.
    pub nonce_secret: Vec<u8>,
    pub nonce_lifetime: Duration,
    pub policy: PeerPolicy,
    pub limits: Limits,
    /// Lifetime when a client asks for none (RFC 8656, section 7.2).
    pub default_lifetime: Duration,
    /// Longest lifetime a client gets.
    pub max_lifetime: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            credentials: Credentials::default(),
            nonce_secret: Vec::new(),
            nonce_lifetime: Duration::from_secs(3600),
            policy: PeerPolicy::default(),
            limits: Limits::default(),
            default_lifetime: Duration::from_secs(600),
            max_lifetime: Duration::from_secs(3600),
        }
    }
}

/// Every allocation of one listener thread.
#[derive(Debug)]
pub struct Server {
    config: Config,
    nonces: Nonces,
    allocations: HashMap<FiveTuple, Allocation>,
    by_relayed: HashMap<SocketAddr, FiveTuple>,
    expiries: BTreeSet<(Instant, FiveTuple)>,
    per_user: BTreeMap<String, u16>,
    events: std::collections::VecDeque<Event>,
    reply: Vec<u8>,
}

impl Server {
    /// A relay without allocations.
    pub fn new(config: Config) -> Self {
        let nonces = Nonces::new(&config.nonce_secret, config.nonce_lifetime);
        Self {
            config,
            nonces,
            allocations: HashMap::new(),
            by_relayed: HashMap::new(),
            expiries: BTreeSet::new(),
            per_user: BTreeMap::new(),
            events: std::collections::VecDeque::new(),
            reply: Vec::new(),
        }
    }

    /// Takes one packet of a client: a datagram, or one frame of a stream.
    pub fn handle_client(
        &mut self,
        tuple: FiveTuple,
        packet: &[u8],
        ports: &mut dyn RelayPorts,
        now: Now,
    ) -> Verdict {
        match classify(packet) {
            Some(Frame::ChannelData { channel, payload }) => {
                self.relay_channel(&tuple, channel, payload.len(), now.steady)
            }
            Some(Frame::Stun(bytes)) => match Message::read(bytes) {
                Ok(message) => self.handle_message(tuple, &message, ports, now),
                Err(_) => Verdict::Drop(DropReason::NotTurn),
            },
            None => Verdict::Drop(DropReason::NotTurn),
        }
    }

    /// Takes one packet that arrived on a relayed address; its frame for the client is then in
    /// [`Server::reply`].
    pub fn handle_peer(
        &mut self,
        relayed: SocketAddr,
        peer: SocketAddr,
        payload: &[u8],
        now: Now,
    ) -> Verdict {
        let Some(tuple) = self.by_relayed.get(&relayed).copied() else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        let Some(allocation) = self.allocations.get_mut(&tuple) else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        if !allocation.permits(peer.ip(), now.steady) {
            return Verdict::Drop(DropReason::NotPermitted);
        }
        let Ok(length) = u16::try_from(payload.len()) else {
            return Verdict::Drop(DropReason::TooLarge);
        };
        match allocation.channel_to(peer, now.steady) {
            Some(channel) => {
                self.reply.clear();
                self.reply.extend_from_slice(&channel.to_be_bytes());
                self.reply.extend_from_slice(&length.to_be_bytes());
                self.reply.extend_from_slice(payload);
                // Needed on streams, allowed on datagrams (RFC 8656, section 12.5).
                if tuple.transport == Transport::Tcp {
                    self.reply.resize(self.reply.len().next_multiple_of(4), 0);
                }
            }
            None => {
                // Indications need an id of their own that nobody compares.
                let mut transaction = [0; 12];
                transaction[4..].copy_from_slice(&allocation.relayed_bytes[1].to_be_bytes());
                Writer::begin(&mut self.reply, Class::Indication, Method::Data, &transaction)
                    .address(attribute::XOR_PEER_ADDRESS, peer)
                    .bytes(attribute::DATA, payload);
            }
        }
        allocation.relayed_bytes[1] += u64::from(length);
        Verdict::ToClient(tuple)
    }

    /// Ends what belonged to a client connection that is gone.
    pub fn handle_disconnect(&mut self, tuple: &FiveTuple) {
        self.close(tuple, CloseReason::Disconnected);
    }

    /// Ends every allocation of an identity; says how many there were.
    pub fn kick(&mut self, user: &str) -> usize {
        let tuples: Vec<FiveTuple> = self
            .allocations
            .values()
            .filter(|allocation| identity(&allocation.username) == user)
            .map(|allocation| allocation.tuple)
            .collect();
        for tuple in &tuples {
            self.close(tuple, CloseReason::Kicked);
        }
        tuples.len()
    }

    /// Ends what was not refreshed in time.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some((expires, tuple)) = self.expiries.first().copied() {
            if expires > now.steady {
                break;
            }
            self.close(&tuple, CloseReason::Expired);
        }
    }

    /// When [`Server::handle_timeout`] is wanted at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.expiries.first().map(|(expires, _)| *expires)
    }

    /// The next event, in the order they happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The bytes of the last reply.
    pub fn reply(&self) -> &[u8] {
        &self.reply
    }

    /// How many allocations there are.
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    fn relay_channel(
        &mut self,
        tuple: &FiveTuple,
        channel: u16,
        length: usize,
        now: Instant,
    ) -> Verdict {
        let Some(allocation) = self.allocations.get_mut(tuple) else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        let Some(peer) = allocation.peer_of(channel, now) else {
            return Verdict::Drop(DropReason::NoChannel);
        };
        if !allocation.permits(peer.ip(), now) {
            return Verdict::Drop(DropReason::NotPermitted);
        }
        allocation.relayed_bytes[0] += length as u64;
        let payload = CHANNEL_HEADER..CHANNEL_HEADER + length;
        Verdict::ToPeer { relayed: allocation.relayed, peer, payload }
    }

    fn relay_send(&mut self, tuple: &FiveTuple, message: &Message<'_>, now: Instant) -> Verdict {
        let attributes = Attributes::gather(message);
        let (Some(peer), Some(data)) = (attributes.peers().next(), attributes.data) else {
            return Verdict::Drop(DropReason::Unexpected);
        };
        if !attributes.unknown().is_empty() || attributes.malformed {
            return Verdict::Drop(DropReason::Unexpected);
        }
        let Some(allocation) = self.allocations.get_mut(tuple) else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        if !allocation.permits(peer.ip(), now) {
            return Verdict::Drop(DropReason::NotPermitted);
        }
        if !self.config.policy.permits(peer) {
            return Verdict::Drop(DropReason::PeerDenied);
        }
        allocation.relayed_bytes[0] += data.len() as u64;
        // Both slices are of the same packet: their distance is the offset.
        let start = data.as_ptr() as usize - message.bytes().as_ptr() as usize;
        Verdict::ToPeer { relayed: allocation.relayed, peer, payload: start..start + data.len() }
    }

    fn close(&mut self, tuple: &FiveTuple, reason: CloseReason) {
        let Some(allocation) = self.allocations.remove(tuple) else { return };
        self.by_relayed.remove(&allocation.relayed);
        self.expiries.remove(&(allocation.expires, *tuple));
        let user = identity(&allocation.username);
        if let Some(count) = self.per_user.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.per_user.remove(user);
            }
        }
        self.events.push_back(Event::Closed {
            tuple: *tuple,
            username: allocation.username,
            relayed: allocation.relayed,
            reason,
            bytes: allocation.relayed_bytes,
        });
    }
}

impl Family {
    fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

#[cfg(test)]
mod tests;
