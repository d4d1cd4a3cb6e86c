//! The relay itself: every allocation of one listener thread, and what each packet does to them.

mod allocate;
mod authenticate;
mod binding;
mod code;
mod connections;
mod deadlines;
mod manage;
mod mobility;
mod owner;
mod refusals;
mod relay;
mod request;
mod revocation;
mod tcp;
mod types;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use connections::PeerConnections;
use deadlines::Deadlines;
pub use manage::SessionInfo;
pub use owner::owner;
pub use refusals::Refusals;
pub use types::{
    Behaviour, CloseReason, Config, ConnectFailure, ConnectionId, DropReason, Event, Family,
    FiveTuple, Host, Limits, Now, PortWish, RelayKind, RelayRequest, RelaySocket, Transport,
    Verdict,
};

use crate::allocation::Allocation;
use crate::challenge::Challenges;
use crate::credentials::TenantId;
use crate::frame::{Frame, classify};
use crate::message::{Class, Message, Method};
use crate::nonce::Nonces;
use crate::quota::{Holdings, Ledger};

/// Every allocation of one listener thread.
#[derive(Debug)]
pub struct Server {
    config: Config,
    nonces: Nonces,
    ledger: Box<dyn Ledger>,
    challenges: Arc<Challenges>,
    allocations: HashMap<FiveTuple, Allocation>,
    by_relayed: HashMap<SocketAddr, FiveTuple>,
    expiries: Deadlines<FiveTuple>,
    reservations: BTreeMap<[u8; 8], Reservation>,
    reservation_ends: Deadlines<[u8; 8]>,
    connections: PeerConnections,
    /// Mobility tickets of allocations that may move, and where these are now.
    tickets: HashMap<[u8; 24], FiveTuple>,
    next_number: u64,
    events: VecDeque<Event>,
    refusals: Refusals,
    draining: bool,
    revoked: revocation::Revoked,
}

/// A relayed address kept for a later request (RFC 8656, section 7.2).
#[derive(Clone, Debug)]
struct Reservation {
    relayed: SocketAddr,
    expires: Instant,
    /// Whose limits it counts for.
    tenant: TenantId,
    user: String,
}

/// What the servers of one process have in common.
#[derive(Debug)]
pub struct Shared {
    /// Counts allocations, and hands out the rates that they share.
    pub ledger: Box<dyn Ledger>,
    /// The budget of answers to strangers.
    pub challenges: Arc<Challenges>,
}

impl Server {
    /// A relay without allocations, and the only one of its process.
    pub fn new(config: Config, now: Instant) -> Self {
        let per_second = config.limits.challenges_per_prefix;
        let challenges = Arc::new(Challenges::new(&config.nonce_secret, per_second, now));
        Self::sharing(config, Shared { ledger: Box::<Holdings>::default(), challenges })
    }

    /// A relay without allocations, whose limits hold for all that share them.
    pub fn sharing(config: Config, shared: Shared) -> Self {
        let nonces = Nonces::new(&config.nonce_secret, config.nonce_lifetime);
        Self {
            config,
            nonces,
            ledger: shared.ledger,
            challenges: shared.challenges,
            allocations: HashMap::new(),
            by_relayed: HashMap::new(),
            expiries: Deadlines::default(),
            reservations: BTreeMap::new(),
            reservation_ends: Deadlines::default(),
            connections: PeerConnections::default(),
            tickets: HashMap::new(),
            next_number: 0,
            events: VecDeque::new(),
            refusals: Refusals::default(),
            draining: false,
            revoked: revocation::Revoked::default(),
        }
    }

    /// Takes one packet of a client: a datagram, or one frame of a stream. What a
    /// [`Verdict::Reply`] says is appended to `out`.
    pub fn handle_client(
        &mut self,
        tuple: FiveTuple,
        packet: &[u8],
        out: &mut Vec<u8>,
        host: &mut dyn Host,
        now: Now,
    ) -> Verdict {
        match classify(packet) {
            Some(Frame::ChannelData { channel, payload }) => {
                self.relay_channel(&tuple, channel, payload.len(), now.steady)
            }
            Some(Frame::Stun(bytes)) => match Message::read(bytes) {
                Ok(message) => self.handle_message(tuple, &message, out, host, now),
                Err(_) => Verdict::Drop(DropReason::NotTurn),
            },
            None => Verdict::Drop(DropReason::NotTurn),
        }
    }

    fn handle_message(
        &mut self,
        tuple: FiveTuple,
        message: &Message<'_>,
        out: &mut Vec<u8>,
        host: &mut dyn Host,
        now: Now,
    ) -> Verdict {
        match (message.class(), message.method()) {
            (Class::Indication, Some(Method::Send)) => self.relay_send(&tuple, message, now.steady),
            (Class::Request, Some(Method::Binding)) => {
                self.answer_binding(tuple, message, out, now.steady)
            }
            (Class::Request, Some(method)) => self.answer(tuple, message, method, out, host, now),
            _ => Verdict::Drop(DropReason::Unexpected),
        }
    }

    /// Ends what was not refreshed in time.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(tuple) = self.expiries.take_due(now.steady) {
            self.close(&tuple, CloseReason::Expired, now.steady);
        }
        while let Some(token) = self.reservation_ends.take_due(now.steady) {
            if let Some(reservation) = self.reservations.remove(&token) {
                self.close_reservation(&reservation, now.steady);
            }
        }
        self.expire_connections(now.steady);
    }

    /// When [`Server::handle_timeout`] is wanted at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let Self { expiries, reservation_ends, connections, .. } = self;
        let next = [expiries.first(), reservation_ends.first(), connections.next_end()];
        next.into_iter().flatten().min()
    }

    /// How often clients were refused, and why.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// The next event, in the order they happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

#[cfg(test)]
mod tests;
