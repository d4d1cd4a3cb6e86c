//! TCP allocations (RFC 6062): a control connection, and one data connection per peer.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::connections::{PeerConnection, State};
use super::request::{Refusal, Request};
use super::{
    ConnectFailure, ConnectionId, DropReason, Event, Family, FiveTuple, Now, RelayKind, Server,
    Verdict, code,
};
use crate::message::{Class, Method, Writer, attribute};
use crate::quota::Toll;

/// How long a peer may take to answer a connect (section 5.2).
const CONNECT_LIFETIME: Duration = Duration::from_secs(30);
/// How long a connected peer waits for the client's data connection (section 5.3).
const BIND_LIFETIME: Duration = Duration::from_secs(30);

impl Server {
    /// Connect (section 5.2): answered by [`Server::handle_connected`].
    pub(super) fn connect(&mut self, request: &Request<'_>) -> Result<Verdict, Refusal> {
        let Some(allocation) = self.allocations.get_mut(&request.tuple) else {
            return Err(Refusal(code::ALLOCATION_MISMATCH));
        };
        let peer = request.attributes.peers().next().ok_or(Refusal(code::BAD_REQUEST))?;
        if allocation.kind != RelayKind::Tcp {
            return Err(Refusal(code::ALLOCATION_MISMATCH));
        }
        let family = Family::of(peer.ip());
        let relayed = allocation.relayed.of(family).ok_or(Refusal(code::PEER_FAMILY_MISMATCH))?;
        let tenant = self.config.credentials.tenant(allocation.tenant);
        if !tenant.is_some_and(|tenant| tenant.policy.permits(peer)) {
            return Err(Refusal(code::FORBIDDEN));
        }
        let own = self.connections.of(request.tuple);
        let wanted = canonical_endpoint(peer);
        let leads_there = |one: &PeerConnection| canonical_endpoint(one.peer) == wanted;
        let has = |id| self.connections.get(id).is_some_and(leads_there);
        if own.clone().any(has) {
            return Err(Refusal(code::CONNECTION_ALREADY_EXISTS));
        }
        if own.count() >= usize::from(self.config.limits.connections_per_allocation) {
            return Err(Refusal(code::INSUFFICIENT_CAPACITY));
        }
        let id = self.new_connection_id();
        let state = State::Connecting {
            transaction: *request.message.transaction(),
            key: Box::new(request.caller.key.clone()),
            expires: request.now.steady + CONNECT_LIFETIME,
        };
        self.connections.insert(
            id,
            PeerConnection {
                control: request.tuple,
                tenant: request.caller.tenant,
                username: request.caller.username.clone(),
                peer,
                state,
            },
        );
        Ok(Verdict::Connect { id, relayed, peer })
    }

    /// How a connect went; the answer to its request is appended to `out`.
    pub fn handle_connected(
        &mut self,
        id: ConnectionId,
        outcome: Result<(), ConnectFailure>,
        out: &mut Vec<u8>,
        now: Now,
    ) -> Verdict {
        let Some(connection) = self.connections.get(id) else {
            return Verdict::Drop(DropReason::NoAllocation);
        };
        if !matches!(connection.state, State::Connecting { .. }) {
            return Verdict::Drop(DropReason::Unexpected);
        }
        let control = connection.control;
        let waiting = State::AwaitingBind { expires: now.steady + BIND_LIFETIME };
        let Some(State::Connecting { transaction, key, .. }) =
            self.connections.advance(id, waiting)
        else {
            return Verdict::Drop(DropReason::Unexpected);
        };
        match outcome {
            Ok(()) => {
                let mut answer = Writer::begin(out, Class::Success, Method::Connect, &transaction);
                answer.number(attribute::CONNECTION_ID, id.0).integrity(&key);
            }
            Err(ConnectFailure::Refused | ConnectFailure::TimedOut) => {
                self.connections.remove(id);
                self.refusals.count(code::CONNECTION_FAILED);
                let mut answer = Writer::begin(out, Class::Error, Method::Connect, &transaction);
                answer.error(code::CONNECTION_FAILED).integrity(&key);
            }
        }
        Verdict::ToClient(control)
    }

