use super::*;
use crate::allocation::Relayed;
use crate::credentials::{Credentials, Tenant, ephemeral_password};
use crate::frame::ChannelRange;
use crate::integrity::{Algorithm, Key, PasswordAlgorithm};
use crate::message::{TransactionId, Writer, attribute};
use std::time::Duration;

mod addresses;
mod proof;
mod streams;

const USER: &str = "2000:alice";
const REALM: &str = "confer.test";
const SECRET: &str = "s3cr3t";

/// Hands out one address of each family with rising ports, `left` times.
struct Ports {
    next: u16,
    left: u16,
    v6: bool,
}

impl Host for Ports {
    fn open_relay(&mut self, request: RelayRequest) -> Option<RelaySocket> {
        let ip = match request.family {
            Family::V4 => "192.0.2.1",
            Family::V6 if !self.v6 => return None,
            Family::V6 => "2606:4700::2",
        };
        let ip = ip.parse().expect("a literal");
        self.left = self.left.checked_sub(1)?;
        self.next += 1;
        if request.port != PortWish::Any {
            self.next = self.next.next_multiple_of(2);
        }
        let relayed = SocketAddr::new(ip, self.next);
        let next = (request.port == PortWish::EvenAndNext).then(|| {
            self.next += 1;
            SocketAddr::new(ip, self.next)
        });
        Some(RelaySocket { relayed, next })
    }
}

/// A server with one client at a fixed address that knows its nonce.
struct World {
    server: Server,
    ports: Ports,
    now: Now,
    tuple: FiveTuple,
    nonce: Vec<u8>,
    reply: Vec<u8>,
    transaction: u8,
}

fn tenant() -> Tenant {
    Tenant {
        name: "default".to_owned(),
        realm: REALM.to_owned(),
        secrets: vec!["older".to_owned(), SECRET.to_owned()],
        users: [("bob".to_owned(), "hunter2".to_owned())].into(),
        ..Tenant::default()
    }
}

fn config(tenants: Vec<Tenant>) -> Config {
    Config {
        credentials: Credentials::new(tenants),
        nonce_secret: b"nonce".to_vec(),
        tcp_relay: true,
        ..Config::default()
    }
}

fn world() -> World {
    world_of(config(vec![tenant()]))
}

fn world_of(config: Config) -> World {
    let mut world = World {
        server: Server::new(config, Instant::now()),
        ports: Ports { next: 50_000, left: 100, v6: true },
        now: Now { steady: Instant::now(), unix: 1000 },
        tuple: FiveTuple {
            client: "198.51.100.7:4000".parse().expect("a literal"),
            server: "192.0.2.1:3478".parse().expect("a literal"),
            transport: Transport::Udp,
        },
        nonce: Vec::new(),
        reply: Vec::new(),
        transaction: 0,
    };
    world.fetch_nonce();
    world
}

/// An answer, as far as most tests look at it.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Success,
    Error(u16),
}

impl World {
    fn send(&mut self, packet: &[u8]) -> Verdict {
        self.reply.clear();
        let Self { server, ports, reply, .. } = self;
        server.handle_client(self.tuple, packet, reply, ports, self.now)
    }

    fn peer_sends(&mut self, relayed: SocketAddr, peer: &str, payload: &[u8]) -> Verdict {
        self.reply.clear();
        self.server.handle_peer(relayed, at(peer), payload, &mut self.reply, self.now)
    }

    fn fetch_nonce(&mut self) {
        let mut packet = Vec::new();
        Writer::begin(&mut packet, Class::Request, Method::Allocate, &[9; 12]);
        assert_eq!(self.send(&packet), Verdict::REPLY);
        self.nonce = self.reply_attribute(attribute::NONCE).expect("a challenge");
    }

    fn next_transaction(&mut self) -> TransactionId {
        self.transaction += 1;
        [self.transaction; 12]
    }

