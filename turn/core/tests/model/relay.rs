//! The relay as RFC 8656, RFC 6062 and RFC 8016 describe it, in lists that are searched from the
//! front. Slow and plain on purpose: whoever reads it beside the RFCs shall see that it is right.

use std::net::{IpAddr, SocketAddr};

use confer_turn_core::message::TransactionId;
use confer_turn_core::{
    CloseReason, DropReason, Family, Host, PortWish, RelayKind, RelayRequest, Transport,
};

use crate::connection::{Connection, Connections, State};
use crate::holdings::{Allocation, Reservation};
use crate::operation::{Ask, Flaw, Who};
use crate::outcome::{Granted, Outcome};
use crate::world::{self, PEERS, Ports};

/// One authenticated request.
pub(crate) struct Request {
    pub(crate) at: usize,
    pub(crate) who: Who,
    pub(crate) transaction: TransactionId,
    /// When its nonce was made.
    pub(crate) nonce_made: u64,
}

#[derive(Default)]
pub(crate) struct Relay {
    /// Seconds since the beginning.
    pub(crate) now: u64,
    pub(crate) strict: bool,
    pub(crate) ports: Ports,
    pub(crate) allocations: Vec<Allocation>,
    /// Allocations that ended since somebody looked.
    pub(crate) closed: Vec<(Allocation, CloseReason)>,
    pub(crate) connections: Connections,
    reservations: Vec<Reservation>,
    tokens: usize,
    tickets: usize,
    next_connection: usize,
}

impl Relay {
    /// RFC 8489, section 9.2.4.
    fn authenticate(&self, request: &Request, allocates: bool) -> Result<(), u16> {
        match request.who.flaw {
            Flaw::NoIntegrity => return Err(401),
            Flaw::NoNonce => return Err(400),
            Flaw::ForeignNonce => return Err(438),
            _ => {}
        }
        if self.now - request.nonce_made > world::NONCE_LIFETIME {
            return Err(438);
        }
        let expired = request.who.user == 2 && world::BEGINNING + self.now > world::CAROL_UNTIL;
        match request.who.flaw {
            Flaw::None if !(allocates && expired) => Ok(()),
            _ => Err(401),
        }
    }

    fn find(&self, at: usize) -> Option<usize> {
        self.allocations.iter().position(|allocation| allocation.at == at)
    }

    /// The caller's own allocation.
    fn own(&self, request: &Request) -> Result<usize, u16> {
        let found = self.find(request.at).ok_or(437u16)?;
        if self.allocations[found].user == request.who.user { Ok(found) } else { Err(441) }
    }

    /// The peer a channel of a client is bound to.
    pub(crate) fn peer_of(&self, at: usize, channel: u16) -> Option<SocketAddr> {
        let mut channels = self.allocations[self.find(at)?].channels.iter();
        channels.find(|(number, ..)| *number == channel).map(|(_, peer, _)| *peer)
    }

    fn of_family(&self, allocation: usize, family: Family) -> Option<SocketAddr> {
        let mut relayed = self.allocations[allocation].relayed.iter();
        relayed.find(|address| Family::of(address.ip()) == family).copied()
    }

