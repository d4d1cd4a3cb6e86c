//! Gives both the relay and its model one operation after the other and compares what they do.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use confer_turn_core::integrity::{Algorithm, Key, PasswordAlgorithm};
use confer_turn_core::message::{
    Class, Message, Method, TransactionId, Writer, attribute, xor_address,
};
use confer_turn_core::{
    CloseReason, ConnectFailure, ConnectionId, Event, FiveTuple, Now, RelayKind, Server, Verdict,
};

use crate::operation::{Ask, CLIENTS, Flaw, Operation, Who};
use crate::outcome::{Granted, Outcome};
use crate::relay::{Relay, Request};
use crate::world::{self, PEERS, Ports};

pub(crate) struct Harness {
    server: Server,
    ports: Ports,
    model: Relay,
    beginning: Instant,
    /// The nonce of each client, and when it was made.
    nonces: Vec<(Vec<u8>, u64)>,
    /// The last request of each client.
    last: Vec<Option<Sent>>,
    tokens: Vec<[u8; 8]>,
    tickets: Vec<[u8; 24]>,
    connections: Vec<ConnectionId>,
    transactions: u32,
    reply: Vec<u8>,
}

/// A request as it went out.
#[derive(Clone)]
struct Sent {
    operation: Operation,
    packet: Vec<u8>,
    transaction: TransactionId,
    nonce_made: u64,
}

impl Harness {
    pub(crate) fn new() -> Self {
        let beginning = Instant::now();
        let mut harness = Self {
            server: Server::new(world::config(false), beginning),
            ports: Ports::default(),
            model: Relay::default(),
            beginning,
            nonces: Vec::new(),
            last: vec![None; CLIENTS],
            tokens: Vec::new(),
            tickets: Vec::new(),
            connections: Vec::new(),
            transactions: 0,
            reply: Vec::new(),
        };
        for at in 0..CLIENTS {
            let mut packet = Vec::new();
            Writer::begin(&mut packet, Class::Request, Method::Allocate, &[0xFF; 12]);
            harness.packet(at, &packet);
            let nonce = harness.attribute(attribute::NONCE).expect("a challenge");
            harness.nonces.push((nonce, 0));
        }
        harness
    }

