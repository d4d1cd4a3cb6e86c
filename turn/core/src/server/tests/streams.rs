//! TCP allocations (RFC 6062), clients on streams, and behaviour discovery (RFC 5780).

use super::*;
use crate::quota::TenantLimits;

fn tcp(writer: &mut Writer<'_>) {
    writer.number(attribute::REQUESTED_TRANSPORT, 6 << 24);
}

fn stream_world() -> World {
    let mut world = world();
    world.tuple.transport = Transport::Tcp;
    world.fetch_nonce();
    world
}

/// Asks for a connection to this peer, without looking at the verdict.
fn connect(world: &mut World, address: &str) -> Verdict {
    let password = ephemeral_password(SECRET, USER);
    let key = PasswordAlgorithm::Md5.key(USER, REALM, &password, Algorithm::Sha1);
    let transaction = world.next_transaction();
    let to = peer(address);
    world.request_with(Method::Connect, transaction, &key, |writer| {
        to(writer);
        writer.bytes(attribute::USERNAME, USER.as_bytes());
    })
}

fn bind(world: &mut World, id: ConnectionId) -> (Verdict, Answer) {
    let password = ephemeral_password(SECRET, USER);
    let key = PasswordAlgorithm::Md5.key(USER, REALM, &password, Algorithm::Sha1);
    let transaction = world.next_transaction();
    let verdict = world.request_with(Method::ConnectionBind, transaction, &key, |writer| {
        writer.number(attribute::CONNECTION_ID, id.0).bytes(attribute::USERNAME, USER.as_bytes());
    });
    (verdict, world.answer())
}

fn connected(world: &mut World, id: ConnectionId, outcome: Result<(), ConnectFailure>) -> Verdict {
    world.reply.clear();
    world.server.handle_connected(id, outcome, &mut world.reply, world.now)
}

#[test]
fn tcp_is_relayed_only_where_it_is_served_and_only_over_streams() {
    let mut world = world();
    assert_eq!(world.request(Method::Allocate, tcp), Answer::Error(400), "over UDP");
    let mut off = config(vec![tenant()]);
    off.tcp_relay = false;
    let mut world = world_of(off);
    assert_eq!(world.request(Method::Allocate, tcp), Answer::Error(442));
}

#[test]
fn a_client_connects_to_a_peer_and_gets_a_stream() {
    let mut world = stream_world();
    let relayed = world.allocate_with(tcp).v4.expect("IPv4 by default");
    let Verdict::Connect { id, relayed: from, peer: to } = connect(&mut world, "8.8.8.8:80") else {
        panic!("nothing to connect")
    };
    assert_eq!((from, to), (relayed, at("8.8.8.8:80")));
    assert_eq!(connect(&mut world, "8.8.8.8:80"), Verdict::REPLY);
    assert_eq!(world.answer(), Answer::Error(446), "once is enough");

    let control = world.tuple;
    assert_eq!(connected(&mut world, id, Ok(())), Verdict::ToClient(control));
    let told = world.reply_attribute(attribute::CONNECTION_ID);
    assert_eq!(told.as_deref(), Some(&id.0.to_be_bytes()[..]));

    world.tuple.client.set_port(4001);
    world.fetch_nonce();
    assert_eq!(bind(&mut world, id), (Verdict::Splice(id), Answer::Success));
    assert_eq!(bind(&mut world, id).1, Answer::Error(400), "taken");

    // The data connection ends with its control connection.
    world.server.handle_disconnect(&control, world.now.steady);
    let events: Vec<Event> = std::iter::from_fn(|| world.server.poll_event()).collect();
    assert!(events.contains(&Event::ConnectionClosed { id }), "{events:?}");
}