    /// An authenticated request with these attributes.
    fn request(&mut self, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Answer {
        let password = ephemeral_password(SECRET, USER);
        let transaction = self.next_transaction();
        self.request_as(USER, &password, method, transaction, fill)
    }

    fn request_as(
        &mut self,
        user: &str,
        password: &str,
        method: Method,
        transaction: TransactionId,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Answer {
        let key = PasswordAlgorithm::Md5.key(user, REALM, password, Algorithm::Sha1);
        let verdict = self.request_with(method, transaction, &key, |writer| {
            fill(writer);
            writer.bytes(attribute::USERNAME, user.as_bytes());
        });
        assert_eq!(verdict, Verdict::REPLY);
        self.answer()
    }

    fn request_with(
        &mut self,
        method: Method,
        transaction: TransactionId,
        key: &Key,
        fill: impl FnOnce(&mut Writer<'_>),
    ) -> Verdict {
        let mut packet = Vec::new();
        let mut writer = Writer::begin(&mut packet, Class::Request, method, &transaction);
        fill(&mut writer);
        writer
            .bytes(attribute::REALM, REALM.as_bytes())
            .bytes(attribute::NONCE, &self.nonce)
            .integrity(key);
        self.send(&packet)
    }

    fn allocate(&mut self) -> SocketAddr {
        self.allocate_with(udp).iter().next().expect("a relayed address")
    }

    fn allocate_with(&mut self, fill: impl FnOnce(&mut Writer<'_>)) -> Relayed {
        assert_eq!(self.request(Method::Allocate, fill), Answer::Success);
        loop {
            match self.server.poll_event() {
                Some(Event::Allocated { relayed, .. }) => return relayed,
                Some(_) => {}
                None => panic!("no allocation"),
            }
        }
    }

    fn closed(&mut self) -> Option<CloseReason> {
        std::iter::from_fn(|| self.server.poll_event()).find_map(|event| match event {
            Event::Closed { reason, .. } => Some(reason),
            _ => None,
        })
    }

    fn reply_attribute(&self, wanted: u16) -> Option<Vec<u8>> {
        let message = Message::read(&self.reply).expect("the server writes whole messages");
        let found = message.attributes().find(|(_, kind, _)| *kind == wanted);
        found.map(|(_, _, value)| value.to_vec())
    }

    fn answer(&self) -> Answer {
        match self.reply_attribute(attribute::ERROR_CODE) {
            Some(value) => Answer::Error(u16::from(value[2]) * 100 + u16::from(value[3])),
            None => Answer::Success,
        }
    }
}

fn udp(writer: &mut Writer<'_>) {
    writer.number(attribute::REQUESTED_TRANSPORT, 17 << 24);
}

fn lifetime(seconds: u32) -> impl Fn(&mut Writer<'_>) + use<> {
    move |writer| {
        writer.number(attribute::LIFETIME, seconds);
    }
}

fn peer(address: &str) -> impl Fn(&mut Writer<'_>) + use<> {
    let address = at(address);
    move |writer| {
        writer.address(attribute::XOR_PEER_ADDRESS, address);
    }
}

fn channel(number: u16, address: &str) -> impl Fn(&mut Writer<'_>) + use<> {
    let address = at(address);
    move |writer| {
        writer
            .number(attribute::CHANNEL_NUMBER, u32::from(number) << 16)
            .address(attribute::XOR_PEER_ADDRESS, address);
    }
}

fn at(address: &str) -> SocketAddr {
    address.parse().expect("a literal")
}

#[test]
fn a_binding_answer_is_no_more_than_1_6_times_its_request() {
    let mut world = world();
    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Request, Method::Binding, &[1; 12]);
    assert_eq!(world.send(&packet), Verdict::REPLY);
    assert_eq!((packet.len(), world.reply.len()), (20, 32));
}

#[test]
fn an_unauthenticated_request_is_challenged_and_leaves_nothing() {
    let mut world = world();
    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Request, Method::Allocate, &[1; 12]);
    world.send(&packet);
    assert_eq!(world.answer(), Answer::Error(401));
    assert!(world.reply.len() <= 92, "{} bytes", world.reply.len());
    assert_eq!(world.server.allocations(), 0);
    assert_eq!(world.server.poll_event(), None);
}

#[test]
fn wrong_passwords_unknown_users_and_expired_names_get_401() {
    let mut world = world();
    let late = "900:alice";
    for (user, password) in [
        (USER, "wrong".to_owned()),
        ("mallory", "hunter2".to_owned()),
        (late, ephemeral_password(SECRET, late)),
    ] {
        let transaction = world.next_transaction();
        let got = world.request_as(user, &password, Method::Allocate, transaction, udp);
        assert_eq!(got, Answer::Error(401), "{user}");
    }
}

#[test]
fn static_users_and_every_secret_are_accepted() {
    for (user, password) in
        [("bob", "hunter2".to_owned()), (USER, ephemeral_password("older", USER))]
    {
        let mut world = world();
        let got = world.request_as(user, &password, Method::Allocate, [7; 12], udp);
        assert_eq!(got, Answer::Success, "{user}");
    }
}

#[test]
fn a_stale_nonce_gets_438_and_a_fresh_one() {
    let mut world = world();
    world.now.unix += 4000;
    assert_eq!(world.request(Method::Allocate, udp), Answer::Error(438));
    let fresh = world.reply_attribute(attribute::NONCE);
    assert_ne!(fresh.as_ref(), Some(&world.nonce));
}

#[test]
fn a_retransmitted_allocate_gets_the_same_answer_and_another_one_437() {
    let mut world = world();
    let password = ephemeral_password(SECRET, USER);
    assert_eq!(world.request_as(USER, &password, Method::Allocate, [7; 12], udp), Answer::Success);
    let first = world.reply.clone();
    assert_eq!(world.request_as(USER, &password, Method::Allocate, [7; 12], udp), Answer::Success);
    assert_eq!(world.reply, first);
    assert_eq!(world.request(Method::Allocate, udp), Answer::Error(437));
    assert_eq!(world.server.allocations(), 1);
}

#[test]
fn an_allocate_of_somebody_else_is_no_retransmission() {
    let mut world = world();
    let password = ephemeral_password(SECRET, USER);
    assert_eq!(world.request_as(USER, &password, Method::Allocate, [7; 12], udp), Answer::Success);
    let got = world.request_as("bob", "hunter2", Method::Allocate, [7; 12], udp);
    assert_eq!(got, Answer::Error(437));
}

#[test]
fn packets_pass_only_between_permitted_peers() {
    let mut world = world();
    let relayed = world.allocate();
    let stranger = world.peer_sends(relayed, "8.8.8.8:53", b"x");
    assert_eq!(stranger, Verdict::Drop(DropReason::NotPermitted));

    assert_eq!(world.request(Method::CreatePermission, peer("8.8.8.8:1")), Answer::Success);
    assert_eq!(world.peer_sends(relayed, "8.8.8.8:53", b"hello"), Verdict::ToClient(world.tuple));
    assert_eq!(world.reply_attribute(attribute::DATA).as_deref(), Some(&b"hello"[..]));

    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Indication, Method::Send, &[3; 12])
        .address(attribute::XOR_PEER_ADDRESS, at("8.8.8.8:53"))
        .bytes(attribute::DATA, b"back");
    match world.send(&packet) {
        Verdict::ToPeer { relayed: from, peer, payload, dont_fragment: false } => {
            assert_eq!((from, peer, &packet[payload]), (relayed, at("8.8.8.8:53"), &b"back"[..]));
        }
        other => panic!("not relayed: {other:?}"),
    }
}

#[test]
fn a_channel_carries_data_both_ways_until_it_expires() {
    let mut world = world();
    let relayed = world.allocate();
    assert_eq!(world.request(Method::ChannelBind, channel(0x4001, "8.8.8.8:53")), Answer::Success);
    let packet = [0x40, 0x01, 0, 3, b'a', b'b', b'c'];
    assert_eq!(
        world.send(&packet),
        Verdict::ToPeer { relayed, peer: at("8.8.8.8:53"), payload: 4..7, dont_fragment: false }
    );
    world.peer_sends(relayed, "8.8.8.8:53", b"xyz");
    assert_eq!(world.reply, [0x40, 0x01, 0, 3, b'x', b'y', b'z']);

    // The permission, which lasts half as long, goes first.
    world.now.steady += Duration::from_secs(300);
    assert_eq!(world.send(&packet), Verdict::Drop(DropReason::NotPermitted));
    world.now.steady += Duration::from_secs(299);
    assert_eq!(world.request(Method::CreatePermission, peer("8.8.8.8:1")), Answer::Success);
    assert_ne!(world.send(&packet), Verdict::Drop(DropReason::NoChannel));
    world.now.steady += Duration::from_secs(1);
    assert_eq!(world.send(&packet), Verdict::Drop(DropReason::NoChannel));
}

#[test]
fn channels_outside_the_range_or_bound_elsewhere_get_400() {
    let mut world = world();
    world.allocate();
    assert_eq!(world.request(Method::ChannelBind, channel(0x4000, "8.8.8.8:53")), Answer::Success);
    for (number, address) in [
        (0x3FFF, "8.8.4.4:53"),
        (0x5000, "8.8.4.4:53"),
        (0x4000, "8.8.4.4:53"),
        (0x4001, "8.8.8.8:53"),
    ] {
        let got = world.request(Method::ChannelBind, channel(number, address));
        assert_eq!(got, Answer::Error(400), "{number:#x} {address}");
    }
}

#[test]
fn the_older_channel_range_is_a_setting() {
    let channels = ChannelRange::Rfc5766;
    let mut world = world_of(Config { channels, ..config(vec![tenant()]) });
    let relayed = world.allocate();
    assert_eq!(world.request(Method::ChannelBind, channel(0x7FFF, "8.8.8.8:53")), Answer::Success);
    assert_eq!(
        world.send(&[0x7F, 0xFF, 0, 1, b'a']),
        Verdict::ToPeer { relayed, peer: at("8.8.8.8:53"), payload: 4..5, dont_fragment: false }
    );
    assert_eq!(
        world.request(Method::ChannelBind, channel(0x8000, "8.8.4.4:53")),
        Answer::Error(400)
    );
}

#[test]
fn private_peers_are_forbidden_on_every_way_in() {
    let mut world = world();
    let relayed = world.allocate();
    assert_eq!(world.request(Method::CreatePermission, peer("10.0.0.1:1")), Answer::Error(403));
    assert_eq!(
        world.request(Method::ChannelBind, channel(0x4000, "127.0.0.1:5432")),
        Answer::Error(403)
    );
    // All or none: a good peer beside a bad one gets no permission either.
    let both = |writer: &mut Writer<'_>| {
        peer("8.8.8.8:1")(writer);
        peer("169.254.169.254:80")(writer);
    };
    assert_eq!(world.request(Method::CreatePermission, both), Answer::Error(403));
    assert_eq!(
        world.peer_sends(relayed, "8.8.8.8:1", b"x"),
        Verdict::Drop(DropReason::NotPermitted)
    );
}