    /// RFC 8656, section 7.2.
    pub(crate) fn allocate(&mut self, request: &Request, ask: Ask) -> Result<Outcome, u16> {
        self.authenticate(request, true)?;
        let stream = world::client(request.at).transport != Transport::Udp;
        if let Some(found) = self.find(request.at) {
            if self.allocations[found].transaction != request.transaction {
                return Err(437);
            }
            return Ok(self.granted(found));
        }
        let kind = match ask.transport {
            None => return Err(400),
            Some(17) => RelayKind::Udp,
            Some(6) if stream => RelayKind::Tcp,
            Some(6) => return Err(400),
            Some(_) => return Err(442),
        };
        let with_token = ask.token.is_some();
        if with_token && (ask.even.is_some() || ask.family.is_some() || ask.additional.is_some()) {
            return Err(400);
        }
        if ask.family.is_some() && ask.additional.is_some() {
            return Err(400);
        }
        if ask.additional.is_some_and(|family| family != 2 || ask.even == Some(true)) {
            return Err(400);
        }
        if kind == RelayKind::Tcp && (ask.even.is_some() || with_token || ask.dont_fragment) {
            return Err(400);
        }
        let family = match ask.family {
            None | Some(1) => Family::V4,
            Some(2) => Family::V6,
            Some(_) => return Err(440),
        };
        let tenant = world::tenant_of(request.who.user);
        let kept = self.reservations.iter().position(|kept| Some(kept.token) == ask.token);
        // A kept port counts as an allocation of its user, unless it is the one that is asked for.
        let count = |test: &dyn Fn(usize) -> bool| {
            let kept = self.reservations.iter().enumerate().filter(|(at, _)| Some(*at) != kept);
            let kept = kept.filter(|(_, kept)| test(kept.user)).count();
            kept + self.allocations.iter().filter(|allocation| test(allocation.user)).count()
        };
        let of_user = count(&|other| other == request.who.user);
        let of_tenant = count(&|other| world::tenant_of(other) == tenant);
        let exceed = |more: usize| {
            of_user + more > world::PER_USER as usize
                || of_tenant + more > world::PER_TENANT as usize
        };
        if exceed(1) {
            return Err(486);
        }
        if self.allocations.len() >= world::ALLOCATIONS {
            return Err(508);
        }

        let (mut relayed, mut token, mut missing) = (Vec::new(), None, None);
        if ask.token.is_some() {
            relayed.push(self.reservations.remove(kept.ok_or(508u16)?).relayed);
        } else {
            let port = match ask.even {
                None => PortWish::Any,
                Some(false) => PortWish::Even,
                Some(true) => PortWish::EvenAndNext,
            };
            if port == PortWish::EvenAndNext && exceed(2) {
                return Err(486);
            }
            if port == PortWish::EvenAndNext && self.reservations.len() >= world::RESERVATIONS {
                return Err(508);
            }
            // There is one interface here.
            let server = std::net::Ipv4Addr::UNSPECIFIED.into();
            let first = self.ports.open_relay(RelayRequest { family, kind, port, server });
            relayed.extend(first.map(|socket| socket.relayed));
            if ask.additional.is_some() {
                let family = Family::V6;
                let second = self.ports.open_relay(RelayRequest { family, kind, port, server });
                relayed.extend(second.map(|socket| socket.relayed));
                missing = match (first, second) {
                    (None, Some(_)) => Some(1),
                    (Some(_), None) => Some(2),
                    _ => None,
                };
            }
            if relayed.is_empty() {
                return Err(508);
            }
            if let Some(next) = first.and_then(|socket| socket.next) {
                token = Some(self.tokens);
                self.tokens += 1;
                self.reservations.push(Reservation {
                    token: self.tokens - 1,
                    user: request.who.user,
                    relayed: next,
                    expires: self.now + 60,
                });
            }
        }
        let ticket = ask.mobile.then(|| self.next_ticket());
        self.allocations.push(Allocation {
            at: request.at,
            user: request.who.user,
            kind,
            relayed,
            expires: self.now + lifetime(ask.lifetime),
            transaction: request.transaction,
            token,
            missing,
            ticket,
            moved_by: None,
            permissions: Vec::new(),
            channels: Vec::new(),
            traffic: [0; 4],
        });
        Ok(self.granted(self.allocations.len() - 1))
    }

    fn granted(&self, allocation: usize) -> Outcome {
        let allocation = &self.allocations[allocation];
        Outcome::Allocated(Granted {
            relayed: allocation.relayed.clone(),
            mapped: world::client(allocation.at).client,
            lifetime: allocation.expires - self.now,
            token: allocation.token,
            ticket: allocation.ticket,
            missing: allocation.missing,
        })
    }

    fn next_ticket(&mut self) -> usize {
        self.tickets += 1;
        self.tickets - 1
    }

    /// RFC 8656, section 8.2.
    pub(crate) fn refresh(
        &mut self,
        request: &Request,
        asked: Option<u32>,
        family: Option<u8>,
    ) -> Result<Outcome, u16> {
        self.authenticate(request, false)?;
        let found = self.own(request)?;
        let address = match family {
            None => None,
            Some(1) => Some(self.of_family(found, Family::V4).ok_or(443u16)?),
            Some(2) => Some(self.of_family(found, Family::V6).ok_or(443u16)?),
            Some(_) => return Err(443),
        };
        if asked != Some(0) {
            self.allocations[found].expires = self.now + lifetime(asked);
            return Ok(Outcome::Refreshed { lifetime: lifetime(asked), ticket: None });
        }
        match address {
            Some(address) if self.allocations[found].relayed.len() == 2 => {
                self.allocations[found].relayed.retain(|relayed| *relayed != address);
                self.ports.open.remove(&address);
            }
            _ => self.close(found, CloseReason::Released),
        }
        Ok(Outcome::Refreshed { lifetime: 0, ticket: None })
    }