#[test]
fn what_a_stream_carries_counts_for_its_allocation_and_waits_for_its_rates() {
    let limits = TenantLimits {
        bytes_per_second: 1000,
        user_bytes_per_second: 1200,
        ..TenantLimits::default()
    };
    let mut world =
        world_of(Config { tcp_relay: true, ..config(vec![Tenant { limits, ..tenant() }]) });
    world.tuple.transport = Transport::Tcp;
    world.fetch_nonce();
    world.allocate_with(tcp);
    let Verdict::Connect { id, .. } = connect(&mut world, "8.8.8.8:80") else {
        panic!("nothing to connect")
    };
    connected(&mut world, id, Ok(()));
    let now = world.now.steady;
    let toll = world.server.toll(id, now).expect("it is the allocation's");
    assert_eq!(toll.sent(1000, now), Duration::ZERO);
    assert_eq!(toll.received(200, now), Duration::from_millis(200), "of the allocation's rate");
    let another = world.server.toll(id, now).expect("it is the allocation's");
    assert_eq!(
        another.received(1200, now),
        Duration::from_millis(1400),
        "all its streams share it"
    );
    let told = world.server.sessions(now)[0].traffic;
    assert_eq!((told.sent_bytes, told.received_bytes), (1000, 1400));
}

#[test]
fn a_peer_that_refuses_or_never_answers_is_reported() {
    let mut world = stream_world();
    world.allocate_with(tcp);
    let Verdict::Connect { id, .. } = connect(&mut world, "8.8.8.8:80") else {
        panic!("nothing to connect")
    };
    connected(&mut world, id, Err(ConnectFailure::Refused));
    assert_eq!(world.answer(), Answer::Error(447));
    let Verdict::Connect { id, .. } = connect(&mut world, "8.8.8.8:80") else {
        panic!("the failed one is forgotten")
    };
    world.now.steady += Duration::from_secs(30);
    world.server.handle_timeout(world.now);
    let events: Vec<Event> = std::iter::from_fn(|| world.server.poll_event()).collect();
    assert!(events.contains(&Event::ConnectionClosed { id }), "{events:?}");
}

#[test]
fn the_policy_holds_for_connects_too() {
    let mut world = stream_world();
    world.allocate_with(tcp);
    for private in ["10.0.0.1:22", "127.0.0.1:5432", "169.254.169.254:80"] {
        assert_eq!(connect(&mut world, private), Verdict::REPLY);
        assert_eq!(world.answer(), Answer::Error(403), "{private}");
    }
}

#[test]
fn connections_to_peers_that_a_changed_policy_denies_end() {
    let mut world = stream_world();
    world.allocate_with(tcp);
    let mut connects = |address: &str| match connect(&mut world, address) {
        Verdict::Connect { id, .. } => id,
        other => panic!("nothing to connect: {other:?}"),
    };
    let (denied, untouched) = (connects("8.8.8.8:80"), connects("8.8.4.4:80"));
    connected(&mut world, denied, Ok(()));
    let mut changed = tenant();
    changed.policy.denied = vec!["8.8.8.8/32".parse().expect("a literal")];
    world.server.reconfigure(config(vec![changed]));
    let events: Vec<Event> = std::iter::from_fn(|| world.server.poll_event()).collect();
    assert!(events.contains(&Event::ConnectionClosed { id: denied }), "{events:?}");
    assert!(!events.contains(&Event::ConnectionClosed { id: untouched }), "{events:?}");
}

#[test]
fn an_allocation_of_streams_has_no_channels() {
    let mut world = stream_world();
    world.allocate_with(tcp);
    let got = world.request(Method::ChannelBind, channel(0x4000, "8.8.8.8:53"));
    assert_eq!(got, Answer::Error(403));
}

/// On a stream, a wrong length would let the peer write the next frame.
#[test]
fn a_packet_that_no_indication_holds_is_dropped() {
    let mut world = stream_world();
    let both = |writer: &mut Writer<'_>| {
        udp(writer);
        writer.number(attribute::ADDITIONAL_ADDRESS_FAMILY, 2 << 24);
    };
    let relayed = world.allocate_with(both).v6.expect("both families");
    assert_eq!(
        world.request(Method::CreatePermission, peer("[2606:4700::1111]:53")),
        Answer::Success
    );
    for (length, expected) in [
        (65_504, Verdict::ToClient(world.tuple)),
        (65_505, Verdict::Drop(DropReason::TooLarge)),
        (65_535, Verdict::Drop(DropReason::TooLarge)),
    ] {
        let got = world.peer_sends(relayed, "[2606:4700::1111]:53", &vec![0; length]);
        assert_eq!(got, expected, "{length} bytes");
    }
    let bind = channel(0x4000, "[2606:4700::1111]:53");
    assert_eq!(world.request(Method::ChannelBind, bind), Answer::Success);
    let got = world.peer_sends(relayed, "[2606:4700::1111]:53", &[0; 65_535]);
    assert_eq!(got, Verdict::ToClient(world.tuple), "a channel holds all there is");
}