    /// Applies one operation to both sides.
    pub(crate) fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Allocate { at, .. }
            | Operation::Refresh { at, .. }
            | Operation::Move { at, .. }
            | Operation::Permit { at, .. }
            | Operation::BindChannel { at, .. }
            | Operation::Connect { at, .. }
            | Operation::BindConnection { at, .. } => {
                self.transactions += 1;
                let mut transaction = [0; 12];
                transaction[..4].copy_from_slice(&self.transactions.to_be_bytes());
                let packet = self.write(operation, &transaction);
                let (operation, nonce_made) = (self.resolve(operation), self.nonces[*at].1);
                let sent = Sent { operation, packet, transaction, nonce_made };
                self.request(*at, &sent);
                self.last[*at] = Some(sent);
            }
            Operation::Again { at } => {
                if let Some(sent) = self.last[*at].clone() {
                    self.request(*at, &sent);
                }
            }
            _ => self.apply_other(operation),
        }
        self.compare();
    }

    fn apply_other(&mut self, operation: &Operation) {
        match *operation {
            Operation::Send { at, peer, length, dont_fragment } if !self.model.carries_data(at) => {
                let mut packet = Vec::new();
                let mut writer =
                    Writer::begin(&mut packet, Class::Indication, Method::Send, &[7; 12]);
                writer.address(attribute::XOR_PEER_ADDRESS, PEERS[peer].at());
                if dont_fragment {
                    writer.bytes(attribute::DONT_FRAGMENT, &[]);
                }
                writer.bytes(attribute::DATA, &vec![b's'; length]);
                let expected = self.model.send(at, peer, length, dont_fragment);
                let verdict = self.packet(at, &packet);
                assert_eq!(self.observe(verdict, &packet, b's'), expected, "{operation:?}");
            }
            Operation::ChannelData { at, channel, length } if !self.model.carries_data(at) => {
                let mut packet = channel.to_be_bytes().to_vec();
                packet.extend((length as u16).to_be_bytes());
                packet.resize(4 + length, b'c');
                let expected = self.model.channel_data(at, channel, length);
                let verdict = self.packet(at, &packet);
                assert_eq!(self.observe(verdict, &packet, b'c'), expected, "{operation:?}");
            }
            Operation::Send { .. } | Operation::ChannelData { .. } => {}
            Operation::FromPeer { relayed, peer, length } => {
                // Whatever is open, reserved ports too.
                let Some(relayed) = self.ports.open.iter().nth(relayed).copied() else { return };
                self.peer_sends(relayed, peer, length);
            }
            Operation::Connected { connection, reached } => {
                let Some(id) = self.connections.get(connection).copied() else { return };
                let expected = self.model.connected(connection, reached);
                let outcome = if reached { Ok(()) } else { Err(ConnectFailure::Refused) };
                self.reply.clear();
                let now = self.now();
                let verdict = self.server.handle_connected(id, outcome, &mut self.reply, now);
                assert_eq!(self.observe(verdict, &[], 0), expected, "{operation:?}");
            }
            Operation::PeerGone { connection } => {
                let Some(id) = self.connections.get(connection).copied() else { return };
                self.model.peer_gone(connection);
                self.server.handle_connection_closed(id);
            }
            Operation::Disconnect { at } => {
                self.model.disconnect(at);
                self.server.handle_disconnect(&world::client(at), self.now().steady);
            }
            Operation::Kick { user } => {
                let (_, _, identity) = world::user(user);
                let now = self.now().steady;
                assert_eq!(self.server.kick(identity, now), self.model.kick(user));
            }
            Operation::Wait { seconds } => self.wait(seconds),
            Operation::Policy { strict } => {
                self.model.set_policy(strict);
                self.server.reconfigure(world::config(strict));
            }
            _ => unreachable!("requests are applied above"),
        }
    }

    fn peer_sends(&mut self, relayed: SocketAddr, peer: usize, length: usize) {
        let expected = self.model.peer_sends(relayed, peer, length);
        let sessions = self.server.sessions(self.now().steady);
        let holder =
            sessions.iter().find(|session| session.relayed.iter().any(|one| one == relayed));
        self.reply.clear();
        let (now, address) = (self.now(), PEERS[peer].at());
        let observed = if holder.is_some_and(|holder| holder.kind == RelayKind::Tcp) {
            let found = self.server.handle_incoming(relayed, address, &mut self.reply, now);
            found.map_or(Outcome::Nothing, |(id, tuple)| {
                self.connections.push(id);
                let connection = self.connections.len() - 1;
                let peer = self.address(attribute::XOR_PEER_ADDRESS).expect("who it is");
                Outcome::Attempt { at: number_of(tuple), connection, peer }
            })
        } else {
            let payload = vec![b'p'; length];
            let verdict = self.server.handle_peer(relayed, address, &payload, &mut self.reply, now);
            self.observe(verdict, &[], b'p')
        };
        assert_eq!(observed, expected, "from {address} to {relayed}");
    }

    fn wait(&mut self, seconds: u64) {
        self.model.wait(seconds);
        let now = self.now();
        self.server.handle_timeout(now);
        let next = self.server.poll_timeout();
        assert!(next.is_none_or(|next| next > now.steady), "nothing is left that is due");
    }

    /// Numbers of what was not given out yet name nothing, also when it is by the time the request
    /// comes again.
    fn resolve(&self, operation: &Operation) -> Operation {
        let mut operation = operation.clone();
        let (number, known) = match &mut operation {
            Operation::Move { ticket, .. } => (Some(ticket), self.tickets.len()),
            Operation::Allocate { ask, .. } => (ask.token.as_mut(), self.tokens.len()),
            Operation::BindConnection { connection, .. } => {
                (Some(connection), self.connections.len())
            }
            _ => (None, 0),
        };
        if let Some(number) = number.filter(|number| **number >= known) {
            *number = usize::MAX;
        }
        operation
    }

    fn request(&mut self, at: usize, sent: &Sent) {
        // Its bytes are a peer's now, and not looked at.
        if self.model.carries_data(at) {
            return;
        }
        let before = self.server.allocations();
        let Sent { ref operation, ref packet, transaction, nonce_made } = *sent;
        let request = |who: Who| Request { at, who, transaction, nonce_made };
        let model = &mut self.model;
        let expected = match *operation {
            Operation::Allocate { who, ask, .. } => model.allocate(&request(who), ask),
            Operation::Refresh { who, lifetime, family, .. } => {
                model.refresh(&request(who), lifetime, family)
            }
            Operation::Move { who, ticket, lifetime, .. } => {
                model.shift(&request(who), ticket, lifetime)
            }
            Operation::Permit { who, ref peers, .. } => model.permit(&request(who), peers),
            Operation::BindChannel { who, channel, peer, .. } => {
                model.bind_channel(&request(who), channel, peer)
            }
            Operation::Connect { who, peer, .. } => model.connect(&request(who), peer),
            Operation::BindConnection { who, connection, .. } => {
                model.bind_connection(&request(who), connection)
            }
            _ => unreachable!("only requests are kept"),
        };
        let expected = expected.unwrap_or_else(Outcome::Error);
        let verdict = self.packet(at, packet);
        let observed = self.observe(verdict, &[], 0);
        assert_eq!(observed, expected, "{operation:?}");
        if matches!(observed, Outcome::Error(_)) {
            assert!(self.server.allocations() <= before, "a refusal leaves nothing");
        }
        if observed == Outcome::Error(438) {
            let fresh = self.attribute(attribute::NONCE).expect("a fresh one");
            self.nonces[at] = (fresh, self.model.now);
        }
    }

    fn write(&self, operation: &Operation, transaction: &TransactionId) -> Vec<u8> {
        let mut packet = Vec::new();
        let method = method_of(operation);
        let mut writer = Writer::begin(&mut packet, Class::Request, method, transaction);
        let (at, who) = match *operation {
            Operation::Allocate { at, who, ask } => {
                self.write_ask(ask, &mut writer);
                (at, who)
            }
            Operation::Refresh { at, who, lifetime, family } => {
                number(&mut writer, attribute::LIFETIME, lifetime);
                let family = family.map(|family| u32::from(family) << 24);
                number(&mut writer, attribute::REQUESTED_ADDRESS_FAMILY, family);
                (at, who)
            }
            Operation::Move { at, who, ticket, lifetime } => {
                number(&mut writer, attribute::LIFETIME, lifetime);
                let ticket = self.tickets.get(ticket).copied().unwrap_or([9; 24]);
                writer.bytes(attribute::MOBILITY_TICKET, &ticket);
                (at, who)
            }
            Operation::Permit { at, who, ref peers } => {
                peers.iter().for_each(|peer| write_peer(&mut writer, Some(*peer)));
                (at, who)
            }
            Operation::BindChannel { at, who, channel, peer } => {
                let channel = channel.map(|channel| u32::from(channel) << 16);
                number(&mut writer, attribute::CHANNEL_NUMBER, channel);
                write_peer(&mut writer, peer);
                (at, who)
            }
            Operation::Connect { at, who, peer } => {
                write_peer(&mut writer, peer);
                (at, who)
            }
            Operation::BindConnection { at, who, connection } => {
                let id = self.connections.get(connection).map_or(1, |id| id.0);
                writer.number(attribute::CONNECTION_ID, id);
                (at, who)
            }
            _ => unreachable!("only requests are written"),
        };
        self.write_proof(at, who, &mut writer);
        packet
    }

    fn write_ask(&self, ask: Ask, writer: &mut Writer<'_>) {
        let byte = |value: Option<u8>| value.map(|value| u32::from(value) << 24);
        number(writer, attribute::REQUESTED_TRANSPORT, byte(ask.transport));
        number(writer, attribute::REQUESTED_ADDRESS_FAMILY, byte(ask.family));
        number(writer, attribute::ADDITIONAL_ADDRESS_FAMILY, byte(ask.additional));
        number(writer, attribute::LIFETIME, ask.lifetime);
        if let Some(reserve) = ask.even {
            writer.bytes(attribute::EVEN_PORT, &[if reserve { 0x80 } else { 0 }]);
        }
        if let Some(token) = ask.token {
            let token = self.tokens.get(token).copied().unwrap_or([9; 8]);
            writer.bytes(attribute::RESERVATION_TOKEN, &token);
        }
        if ask.dont_fragment {
            writer.bytes(attribute::DONT_FRAGMENT, &[]);
        }
        if ask.mobile {
            writer.bytes(attribute::MOBILITY_TICKET, &[]);
        }
    }

    fn write_proof(&self, at: usize, who: Who, writer: &mut Writer<'_>) {
        if who.flaw == Flaw::NoIntegrity {
            return;
        }
        let (mut name, mut password, _) = world::user(who.user);
        let mut realm = world::REALM;
        let mut nonce = &self.nonces[at].0;
        match who.flaw {
            Flaw::WrongPassword => password.push('x'),
            Flaw::UnknownUser => name = "mallory".to_owned(),
            Flaw::WrongRealm => realm = "elsewhere",
            Flaw::ForeignNonce => nonce = &self.nonces[(at + 1) % CLIENTS].0,
            Flaw::None | Flaw::NoIntegrity | Flaw::NoNonce => {}
        }
        writer
            .bytes(attribute::USERNAME, name.as_bytes())
            .bytes(attribute::REALM, realm.as_bytes());
        if who.flaw != Flaw::NoNonce {
            writer.bytes(attribute::NONCE, nonce);
        }
        let integrity = if who.sha256 { Algorithm::Sha256 } else { Algorithm::Sha1 };
        let key: Key = PasswordAlgorithm::Md5.key(&name, realm, &password, integrity);
        writer.integrity(&key);
    }

    fn packet(&mut self, at: usize, packet: &[u8]) -> Verdict {
        self.reply.clear();
        let now = self.now();
        let Self { server, ports, reply, .. } = self;
        server.handle_client(world::client(at), packet, reply, ports, now)
    }

    /// What the relay did, in the words of the model. `fill` is what payloads consist of.
    fn observe(&mut self, verdict: Verdict, packet: &[u8], fill: u8) -> Outcome {
        match verdict {
            Verdict::Drop(reason) => Outcome::Drop(reason),
            Verdict::Reply { .. } => self.observe_reply(),
            Verdict::ToPeer { relayed, peer, payload, dont_fragment } => {
                let payload = &packet[payload];
                assert!(payload.iter().all(|byte| *byte == fill), "the payload and nothing else");
                Outcome::ToPeer { relayed, peer, length: payload.len(), dont_fragment }
            }
            Verdict::ToClient(tuple) => self.observe_to_client(number_of(tuple), fill),
            Verdict::Connect { id, relayed, peer } => {
                self.connections.push(id);
                Outcome::Connecting { connection: self.connections.len() - 1, relayed, peer }
            }
            Verdict::Splice(id) => {
                let known = self.connections.iter().position(|known| *known == id);
                Outcome::Spliced { connection: known.expect("it was announced") }
            }
        }
    }

    fn observe_reply(&mut self) -> Outcome {
        let message = Message::read(&self.reply).expect("whole messages");
        if message.class() == Class::Error {
            let code = self.attribute(attribute::ERROR_CODE).expect("an error has one");
            return Outcome::Error(u16::from(code[2]) * 100 + u16::from(code[3]));
        }
        let method = message.method();
        let lifetime = self
            .attribute(attribute::LIFETIME)
            .map(|value| u64::from(u32::from_be_bytes(value.try_into().expect("four bytes"))));
        let token = self.attribute(attribute::RESERVATION_TOKEN);
        let token = token.map(|token| slot(&mut self.tokens, token));
        let ticket = self.attribute(attribute::MOBILITY_TICKET);
        let ticket = ticket.map(|ticket| slot(&mut self.tickets, ticket));
        match (method, lifetime) {
            (Some(Method::Allocate), Some(lifetime)) => Outcome::Allocated(Granted {
                relayed: self.addresses(attribute::XOR_RELAYED_ADDRESS),
                mapped: self.address(attribute::XOR_MAPPED_ADDRESS).expect("where it came from"),
                lifetime,
                token,
                ticket,
                missing: self.attribute(attribute::ADDRESS_ERROR_CODE).map(|value| value[0]),
            }),
            (Some(Method::Refresh), Some(lifetime)) => Outcome::Refreshed { lifetime, ticket },
            _ => Outcome::Done,
        }
    }

    fn observe_to_client(&self, at: usize, fill: u8) -> Outcome {
        if let [high @ 0x40..=0x4F, low, l0, l1, payload @ ..] = self.reply.as_slice() {
            let length = usize::from(u16::from_be_bytes([*l0, *l1]));
            let (payload, padding) = payload.split_at(length);
            assert!(payload.iter().all(|byte| *byte == fill), "the payload and nothing else");
            assert!(padding.len() < 4);
            let channel = u16::from_be_bytes([*high, *low]);
            // A channel stands for its peer.
            let peer = self.model.peer_of(at, channel).expect("it is bound");
            return Outcome::ToClient { at, channel: Some(channel), peer, length };
        }
        let message = Message::read(&self.reply).expect("whole messages");
        let id = self.attribute(attribute::CONNECTION_ID);
        match (message.class(), message.method(), id) {
            (Class::Success, Some(Method::Connect), Some(id)) => {
                let id = ConnectionId(u32::from_be_bytes(id.try_into().expect("four bytes")));
                let known = self.connections.iter().position(|known| *known == id);
                Outcome::Connected { at, connection: known.expect("it was announced") }
            }
            (Class::Error, Some(Method::Connect), None) => Outcome::NotConnected { at },
            _ => {
                let payload = self.attribute(attribute::DATA).expect("a Data indication");
                assert!(payload.iter().all(|byte| *byte == fill), "the payload and nothing else");
                let peer = self.address(attribute::XOR_PEER_ADDRESS).expect("who it is from");
                Outcome::ToClient { at, channel: None, peer, length: payload.len() }
            }
        }
    }

    /// What both hold, and what ended since the last time.
    fn compare(&mut self) {
        let (mut closed, mut ended) = (Vec::new(), Vec::new());
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::RelayClosed { relayed } => {
                    assert!(self.ports.open.remove(&relayed), "freed once: {relayed}");
                }
                Event::Closed { tuple, reason, traffic, username, .. } => {
                    let t = traffic;
                    let counts =
                        [t.sent_packets, t.sent_bytes, t.received_packets, t.received_bytes];
                    closed.push((number_of(tuple), username, reason, counts));
                }
                Event::ConnectionClosed { id } => {
                    ended.push(self.connections.iter().position(|known| *known == id));
                }
                Event::Allocated { .. } | Event::Refreshed { .. } | Event::Moved { .. } => {}
            }
        }
        ended.sort();
        self.model.connections.ended.sort();
        let expected = self.model.connections.ended.drain(..).map(Some);
        assert!(ended.iter().copied().eq(expected), "connections that ended: {ended:?}");
        let mut expected: Vec<(usize, String, CloseReason, [u64; 4])> = Vec::new();
        for (allocation, reason) in self.model.closed.drain(..) {
            expected.push((
                allocation.at,
                world::user(allocation.user).0,
                reason,
                allocation.traffic,
            ));
        }
        closed.sort_by(|one, other| one.partial_cmp(other).expect("total"));
        expected.sort_by(|one, other| one.partial_cmp(other).expect("total"));
        assert_eq!(closed, expected, "what ended");
        assert_eq!(self.ports, self.model.ports, "which sockets are open");

        let sessions = self.server.sessions(self.now().steady);
        let mut held: Vec<_> = sessions
            .iter()
            .map(|session| {
                let relayed: Vec<SocketAddr> = session.relayed.iter().collect();
                let left = session.expires_in.as_secs();
                (number_of(session.tuple), session.username.clone(), session.kind, relayed, left)
            })
            .collect();
        held.sort();
        let mut expected: Vec<_> = self
            .model
            .allocations
            .iter()
            .map(|one| {
                let left = one.expires - self.model.now;
                (one.at, world::user(one.user).0, one.kind, one.relayed.clone(), left)
            })
            .collect();
        expected.sort();
        assert_eq!(held, expected, "what is held");
    }

    /// Lets everything expire.
    pub(crate) fn finish(&mut self) {
        self.wait(4000);
        self.compare();
        assert_eq!(self.server.allocations(), 0);
        assert!(self.ports.open.is_empty(), "every socket is free");
    }

    fn now(&self) -> Now {
        let steady = self.beginning + Duration::from_secs(self.model.now);
        Now { steady, unix: world::BEGINNING + self.model.now }
    }

    fn attribute(&self, wanted: u16) -> Option<Vec<u8>> {
        let message = Message::read(&self.reply).expect("whole messages");
        let mut attributes = message.attributes();
        attributes.find(|(_, kind, _)| *kind == wanted).map(|(_, _, value)| value.to_vec())
    }

    fn address(&self, wanted: u16) -> Option<SocketAddr> {
        self.addresses(wanted).first().copied()
    }

    fn addresses(&self, wanted: u16) -> Vec<SocketAddr> {
        let message = Message::read(&self.reply).expect("whole messages");
        let wanted = message.attributes().filter(|(_, kind, _)| *kind == wanted);
        wanted.filter_map(|(_, _, value)| xor_address(value, message.transaction())).collect()
    }
}