    /// RFC 8016, section 3.3.
    pub(crate) fn shift(
        &mut self,
        request: &Request,
        ticket: usize,
        asked: Option<u32>,
    ) -> Result<Outcome, u16> {
        self.authenticate(request, false)?;
        let mut all = self.allocations.iter();
        let Some(found) = all.position(|allocation| allocation.ticket == Some(ticket)) else {
            let found = self.own(request).map_err(|_| 400u16)?;
            let allocation = &self.allocations[found];
            if allocation.moved_by != Some((request.transaction, ticket)) {
                return Err(400);
            }
            let lifetime = allocation.expires - self.now;
            return Ok(Outcome::Refreshed { lifetime, ticket: allocation.ticket });
        };
        if self.allocations[found].user != request.who.user {
            return Err(441);
        }
        let from = self.allocations[found].at;
        if from != request.at && self.find(request.at).is_some() {
            return Err(437);
        }
        let stream = world::client(request.at).transport != Transport::Udp;
        if self.allocations[found].kind == RelayKind::Tcp && !stream {
            return Err(400);
        }
        self.allocations[found].at = request.at;
        for connection in &mut self.connections.open {
            if connection.control == from {
                connection.control = request.at;
            }
        }
        if asked == Some(0) {
            self.close(found, CloseReason::Released);
            return Ok(Outcome::Refreshed { lifetime: 0, ticket: None });
        }
        let fresh = self.next_ticket();
        let allocation = &mut self.allocations[found];
        allocation.ticket = Some(fresh);
        allocation.moved_by = Some((request.transaction, ticket));
        allocation.expires = self.now + lifetime(asked);
        Ok(Outcome::Refreshed { lifetime: lifetime(asked), ticket: Some(fresh) })
    }

    /// RFC 8656, section 10.2.
    pub(crate) fn permit(&mut self, request: &Request, peers: &[usize]) -> Result<Outcome, u16> {
        self.authenticate(request, false)?;
        let found = self.own(request)?;
        if peers.is_empty() {
            return Err(400);
        }
        for peer in peers {
            self.acceptable(found, *peer)?;
        }
        let ips: Vec<IpAddr> = peers.iter().map(|peer| PEERS[*peer].ip()).collect();
        self.install(found, &ips)?;
        Ok(Outcome::Done)
    }

    fn acceptable(&self, found: usize, peer: usize) -> Result<(), u16> {
        if self.of_family(found, Family::of(PEERS[peer].at().ip())).is_none() {
            return Err(443);
        }
        if PEERS[peer].allowed(self.strict) { Ok(()) } else { Err(403) }
    }

    fn install(&mut self, found: usize, ips: &[IpAddr]) -> Result<(), u16> {
        let now = self.now;
        let mut after = self.allocations[found].permissions.clone();
        after.retain(|(_, until)| *until > now);
        for ip in ips {
            after.retain(|(other, _)| other != ip);
            after.push((*ip, now + 300));
        }
        if after.len() > usize::from(world::PERMISSIONS) {
            return Err(508);
        }
        self.allocations[found].permissions = after;
        Ok(())
    }

    fn permitted(&self, found: usize, ip: IpAddr) -> bool {
        let mut permissions = self.allocations[found].permissions.iter();
        permissions.any(|(other, until)| *other == ip && *until > self.now)
    }

    /// RFC 8656, section 12.2.
    pub(crate) fn bind_channel(
        &mut self,
        request: &Request,
        channel: Option<u16>,
        peer: Option<usize>,
    ) -> Result<Outcome, u16> {
        self.authenticate(request, false)?;
        let found = self.own(request)?;
        let (Some(channel), Some(peer)) = (channel, peer) else { return Err(400) };
        self.acceptable(found, peer)?;
        match self.allocations[found].kind {
            RelayKind::Tcp => return Err(403),
            RelayKind::Udp if !(0x4000..=0x4FFF).contains(&channel) => return Err(400),
            RelayKind::Udp => {}
        }
        let (now, address) = (self.now, PEERS[peer].at());
        let mut after = self.allocations[found].channels.clone();
        after.retain(|(.., until)| *until > now);
        if after.iter().any(|(number, peer, _)| (*number == channel) != (*peer == address)) {
            return Err(400);
        }
        after.retain(|(number, ..)| *number != channel);
        after.push((channel, address, now + 600));
        if after.len() > usize::from(world::CHANNELS) {
            return Err(508);
        }
        self.install(found, &[PEERS[peer].ip()])?;
        self.allocations[found].channels = after;
        Ok(Outcome::Done)
    }