#[test]
fn a_peer_may_connect_once_it_is_permitted() {
    let mut world = stream_world();
    let relayed = world.allocate_with(tcp).v4.expect("IPv4 by default");
    let now = world.now;
    let knock = |world: &mut World| {
        world.reply.clear();
        world.server.handle_incoming(relayed, at("8.8.8.8:5000"), &mut world.reply, now)
    };
    assert_eq!(knock(&mut world), None);
    assert_eq!(world.request(Method::CreatePermission, peer("8.8.8.8:1")), Answer::Success);
    let (id, tuple) = knock(&mut world).expect("permitted");
    assert_eq!(tuple, world.tuple);
    let told = world.reply_attribute(attribute::CONNECTION_ID);
    assert_eq!(told.as_deref(), Some(&id.0.to_be_bytes()[..]));
}

#[test]
fn somebody_elses_connection_cannot_be_taken() {
    let mut world = stream_world();
    world.allocate_with(tcp);
    let Verdict::Connect { id, .. } = connect(&mut world, "8.8.8.8:80") else {
        panic!("nothing to connect")
    };
    connected(&mut world, id, Ok(()));
    world.tuple.client.set_port(4001);
    world.fetch_nonce();
    let transaction = world.next_transaction();
    let stolen =
        world.request_as("bob", "hunter2", Method::ConnectionBind, transaction, |writer| {
            writer.number(attribute::CONNECTION_ID, id.0);
        });
    assert_eq!(stolen, Answer::Error(441));
}

#[test]
fn channel_data_to_a_stream_is_padded() {
    let mut world = stream_world();
    let relayed = world.allocate();
    assert_eq!(world.request(Method::ChannelBind, channel(0x4000, "8.8.8.8:53")), Answer::Success);
    world.peer_sends(relayed, "8.8.8.8:53", b"abcde");
    assert_eq!(world.reply, [0x40, 0, 0, 5, b'a', b'b', b'c', b'd', b'e', 0, 0, 0]);
}

#[test]
fn a_client_learns_what_its_nat_does() {
    let mut discovery = config(vec![tenant()]);
    let addresses = [["192.0.2.1:3478", "192.0.2.1:3479"], ["192.0.2.2:3478", "192.0.2.2:3479"]];
    discovery.behaviour = Some(Behaviour { addresses: addresses.map(|pair| pair.map(at)) });
    let mut world = world_of(discovery);
    let mut ask = |flags: u32| {
        let mut packet = Vec::new();
        Writer::begin(&mut packet, Class::Request, Method::Binding, &[1; 12])
            .number(attribute::CHANGE_REQUEST, flags);
        world.send(&packet)
    };
    let from = |address: &str| Verdict::Reply { from: Some(at(address)), to: None };
    assert_eq!(ask(0), Verdict::REPLY);
    assert_eq!(ask(2), from("192.0.2.1:3479"));
    assert_eq!(ask(4), from("192.0.2.2:3478"));
    assert_eq!(ask(6), from("192.0.2.2:3479"));
    assert!(world.reply_attribute(attribute::OTHER_ADDRESS).is_some());

    // The longest answer is not sent where somebody points.
    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Request, Method::Binding, &[1; 12])
        .number(attribute::RESPONSE_PORT, 9 << 16)
        .bytes(attribute::PADDING, &[0; 1200]);
    assert_eq!(world.send(&packet), Verdict::REPLY);
    assert_eq!(world.answer(), Answer::Error(400));

    let mut world = self::world();
    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Request, Method::Binding, &[1; 12])
        .number(attribute::CHANGE_REQUEST, 6);
    world.send(&packet);
    assert_eq!(world.answer(), Answer::Error(420), "with one address there is nothing to change");
}