#[test]
fn requests_that_cannot_be_carried_out_get_their_own_codes() {
    let mut world = world();
    assert_eq!(world.request(Method::Refresh, |_| {}), Answer::Error(437));
    assert_eq!(world.request(Method::Allocate, |_| {}), Answer::Error(400));
    let odd = |writer: &mut Writer<'_>| {
        writer.number(attribute::REQUESTED_TRANSPORT, 99 << 24);
    };
    assert_eq!(world.request(Method::Allocate, odd), Answer::Error(442));
    let odd_family = |writer: &mut Writer<'_>| {
        udp(writer);
        writer.number(attribute::REQUESTED_ADDRESS_FAMILY, 3 << 24);
    };
    assert_eq!(world.request(Method::Allocate, odd_family), Answer::Error(440));
    let unknown = |writer: &mut Writer<'_>| {
        udp(writer);
        writer.number(0x7F00, 0);
    };
    assert_eq!(world.request(Method::Allocate, unknown), Answer::Error(420));
    assert_eq!(world.reply_attribute(attribute::UNKNOWN_ATTRIBUTES), Some(vec![0x7F, 0]));

    world.allocate();
    assert_eq!(world.request(Method::CreatePermission, |_| {}), Answer::Error(400));
    assert_eq!(
        world.request(Method::CreatePermission, peer("[2606:4700::1]:1")),
        Answer::Error(443)
    );
    let transaction = world.next_transaction();
    assert_eq!(
        world.request_as("bob", "hunter2", Method::Refresh, transaction, |_| {}),
        Answer::Error(441)
    );
}

