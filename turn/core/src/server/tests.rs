use super::*;
use crate::credentials::ephemeral_password;
use crate::message::TransactionId;
use aws_lc_rs::hmac;
use md5::{Digest, Md5};

const USER: &str = "2000:alice";
const REALM: &str = "confer.test";
const SECRET: &str = "s3cr3t";

/// Hands out 192.0.2.1 with rising ports, `left` times.
struct Ports {
    next: u16,
    left: u16,
}

impl RelayPorts for Ports {
    fn open(&mut self, family: Family) -> Option<SocketAddr> {
        self.left = self.left.checked_sub(1)?;
        self.next += 1;
        let ip = match family {
            Family::V4 => "192.0.2.1",
            Family::V6 => "2606:4700::2",
        };
        Some(SocketAddr::new(ip.parse().expect("a literal"), self.next))
    }
}

/// A server with one client at a fixed address that knows its nonce.
struct World {
    server: Server,
    ports: Ports,
    now: Now,
    tuple: FiveTuple,
    nonce: Vec<u8>,
    transaction: u8,
}

fn world() -> World {
    let config = Config {
        credentials: Credentials {
            realm: REALM.to_owned(),
            secrets: vec!["older".to_owned(), SECRET.to_owned()],
            users: [("bob".to_owned(), "hunter2".to_owned())].into(),
        },
        nonce_secret: b"nonce".to_vec(),
        ..Config::default()
    };
    let mut world = World {
        server: Server::new(config),
        ports: Ports { next: 50_000, left: 100 },
        now: Now { steady: Instant::now(), unix: 1000 },
        tuple: FiveTuple {
            client: "198.51.100.7:4000".parse().expect("a literal"),
            server: "192.0.2.1:3478".parse().expect("a literal"),
            transport: Transport::Udp,
        },
        nonce: Vec::new(),
        transaction: 0,
    };
    world.fetch_nonce();
    world
}

/// An answer, as far as tests look at it.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Success,
    Error(u16),
}

impl World {
    fn send(&mut self, packet: &[u8]) -> Verdict {
        self.server.handle_client(self.tuple, packet, &mut self.ports, self.now)
    }

    fn fetch_nonce(&mut self) {
        let mut packet = Vec::new();
        Writer::begin(&mut packet, Class::Request, Method::Allocate, &[9; 12]);
        assert_eq!(self.send(&packet), Verdict::Reply);
        self.nonce = reply_attribute(self.server.reply(), attribute::NONCE).expect("a challenge");
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
        let digest = Md5::digest(format!("{user}:{REALM}:{password}"));
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &digest);
        let mut packet = Vec::new();
        let mut writer = Writer::begin(&mut packet, Class::Request, method, &transaction);
        fill(&mut writer);
        writer
            .bytes(attribute::USERNAME, user.as_bytes())
            .bytes(attribute::REALM, REALM.as_bytes())
            .bytes(attribute::NONCE, &self.nonce)
            .integrity(&key);
        assert_eq!(self.send(&packet), Verdict::Reply);
        answer(self.server.reply())
    }

    fn allocate(&mut self) -> SocketAddr {
        assert_eq!(self.request(Method::Allocate, udp), Answer::Success);
        match self.server.poll_event() {
            Some(Event::Allocated { relayed, .. }) => relayed,
            other => panic!("no allocation: {other:?}"),
        }
    }
}

fn udp(writer: &mut Writer<'_>) {
    writer.number(attribute::REQUESTED_TRANSPORT, 17 << 24);
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

fn reply_attribute(reply: &[u8], wanted: u16) -> Option<Vec<u8>> {
    let message = Message::read(reply).expect("the server writes whole messages");
    message.attributes().find(|(_, kind, _)| *kind == wanted).map(|(_, _, value)| value.to_vec())
}

fn answer(reply: &[u8]) -> Answer {
    match reply_attribute(reply, attribute::ERROR_CODE) {
        Some(value) => Answer::Error(u16::from(value[2]) * 100 + u16::from(value[3])),
        None => Answer::Success,
    }
}

#[test]
fn a_binding_answer_is_no_more_than_1_6_times_its_request() {
    let mut world = world();
    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Request, Method::Binding, &[1; 12]);
    assert_eq!(world.send(&packet), Verdict::Reply);
    assert_eq!((packet.len(), world.server.reply().len()), (20, 32));
}

#[test]
fn an_unauthenticated_request_is_challenged_and_leaves_nothing() {
    let mut world = world();
    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Request, Method::Allocate, &[1; 12]);
    world.send(&packet);
    assert_eq!(answer(world.server.reply()), Answer::Error(401));
    assert!(world.server.reply().len() <= 92, "{} bytes", world.server.reply().len());
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
    let fresh = reply_attribute(world.server.reply(), attribute::NONCE);
    assert_ne!(fresh.as_ref(), Some(&world.nonce));
}

