//! What the relay decides for packets on the wire, it decides for these.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use confer_inprocess::{MediaEnd, Sent};
use confer_turn_core::client::{Ask, Via};
use confer_turn_core::{DropReason, TenantLimits};

use crate::relayed::Relayed;
use crate::support::{ANNOUNCED, LOOPBACK, OUTSIDE, PATIENCE, Relay, Wish, one_way, until};

const MEDIA: SocketAddr = SocketAddr::new(ANNOUNCED, 7882);
/// For what must not come: what would come takes microseconds.
const NOTHING_COMES: Duration = Duration::from_millis(50);

/// A relay, and in place of a media thread this test.
fn relay_with(change: impl FnOnce(&mut Wish)) -> (Relay, MediaEnd) {
    let (relay, mut media) = one_way();
    let media = media.remove(0);
    media.announce(&[MEDIA], || {});
    let mut wish = Wish::to(MEDIA);
    change(&mut wish);
    (Relay::start(wish, relay), media)
}

fn receive(media: &mut MediaEnd) -> (SocketAddr, SocketAddr, Vec<u8>) {
    let mut arrived = None;
    until("a packet", || {
        media.receive(1, |from, to, bytes| arrived = Some((from, to, bytes.to_vec())));
        arrived.is_some()
    });
    arrived.expect("it was waited for")
}

fn send(media: &mut MediaEnd, to: SocketAddr, bytes: &[u8]) {
    assert_eq!(media.send(MEDIA, to, bytes, bytes.len()), Sent::Handed);
    media.wake();
}

fn dropped(relay: &Relay, reason: DropReason) -> u64 {
    relay.handle.stats().dropped.get(&reason).copied().unwrap_or_default()
}

#[test]
fn media_sees_the_relayed_address_and_the_client_the_address_it_named() {
    let (relay, mut media) = relay_with(|_| {});
    let mut ann = Relayed::allocate(&relay, "ann");
    assert_eq!(ann.address.ip(), OUTSIDE);
    ann.bind(MEDIA);
    ann.send(b"there");
    assert_eq!(receive(&mut media), (ann.address, MEDIA, b"there".to_vec()));
    // The channel is bound to this address, so data on it came from there.
    send(&mut media, ann.address, b"and back");
    assert_eq!(ann.hear(), b"and back");
    let stats = relay.handle.stats();
    assert_eq!((stats.in_process_packets, stats.relayed_packets, stats.relayed_bytes), (2, 2, 13));
    // Another port of the same host has a permission and no channel: the address is named.
    let other = SocketAddr::new(ANNOUNCED, 7883);
    assert_eq!(media.send(other, ann.address, b"Data", 4), Sent::Handed);
    media.wake();
    assert_eq!(ann.heard_via(PATIENCE), Some((Via::Indication(other), b"Data".to_vec())));
}

#[test]
fn a_run_stays_a_run_in_both_directions() {
    let (relay, mut media) = relay_with(|_| {});
    let mut ann = Relayed::allocate(&relay, "ann");
    ann.bind(MEDIA);
    let run: Vec<u8> = (0..20).flat_map(|packet| [packet; 1_000]).collect();
    assert_eq!(media.send(MEDIA, ann.address, &run, 1_000), Sent::Handed);
    media.wake();
    for packet in 0..20 {
        assert_eq!(ann.hear(), [packet; 1_000]);
    }
    assert_eq!(relay.handle.stats().in_process_packets, 20);
}

#[test]
fn whom_nobody_permitted_is_not_heard() {
    let (relay, mut media) = relay_with(|_| {});
    let mut ann = Relayed::allocate(&relay, "ann");
    send(&mut media, ann.address, b"hello?");
    until("it is refused", || dropped(&relay, DropReason::NotPermitted) == 1);
    ann.send(b"on no channel");
    until("it is refused", || dropped(&relay, DropReason::NoChannel) == 1);
    assert!(!media.receive(1, |_, _, _| panic!("nothing was permitted")));
    assert_eq!(relay.handle.stats().relayed_packets, 0);
    assert_eq!(ann.heard(NOTHING_COMES), None);
}

#[test]
fn media_that_the_policy_does_not_name_is_forbidden() {
    let (relay, mut media) = relay_with(|wish| wish.own_media.clear());
    let mut ann = Relayed::allocate(&relay, "ann");
    let bind = Ask::Bind { channel: 0x4000, peer: MEDIA };
    assert_eq!(ann.ask(bind).expect_err("it is not globally routable"), 403);
    send(&mut media, ann.address, b"hello?");
    until("it is refused", || dropped(&relay, DropReason::NotPermitted) == 1);
}

#[test]
fn rates_hold_for_what_comes_and_what_goes() {
    let limits = TenantLimits { bytes_per_second: 1_000, ..TenantLimits::default() };
    let (relay, mut media) = relay_with(|wish| wish.limits = limits);
    let mut ann = Relayed::allocate(&relay, "ann");
    ann.bind(MEDIA);
    // More than any burst that is granted.
    for _ in 0..50 {
        ann.send(&[0; 1_000]);
    }
    until("too much is refused", || dropped(&relay, DropReason::OverRate) > 10);
    let before = dropped(&relay, DropReason::OverRate);
    for _ in 0..20 {
        send(&mut media, ann.address, &[0; 1_000]);
    }
    until("too much is refused", || dropped(&relay, DropReason::OverRate) > before);
}

#[test]
fn who_gets_an_address_again_hears_nothing_of_its_earlier_holder() {
    // One that nothing else draws at random.
    let free = |port: &u16| UdpSocket::bind((LOOPBACK, *port)).is_ok();
    let port = (20_000..30_000).find(free).expect("a free port");
    let (relay, mut media) = relay_with(|wish| wish.ports = port..=port);
    let mut ann = Relayed::allocate(&relay, "ann");
    ann.bind(MEDIA);
    let address = ann.address;
    assert_eq!(relay.kick("ann"), 1);
    until("it is closed", || relay.handle.stats().allocations == 0);
    // Nobody has it: the media plane would use its socket.
    until("the address is free", || media.send(MEDIA, address, b"x", 1) == Sent::Elsewhere);

    let mut ben = Relayed::allocate(&relay, "ben");
    assert_eq!(ben.address, address);
    send(&mut media, ben.address, b"of the call before");
    until("it is refused", || dropped(&relay, DropReason::NotPermitted) >= 1);
    ben.bind(MEDIA);
    send(&mut media, ben.address, b"of this call");
    assert_eq!(ben.hear(), b"of this call");
    assert_eq!(ann.heard(NOTHING_COMES), None);
}

#[test]
fn the_socket_of_a_relayed_address_is_open_for_other_peers() {
    let (relay, mut media) = relay_with(|wish| {
        wish.external = LOOPBACK;
    });
    let peer = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
    let peer_address = peer.local_addr().expect("it is bound");
    let mut ann = Relayed::allocate(&relay, "ann");
    assert_eq!(
        ann.ask(Ask::Permit(peer_address)).expect_err("loopback is not globally routable"),
        403
    );
    ann.bind(MEDIA);
    ann.send(b"there");
    assert_eq!(receive(&mut media).0, ann.address);
    // The socket is bound: nobody else gets the port, and what comes there is judged.
    assert!(UdpSocket::bind(ann.address).is_err());
    peer.send_to(b"uninvited", ann.address).expect("loopback");
    until("it is refused", || dropped(&relay, DropReason::NotPermitted) == 1);
}
