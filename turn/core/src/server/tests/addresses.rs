//! Families, ports, moves: what relayed addresses a client gets and keeps.

use super::*;

fn even_port(reserve: bool) -> impl Fn(&mut Writer<'_>) {
    move |writer| {
        udp(writer);
        writer.bytes(attribute::EVEN_PORT, &[if reserve { 0x80 } else { 0 }]);
    }
}

fn family(family: u32) -> impl Fn(&mut Writer<'_>) {
    move |writer| {
        udp(writer);
        writer.number(attribute::REQUESTED_ADDRESS_FAMILY, family << 24);
    }
}

fn both_families(writer: &mut Writer<'_>) {
    udp(writer);
    writer.number(attribute::ADDITIONAL_ADDRESS_FAMILY, 2 << 24);
}

/// Adds attributes to a request.
type Fill<'f> = &'f dyn Fn(&mut Writer<'_>);

fn token(token: &[u8]) -> impl Fn(&mut Writer<'_>) {
    move |writer| {
        udp(writer);
        writer.bytes(attribute::RESERVATION_TOKEN, token);
    }
}

#[test]
fn an_even_port_and_the_next_one_for_its_token() {
    let mut world = world();
    let first = world.allocate_with(even_port(true)).v4.expect("IPv4 by default");
    assert_eq!(first.port() % 2, 0);
    let kept = world.reply_attribute(attribute::RESERVATION_TOKEN).expect("a token");

    world.tuple.client.set_port(4001);
    world.fetch_nonce();
    let second = world.allocate_with(token(&kept)).v4.expect("the kept one");
    assert_eq!(second.port(), first.port() + 1);

    world.tuple.client.set_port(4002);
    world.fetch_nonce();
    assert_eq!(world.request(Method::Allocate, token(&kept)), Answer::Error(508), "used");
    assert_eq!(world.request(Method::Allocate, token(&[7; 8])), Answer::Error(508), "bogus");
}

#[test]
fn a_kept_port_is_given_back_after_a_minute() {
    let mut world = world();
    world.allocate_with(even_port(true));
    let kept = world.reply_attribute(attribute::RESERVATION_TOKEN).expect("a token");
    world.now.steady += Duration::from_secs(60);
    world.server.handle_timeout(world.now);
    let events: Vec<Event> = std::iter::from_fn(|| world.server.poll_event()).collect();
    assert!(events.iter().any(|event| matches!(event, Event::RelayClosed { .. })), "{events:?}");

    world.tuple.client.set_port(4001);
    world.fetch_nonce();
    assert_eq!(world.request(Method::Allocate, token(&kept)), Answer::Error(508));
}

#[test]
fn attributes_that_contradict_each_other_get_400() {
    let mut world = world();
    let cases: [(&str, Fill<'_>); 5] = [
        ("token and even port", &|writer| {
            even_port(false)(writer);
            writer.bytes(attribute::RESERVATION_TOKEN, &[0; 8]);
        }),
        ("token and family", &|writer| {
            family(1)(writer);
            writer.bytes(attribute::RESERVATION_TOKEN, &[0; 8]);
        }),
        ("both family attributes", &|writer| {
            both_families(writer);
            writer.number(attribute::REQUESTED_ADDRESS_FAMILY, 1 << 24);
        }),
        ("additional IPv4", &|writer| {
            udp(writer);
            writer.number(attribute::ADDITIONAL_ADDRESS_FAMILY, 1 << 24);
        }),
        ("additional family and reservation", &|writer| {
            both_families(writer);
            writer.bytes(attribute::EVEN_PORT, &[0x80]);
        }),
    ];
    for (case, fill) in cases {
        assert_eq!(world.request(Method::Allocate, fill), Answer::Error(400), "{case}");
    }
}

#[test]
fn both_families_at_once_or_one_and_the_reason() {
    let mut world = world();
    let relayed = world.allocate_with(both_families);
    assert!(relayed.v4.is_some() && relayed.v6.is_some());
    assert_eq!(world.reply_attribute(attribute::ADDRESS_ERROR_CODE), None);
    for address in ["8.8.8.8:53", "[2606:4700::1111]:53"] {
        assert_eq!(world.request(Method::CreatePermission, peer(address)), Answer::Success);
    }
    // One of them may be given back alone.
    let without_v6 = |writer: &mut Writer<'_>| {
        writer.number(attribute::REQUESTED_ADDRESS_FAMILY, 2 << 24).number(attribute::LIFETIME, 0);
    };
    assert_eq!(world.request(Method::Refresh, without_v6), Answer::Success);
    assert_eq!(
        world.request(Method::CreatePermission, peer("[2606:4700::1111]:53")),
        Answer::Error(443)
    );
    assert_eq!(world.request(Method::CreatePermission, peer("8.8.8.8:53")), Answer::Success);

    let mut world = self::world();
    world.ports.v6 = false;
    let relayed = world.allocate_with(both_families);
    assert!(relayed.v4.is_some() && relayed.v6.is_none());
    assert_eq!(world.reply_attribute(attribute::ADDRESS_ERROR_CODE), Some(vec![2, 0, 5, 8]));
    assert_eq!(world.request(Method::Refresh, without_v6), Answer::Error(443));
}

#[test]
fn who_chose_an_address_with_a_permitted_one_inside_is_not_permitted() {
    let mut world = world();
    let relayed = world.allocate_with(both_families);
    assert_eq!(world.request(Method::CreatePermission, peer("8.8.8.8:53")), Answer::Success);
    let v6 = relayed.v6.expect("both families");
    let disguised = world.peer_sends(v6, "[2606:4700::200:5efe:808:808]:53", b"x");
    assert_eq!(disguised, Verdict::Drop(DropReason::NotPermitted));
}

#[test]
fn an_ipv6_address_for_who_asks() {
    let mut world = world();
    let relayed = world.allocate_with(family(2));
    assert!(relayed.v6.is_some() && relayed.v4.is_none());
    assert_eq!(world.request(Method::CreatePermission, peer("8.8.8.8:53")), Answer::Error(443));
}

#[test]
fn a_client_says_that_a_packet_must_not_be_cut() {
    let mut world = world();
    world.allocate();
    assert_eq!(world.request(Method::CreatePermission, peer("8.8.8.8:53")), Answer::Success);
    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Indication, Method::Send, &[3; 12])
        .address(attribute::XOR_PEER_ADDRESS, at("8.8.8.8:53"))
        .bytes(attribute::DONT_FRAGMENT, &[])
        .bytes(attribute::DATA, b"whole");
    assert!(matches!(world.send(&packet), Verdict::ToPeer { dont_fragment: true, .. }));
}