#[test]
fn a_retransmitted_allocate_gets_the_same_answer_and_another_one_437() {
    let mut world = world();
    let password = ephemeral_password(SECRET, USER);
    assert_eq!(world.request_as(USER, &password, Method::Allocate, [7; 12], udp), Answer::Success);
    let first = world.server.reply().to_vec();
    assert_eq!(world.request_as(USER, &password, Method::Allocate, [7; 12], udp), Answer::Success);
    assert_eq!(world.server.reply(), first);
    assert_eq!(world.request(Method::Allocate, udp), Answer::Error(437));
    assert_eq!(world.server.allocations(), 1);
}

#[test]
fn packets_pass_only_between_permitted_peers() {
    let mut world = world();
    let relayed = world.allocate();
    let now = world.now;
    let stranger = world.server.handle_peer(relayed, at("8.8.8.8:53"), b"x", now);
    assert_eq!(stranger, Verdict::Drop(DropReason::NotPermitted));

    assert_eq!(world.request(Method::CreatePermission, peer("8.8.8.8:1")), Answer::Success);
    assert_eq!(
        world.server.handle_peer(relayed, at("8.8.8.8:53"), b"hello", now),
        Verdict::ToClient(world.tuple)
    );
    assert_eq!(
        reply_attribute(world.server.reply(), attribute::DATA).as_deref(),
        Some(&b"hello"[..])
    );

    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Indication, Method::Send, &[3; 12])
        .address(attribute::XOR_PEER_ADDRESS, at("8.8.8.8:53"))
        .bytes(attribute::DATA, b"back");
    match world.send(&packet) {
        Verdict::ToPeer { relayed: from, peer, payload } => {
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
        Verdict::ToPeer { relayed, peer: at("8.8.8.8:53"), payload: 4..7 }
    );
    let now = world.now;
    world.server.handle_peer(relayed, at("8.8.8.8:53"), b"xyz", now);
    assert_eq!(world.server.reply(), [0x40, 0x01, 0, 3, b'x', b'y', b'z']);

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
    let now = world.now;
    assert_eq!(
        world.server.handle_peer(relayed, at("8.8.8.8:1"), b"x", now),
        Verdict::Drop(DropReason::NotPermitted)
    );
}

#[test]
fn requests_that_cannot_be_carried_out_get_their_own_codes() {
    let mut world = world();
    assert_eq!(world.request(Method::Refresh, |_| {}), Answer::Error(437));
    assert_eq!(world.request(Method::Allocate, |_| {}), Answer::Error(400));
    let tcp = |writer: &mut Writer<'_>| {
        writer.number(attribute::REQUESTED_TRANSPORT, 6 << 24);
    };
    assert_eq!(world.request(Method::Allocate, tcp), Answer::Error(442));
    let odd_family = |writer: &mut Writer<'_>| {
        udp(writer);
        writer.number(attribute::REQUESTED_ADDRESS_FAMILY, 3 << 24);
    };
    assert_eq!(world.request(Method::Allocate, odd_family), Answer::Error(440));
    let even_port = |writer: &mut Writer<'_>| {
        udp(writer);
        writer.bytes(attribute::EVEN_PORT, &[0x80]);
    };
    assert_eq!(world.request(Method::Allocate, even_port), Answer::Error(420));

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
    let mut world = world();
    world.server.config.limits.allocations_per_user = 2;
    for port in 1..=3 {
        world.tuple.client.set_port(port);
        world.fetch_nonce();
        let expected = if port < 3 { Answer::Success } else { Answer::Error(486) };
        assert_eq!(world.request(Method::Allocate, udp), expected);
    }
    world.ports.left = 0;
    world.server.config.limits.allocations_per_user = 9;
    assert_eq!(world.request(Method::Allocate, udp), Answer::Error(508));
}

#[test]
fn an_allocation_lives_as_long_as_it_was_refreshed() {
    let mut world = world();
    let relayed = world.allocate();
    let ask = |seconds: u32| {
        move |writer: &mut Writer<'_>| {
            writer.number(attribute::LIFETIME, seconds);
        }
    };
    assert_eq!(world.request(Method::Refresh, ask(100_000)), Answer::Success);
    let granted = reply_attribute(world.server.reply(), attribute::LIFETIME);
    assert_eq!(granted.as_deref(), Some(&3600u32.to_be_bytes()[..]));

    world.now.steady += Duration::from_secs(3600) - Duration::from_nanos(1);
    world.server.handle_timeout(world.now);
    assert_eq!(world.server.allocations(), 1);
    world.now.steady += Duration::from_nanos(1);
    world.server.handle_timeout(world.now);
    assert_eq!(world.server.allocations(), 0);
    assert!(matches!(
        world.server.poll_event(),
        Some(Event::Closed { relayed: closed, reason: CloseReason::Expired, .. }) if closed == relayed
    ));

    world.fetch_nonce();
    world.allocate();
    assert_eq!(world.request(Method::Refresh, ask(0)), Answer::Success);
    assert!(matches!(
        world.server.poll_event(),
        Some(Event::Closed { reason: CloseReason::Released, .. })
    ));
    assert_eq!(world.server.poll_timeout(), None);
}

#[test]
fn a_removed_participant_loses_its_allocations() {
    let mut world = world();
    world.allocate();
    assert_eq!(world.server.kick("bob"), 0);
    assert_eq!(world.server.kick("alice"), 1);
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