    /// RFC 8656, section 11.2.
    pub(crate) fn send(
        &mut self,
        at: usize,
        peer: usize,
        length: usize,
        dont_fragment: bool,
    ) -> Outcome {
        let Some(found) = self.find(at) else { return Outcome::Drop(DropReason::NoAllocation) };
        if !PEERS[peer].allowed(self.strict) {
            return Outcome::Drop(DropReason::PeerDenied);
        }
        self.relay_to(found, PEERS[peer].at(), PEERS[peer].ip(), length, dont_fragment)
    }

    /// RFC 8656, section 12.6.
    pub(crate) fn channel_data(&mut self, at: usize, channel: u16, length: usize) -> Outcome {
        let Some(found) = self.find(at) else { return Outcome::Drop(DropReason::NoAllocation) };
        let mut channels = self.allocations[found].channels.iter();
        let bound = channels.find(|(number, _, until)| *number == channel && *until > self.now);
        let Some((_, peer, _)) = bound.copied() else {
            return Outcome::Drop(DropReason::NoChannel);
        };
        let known =
            PEERS.iter().find(|known| known.at() == peer).expect("channels have known peers");
        self.relay_to(found, peer, known.ip(), length, false)
    }

    fn relay_to(
        &mut self,
        found: usize,
        peer: SocketAddr,
        ip: IpAddr,
        length: usize,
        dont_fragment: bool,
    ) -> Outcome {
        let relayed = self.of_family(found, Family::of(peer.ip()));
        let datagrams = self.allocations[found].kind == RelayKind::Udp;
        match relayed {
            Some(relayed) if datagrams && self.permitted(found, ip) => {
                self.allocations[found].traffic[0] += 1;
                self.allocations[found].traffic[1] += length as u64;
                Outcome::ToPeer { relayed, peer, length, dont_fragment }
            }
            _ => Outcome::Drop(DropReason::NotPermitted),
        }
    }

    /// RFC 8656, sections 11.3 and 12.7. A relayed TCP address takes connections instead (RFC 6062,
    /// section 5.3).
    pub(crate) fn peer_sends(
        &mut self,
        relayed: SocketAddr,
        peer: usize,
        length: usize,
    ) -> Outcome {
        let mut all = self.allocations.iter();
        let Some(found) = all.position(|allocation| allocation.relayed.contains(&relayed)) else {
            return Outcome::Drop(DropReason::NoAllocation);
        };
        let permitted = self.permitted(found, PEERS[peer].ip());
        let (at, now) = (self.allocations[found].at, self.now);
        let (taken, address) = (self.connections_of(at), PEERS[peer].at());
        let allocation = &mut self.allocations[found];
        if allocation.kind == RelayKind::Tcp {
            if !permitted || taken >= usize::from(world::CONNECTIONS) {
                return Outcome::Nothing;
            }
            let (user, state) = (allocation.user, State::Awaiting { until: now + 30 });
            let connection = self.add_connection(at, user, address, state);
            return Outcome::Attempt { at, connection, peer: address };
        }
        if !permitted {
            return Outcome::Drop(DropReason::NotPermitted);
        }
        allocation.traffic[2] += 1;
        allocation.traffic[3] += length as u64;
        let mut channels = allocation.channels.iter();
        let bound = channels.find(|(_, peer, until)| *peer == address && *until > now);
        Outcome::ToClient { at, channel: bound.map(|(number, ..)| *number), peer: address, length }
    }

    fn connections_of(&self, at: usize) -> usize {
        self.connections.open.iter().filter(|connection| connection.control == at).count()
    }

    fn add_connection(
        &mut self,
        control: usize,
        user: usize,
        peer: SocketAddr,
        state: State,
    ) -> usize {
        let number = self.next_connection;
        self.next_connection += 1;
        self.connections.open.push(Connection { number, control, user, peer, state });
        number
    }

    /// RFC 6062, section 5.2.
    pub(crate) fn connect(
        &mut self,
        request: &Request,
        peer: Option<usize>,
    ) -> Result<Outcome, u16> {
        self.authenticate(request, false)?;
        let found = self.own(request)?;
        let peer = peer.ok_or(400u16)?;
        if self.allocations[found].kind != RelayKind::Tcp {
            return Err(437);
        }
        self.acceptable(found, peer)?;
        let address = PEERS[peer].at();
        let mut all = self.connections.open.iter();
        if all.any(|other| other.control == request.at && other.peer == address) {
            return Err(446);
        }
        if self.connections_of(request.at) >= usize::from(world::CONNECTIONS) {
            return Err(508);
        }
        let state = State::Connecting { until: self.now + 30 };
        let connection = self.add_connection(request.at, request.who.user, address, state);
        let relayed = self.of_family(found, Family::of(address.ip())).expect("checked above");
        Ok(Outcome::Connecting { connection, relayed, peer: address })
    }