#[test]
fn quota_and_port_exhaustion_are_told_apart() {
    let mut tight = tenant();
    tight.limits.allocations_per_user = 2;
    let mut world = world_of(config(vec![tight]));
    for port in 1..=3 {
        world.tuple.client.set_port(port);
        world.fetch_nonce();
        let expected = if port < 3 { Answer::Success } else { Answer::Error(486) };
        assert_eq!(world.request(Method::Allocate, udp), expected);
    }
    let mut world = self::world();
    world.ports.left = 0;
    assert_eq!(world.request(Method::Allocate, udp), Answer::Error(508));
}

#[test]
fn an_allocation_lives_as_long_as_it_was_refreshed() {
    let mut world = world();
    world.allocate();
    assert_eq!(world.request(Method::Refresh, lifetime(100_000)), Answer::Success);
    let granted = world.reply_attribute(attribute::LIFETIME);
    assert_eq!(granted.as_deref(), Some(&3600u32.to_be_bytes()[..]));

    world.now.steady += Duration::from_secs(3600) - Duration::from_nanos(1);
    world.server.handle_timeout(world.now);
    assert_eq!(world.server.allocations(), 1);
    world.now.steady += Duration::from_nanos(1);
    world.server.handle_timeout(world.now);
    assert_eq!(world.server.allocations(), 0);
    assert_eq!(world.closed(), Some(CloseReason::Expired));

    world.fetch_nonce();
    world.allocate();
    assert_eq!(world.request(Method::Refresh, lifetime(0)), Answer::Success);
    assert_eq!(world.closed(), Some(CloseReason::Released));
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn a_removed_participant_loses_its_allocations() {
    let mut world = world();
    world.allocate();
    assert_eq!(world.server.kick("bob", world.now.steady), 0);
    assert_eq!(world.server.kick("alice", world.now.steady), 1);
    assert_eq!(world.server.allocations(), 0);
}

proptest::proptest! {
    #[test]
    fn no_packet_makes_the_server_panic_or_allocate(packets: Vec<Vec<u8>>) {
        let mut world = world();
        for packet in packets {
            world.send(&packet);
        }
        assert_eq!(world.server.allocations(), 0);
    }
}