fn number(writer: &mut Writer<'_>, kind: u16, value: Option<u32>) {
    if let Some(value) = value {
        writer.number(kind, value);
    }
}

fn method_of(operation: &Operation) -> Method {
    match operation {
        Operation::Allocate { .. } => Method::Allocate,
        Operation::Refresh { .. } | Operation::Move { .. } => Method::Refresh,
        Operation::Permit { .. } => Method::CreatePermission,
        Operation::BindChannel { .. } => Method::ChannelBind,
        Operation::Connect { .. } => Method::Connect,
        _ => Method::ConnectionBind,
    }
}

fn write_peer(writer: &mut Writer<'_>, peer: Option<usize>) {
    if let Some(peer) = peer {
        writer.address(attribute::XOR_PEER_ADDRESS, PEERS[peer].at());
    }
}

fn number_of(tuple: FiveTuple) -> usize {
    (0..CLIENTS).find(|at| world::client(*at) == tuple).expect("one of the clients")
}

/// The number of something the relay gave out, which it has from when it was first seen.
fn slot<const N: usize>(known: &mut Vec<[u8; N]>, value: Vec<u8>) -> usize {
    let value = <[u8; N]>::try_from(value).expect("of its length");
    let found = known.iter().position(|other| *other == value);
    found.unwrap_or_else(|| {
        known.push(value);
        known.len() - 1
    })
}