#[test]
fn a_client_hears_that_its_packet_did_not_arrive() {
    let mut world = world();
    let relayed = world.allocate();
    let now = world.now;
    let report = |world: &mut World| {
        world.reply.clear();
        let World { server, reply, .. } = world;
        server.handle_icmp(relayed, at("8.8.8.8:53"), (3, 4), [0, 0, 5, 0xDC], reply, now)
    };
    assert_eq!(report(&mut world), Verdict::Drop(DropReason::NotPermitted));
    assert_eq!(world.request(Method::CreatePermission, peer("8.8.8.8:53")), Answer::Success);
    assert_eq!(report(&mut world), Verdict::ToClient(world.tuple));
    let icmp = world.reply_attribute(attribute::ICMP);
    assert_eq!(icmp.as_deref(), Some(&[0, 0, 3, 4, 0, 0, 5, 0xDC][..]));
}

fn mobile(writer: &mut Writer<'_>) {
    udp(writer);
    writer.bytes(attribute::MOBILITY_TICKET, &[]);
}

fn with_ticket(ticket: &[u8]) -> impl Fn(&mut Writer<'_>) {
    move |writer| {
        writer.bytes(attribute::MOBILITY_TICKET, ticket);
    }
}

#[test]
fn an_allocation_follows_its_owner_to_another_address() {
    let mut world = world();
    let relayed = world.allocate_with(mobile).v4.expect("IPv4 by default");
    let ticket = world.reply_attribute(attribute::MOBILITY_TICKET).expect("a ticket");
    assert_eq!(world.request(Method::CreatePermission, peer("8.8.8.8:53")), Answer::Success);

    world.tuple.client = at("203.0.113.9:1");
    world.fetch_nonce();
    assert_eq!(world.request(Method::Refresh, with_ticket(&ticket)), Answer::Success);
    let fresh = world.reply_attribute(attribute::MOBILITY_TICKET).expect("another ticket");
    assert_ne!(fresh, ticket);
    assert_eq!(world.peer_sends(relayed, "8.8.8.8:53", b"x"), Verdict::ToClient(world.tuple));

    world.tuple.client = at("203.0.113.9:2");
    world.fetch_nonce();
    assert_eq!(world.request(Method::Refresh, with_ticket(&ticket)), Answer::Error(400), "used");
    assert_eq!(world.request(Method::Refresh, with_ticket(&fresh)), Answer::Success);
    assert_eq!(world.server.allocations(), 1);
}

#[test]
fn nobody_else_takes_an_allocation_with_its_ticket() {
    let mut world = world();
    world.allocate_with(mobile);
    let ticket = world.reply_attribute(attribute::MOBILITY_TICKET).expect("a ticket");
    world.tuple.client = at("203.0.113.9:1");
    world.fetch_nonce();
    let transaction = world.next_transaction();
    let stolen =
        world.request_as("bob", "hunter2", Method::Refresh, transaction, with_ticket(&ticket));
    assert_eq!(stolen, Answer::Error(441));

    let mut config = config(vec![tenant()]);
    config.mobility = false;
    let mut world = world_of(config);
    assert_eq!(world.request(Method::Allocate, mobile), Answer::Error(405));
}