    /// A peer connected to a relayed address (section 5.3). The indication for the client is
    /// appended to `out`; without permission the connection is to be closed.
    pub fn handle_incoming(
        &mut self,
        relayed: SocketAddr,
        peer: SocketAddr,
        out: &mut Vec<u8>,
        now: Now,
    ) -> Option<(ConnectionId, FiveTuple)> {
        let tuple = *self.by_relayed.get(&relayed)?;
        let allocation = self.allocations.get(&tuple)?;
        if allocation.kind != RelayKind::Tcp || !allocation.permits(peer.ip(), now.steady) {
            return None;
        }
        let own = self.connections.of(tuple);
        if own.count() >= usize::from(self.config.limits.connections_per_allocation) {
            return None;
        }
        let (tenant, username) = (allocation.tenant, allocation.username.clone());
        let id = self.new_connection_id();
        let state = State::AwaitingBind { expires: now.steady + BIND_LIFETIME };
        let connection = PeerConnection { control: tuple, tenant, username, peer, state };
        self.connections.insert(id, connection);
        let mut transaction = [0; 12];
        let (number, _) = transaction.split_at_mut(4);
        number.copy_from_slice(&id.0.to_be_bytes());
        Writer::begin(out, Class::Indication, Method::ConnectionAttempt, &transaction)
            .number(attribute::CONNECTION_ID, id.0)
            .address(attribute::XOR_PEER_ADDRESS, peer);
        Some((id, tuple))
    }

    /// ConnectionBind (section 5.4), on the new connection that shall carry the data.
    pub(super) fn bind_connection(
        &mut self,
        request: &Request<'_>,
        out: &mut Vec<u8>,
    ) -> Result<Verdict, Refusal> {
        let id = request.attributes.connection_id.ok_or(Refusal(code::BAD_REQUEST))?;
        let id = ConnectionId(id);
        let stream = request.tuple.transport.is_stream();
        // A connection that has an allocation is a control connection.
        if !stream || self.allocations.contains_key(&request.tuple) {
            return Err(Refusal(code::BAD_REQUEST));
        }
        let connection = self.connections.get(id).ok_or(Refusal(code::BAD_REQUEST))?;
        if connection.username != request.caller.username
            || connection.tenant != request.caller.tenant
        {
            return Err(Refusal(code::WRONG_CREDENTIALS));
        }
        match connection.state {
            State::AwaitingBind { .. } => {
                self.connections.advance(id, State::Spliced { data: request.tuple });
            }
            State::Connecting { .. } | State::Spliced { .. } => {
                return Err(Refusal(code::BAD_REQUEST));
            }
        }
        request.success(out).integrity(&request.caller.key);
        Ok(Verdict::Splice(id))
    }

    /// What a connection owes for the bytes that it carries between client and peer.
    pub fn toll(&mut self, id: ConnectionId, now: Instant) -> Option<Toll> {
        let connection = self.connections.get(id)?;
        let tenant = self.config.credentials.tenant(connection.tenant)?;
        let allocation = self.allocations.get_mut(&connection.control)?;
        Some(allocation.toll(&tenant.limits, now))
    }

    /// Either side of a connection between client and peer is gone.
    pub fn handle_connection_closed(&mut self, id: ConnectionId) {
        self.connections.remove(id);
    }

    pub(super) fn expire_connections(&mut self, now: Instant) {
        while let Some(id) = self.connections.due(now) {
            self.close_connection(id);
        }
    }

    /// Data connections live and end with their control connection (section 4.3).
    pub(super) fn close_connections_of(&mut self, control: &FiveTuple) {
        let own: Vec<ConnectionId> = self.connections.of(*control).collect();
        own.into_iter().for_each(|id| self.close_connection(id));
    }

    /// A client connection is gone; if it carried data, so is its peer's.
    pub(super) fn forget_connection(&mut self, tuple: &FiveTuple) {
        if let Some(id) = self.connections.carried_by(tuple) {
            self.close_connection(id);
        }
    }

    /// Ends those with peers that a changed policy no longer gives.
    pub(super) fn reconsider_connections(&mut self) {
        let credentials = &self.config.credentials;
        let denied = self.connections.which(|connection| {
            let tenant = credentials.tenant(connection.tenant);
            !tenant.is_some_and(|tenant| tenant.policy.permits(connection.peer))
        });
        denied.into_iter().for_each(|id| self.close_connection(id));
    }

    fn close_connection(&mut self, id: ConnectionId) {
        self.connections.remove(id);
        self.events.push_back(Event::ConnectionClosed { id });
    }

    /// Not guessable: whoever knows one and has the user's key may take the connection.
    fn new_connection_id(&mut self) -> ConnectionId {
        loop {
            self.next_number += 1;
            let [a, b, c, d, ..] = self.ticket(self.next_number);
            let id = ConnectionId(u32::from_be_bytes([a, b, c, d]));
            if self.connections.get(id).is_none() {
                return id;
            }
        }
    }
}

fn canonical_endpoint(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}