    /// How a Connect went.
    pub(crate) fn connected(&mut self, number: usize, reached: bool) -> Outcome {
        let mut all = self.connections.open.iter();
        let Some(found) = all.position(|connection| connection.number == number) else {
            return Outcome::Drop(DropReason::NoAllocation);
        };
        let connection = &mut self.connections.open[found];
        let at = connection.control;
        if !matches!(connection.state, State::Connecting { .. }) {
            return Outcome::Drop(DropReason::Unexpected);
        }
        if reached {
            connection.state = State::Awaiting { until: self.now + 30 };
            return Outcome::Connected { at, connection: number };
        }
        self.connections.open.remove(found);
        Outcome::NotConnected { at }
    }

    /// RFC 6062, section 5.4.
    pub(crate) fn bind_connection(
        &mut self,
        request: &Request,
        number: usize,
    ) -> Result<Outcome, u16> {
        self.authenticate(request, false)?;
        let stream = world::client(request.at).transport != Transport::Udp;
        if !stream || self.find(request.at).is_some() {
            return Err(400);
        }
        let mut all = self.connections.open.iter_mut();
        let connection = all.find(|connection| connection.number == number).ok_or(400u16)?;
        if connection.user != request.who.user {
            return Err(441);
        }
        if !matches!(connection.state, State::Awaiting { .. }) {
            return Err(400);
        }
        connection.state = State::Spliced { data: request.at };
        Ok(Outcome::Spliced { connection: number })
    }

    /// Whether this client's connection carries a peer's data, and no messages any more.
    pub(crate) fn carries_data(&self, at: usize) -> bool {
        let mut all = self.connections.open.iter();
        all.any(|connection| connection.state == State::Spliced { data: at })
    }

    pub(crate) fn peer_gone(&mut self, number: usize) {
        self.connections.open.retain(|connection| connection.number != number);
    }

    pub(crate) fn disconnect(&mut self, at: usize) {
        self.connections.end(|connection| connection.state == State::Spliced { data: at });
        if let Some(found) = self.find(at) {
            self.close(found, CloseReason::Disconnected);
        }
    }

    pub(crate) fn kick(&mut self, user: usize) -> usize {
        let before = self.allocations.len();
        let of_user = |allocation: &Allocation| allocation.user == user;
        while let Some(found) = self.allocations.iter().position(of_user) {
            self.close(found, CloseReason::Kicked);
        }
        let ports = &mut self.ports;
        self.reservations.retain(|kept| kept.user != user || !ports.open.remove(&kept.relayed));
        before - self.allocations.len()
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now += seconds;
        let now = self.now;
        let expired = |allocation: &Allocation| allocation.expires <= now;
        while let Some(found) = self.allocations.iter().position(expired) {
            self.close(found, CloseReason::Expired);
        }
        let ports = &mut self.ports;
        self.reservations.retain(|kept| kept.expires > now || !ports.open.remove(&kept.relayed));
        self.connections.end(|connection| match connection.state {
            State::Connecting { until } | State::Awaiting { until } => until <= now,
            State::Spliced { .. } => false,
        });
    }

    pub(crate) fn set_policy(&mut self, strict: bool) {
        self.strict = strict;
        let allowed = |at| PEERS.iter().any(|known| known.at() == at && known.allowed(strict));
        for allocation in &mut self.allocations {
            let allowed_ip = |ip| PEERS.iter().any(|peer| peer.ip() == ip && peer.allowed(strict));
            allocation.permissions.retain(|(ip, _)| allowed_ip(*ip));
            allocation.channels.retain(|(_, peer, _)| allowed(*peer));
        }
        self.connections.end(|connection| !allowed(connection.peer));
    }

    fn close(&mut self, found: usize, reason: CloseReason) {
        let allocation = self.allocations.remove(found);
        self.ports.open.retain(|relayed| !allocation.relayed.contains(relayed));
        self.connections.end(|connection| connection.control == allocation.at);
        self.closed.push((allocation, reason));
    }
}

/// RFC 8656, section 7.2: between the default and an hour.
fn lifetime(asked: Option<u32>) -> u64 {
    u64::from(asked.unwrap_or(0)).clamp(600, 3600)
}
