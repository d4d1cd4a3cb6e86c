use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::ring::MOST_BYTES;

const RELAY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const RELAY_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

fn at(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip, port)
}

fn media_address(thread: usize) -> SocketAddr {
    at(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)), 7882 + thread as u16)
}

/// What a bell of a test counts.
#[derive(Clone, Default)]
struct Rings(Arc<AtomicUsize>);

impl Rings {
    fn bell(&self) -> impl Fn() + Send + Sync + 'static {
        let rings = Arc::clone(&self.0);
        move || {
            rings.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// As short as rings get, so that their ends are met often.
fn ends(relay_threads: usize, media_threads: usize) -> (Vec<RelayEnd>, Vec<MediaEnd>) {
    let relayed = vec![RELAY, RELAY_V6];
    connect(&Config { relay_threads, media_threads, relayed, ring_bytes: 0 })
}

fn connected(relay_threads: usize, media_threads: usize) -> (Vec<RelayEnd>, Vec<MediaEnd>) {
    let (relay, media) = ends(relay_threads, media_threads);
    for (thread, end) in media.iter().enumerate() {
        end.announce(&[media_address(thread)], || {});
    }
    (relay, media)
}

fn pair() -> (RelayEnd, MediaEnd) {
    let (mut relay, mut media) = connected(1, 1);
    (relay.remove(0), media.remove(0))
}

type Arrived = Vec<(SocketAddr, SocketAddr, Vec<u8>)>;

fn at_media(end: &mut MediaEnd) -> Arrived {
    let mut arrived = Arrived::new();
    end.receive(usize::MAX, |from, to, bytes| arrived.push((from, to, bytes.to_vec())));
    arrived
}

fn at_relay(end: &mut RelayEnd) -> (Arrived, u64) {
    let mut arrived = Arrived::new();
    let received =
        end.receive(usize::MAX, |to, from, bytes| arrived.push((to, from, bytes.to_vec())));
    assert!(!received.has_more);
    (arrived, received.stale)
}

#[test]
fn each_side_sees_the_addresses_that_would_be_on_the_wire() {
    for ip in [RELAY, RELAY_V6] {
        let (mut relay, mut media) = pair();
        let (relayed, peer) = (at(ip, 50_000), media_address(0));
        relay.opened(relayed);
        assert_eq!(relay.send(relayed, peer, b"hello", 5), Sent::Handed);
        assert_eq!(at_media(&mut media), [(relayed, peer, b"hello".to_vec())]);
        assert_eq!(media.send(peer, relayed, b"world", 5), Sent::Handed);
        assert_eq!(at_relay(&mut relay), (vec![(relayed, peer, b"world".to_vec())], 0));
    }
}

#[test]
fn a_run_arrives_as_the_datagrams_it_is_made_of() {
    let (mut relay, mut media) = pair();
    let relayed = at(RELAY, 50_000);
    assert_eq!(relay.send(relayed, media_address(0), b"aaabbbc", 3), Sent::Handed);
    let bytes: Vec<_> = at_media(&mut media).into_iter().map(|(_, _, bytes)| bytes).collect();
    assert_eq!(bytes, [b"aaa".to_vec(), b"bbb".to_vec(), b"c".to_vec()]);
}

#[test]
fn what_is_not_for_the_other_side_goes_elsewhere() {
    let (mut relay, mut media) = pair();
    let relayed = at(RELAY, 50_000);
    relay.opened(relayed);
    assert_eq!(relay.send(relayed, media_address(1), b"x", 1), Sent::Elsewhere);
    assert_eq!(media.send(media_address(0), at(RELAY, 50_001), b"x", 1), Sent::Elsewhere);
    let stranger = at(Ipv4Addr::new(192, 0, 2, 2).into(), 50_000);
    assert_eq!(media.send(media_address(0), stranger, b"x", 1), Sent::Elsewhere);
    // What no datagram can be is the socket's to refuse.
    let long = vec![0; MOST_BYTES + 1];
    assert_eq!(relay.send(relayed, media_address(0), &long, long.len()), Sent::Elsewhere);
    assert_eq!(relay.send(relayed, media_address(0), b"", 0), Sent::Elsewhere);
}

#[test]
fn a_full_ring_loses_what_comes_and_nothing_else() {
    let (mut relay, mut media) = pair();
    let relayed = at(RELAY, 50_000);
    let mut handed = 0u32;
    while relay.send(relayed, media_address(0), &[handed as u8; 1200], 1200) == Sent::Handed {
        handed += 1;
    }
    assert_eq!(relay.send(relayed, media_address(0), &[0; 1200], 1200), Sent::Full);
    assert!(handed > 50, "only {handed} packets fit");
    let arrived = at_media(&mut media);
    assert_eq!(arrived.len() as u32, handed);
    assert!(arrived.iter().enumerate().all(|(at, (_, _, bytes))| bytes == &[at as u8; 1200]));
    assert_eq!(relay.send(relayed, media_address(0), &[0; 1200], 1200), Sent::Handed);
}

#[test]
fn frames_of_all_lengths_pass_the_end_of_the_ring_whole_and_in_order() {
    let (mut relay, mut media) = pair();
    let relayed = at(RELAY, 50_000);
    let mut waiting = VecDeque::new();
    // A fixed sequence that looks random (Knuth's MMIX generator).
    let mut state = 7u64;
    let mut next = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for round in 0..20_000 {
        let longest = if round % 16 == 0 { MOST_BYTES } else { 1_500 };
        let payload = vec![round as u8; 1 + next() % longest];
        match relay.send(relayed, media_address(0), &payload, payload.len()) {
            Sent::Handed => waiting.push_back(payload),
            Sent::Full => assert!(!waiting.is_empty(), "an empty ring takes any frame"),
            Sent::Elsewhere => panic!("the other side is there"),
        }
        for _ in 0..next() % 3 {
            media.receive(1, |_, _, bytes| {
                assert_eq!(Some(bytes.to_vec()), waiting.pop_front());
            });
        }
    }
}

#[test]
fn a_reader_that_sleeps_is_woken_once() {
    let (mut relay, mut media) = ends(2, 1);
    let rings = Rings::default();
    media[0].announce(&[media_address(0)], rings.bell());
    let send = |end: &mut RelayEnd| {
        assert_eq!(end.send(at(RELAY, 50_000), media_address(0), b"x", 1), Sent::Handed);
        assert_eq!(end.send(at(RELAY, 50_000), media_address(0), b"x", 1), Sent::Handed);
        end.wake();
    };
    // Awake: it will look by itself.
    send(&mut relay[0]);
    assert_eq!(rings.count(), 0);
    assert!(!media[0].fall_asleep(), "something waits");
    assert_eq!(at_media(&mut media[0]).len(), 2);
    assert!(media[0].fall_asleep());
    send(&mut relay[0]);
    send(&mut relay[1]);
    assert_eq!(rings.count(), 1);
    media[0].awake();
    assert_eq!(at_media(&mut media[0]).len(), 4);
    assert!(media[0].fall_asleep());
    // Nothing was handed over: nothing to wake for.
    relay[0].wake();
    assert_eq!(rings.count(), 1);
}

#[test]
fn no_frame_is_missed_however_threads_meet() {
    const FRAMES: usize = 20_000;
    let (mut relay, mut media) = ends(1, 1);
    let (mut relay, mut media) = (relay.remove(0), media.remove(0));
    let reader = std::thread::current();
    media.announce(&[media_address(0)], move || reader.unpark());
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut sent = 0;
            while sent < FRAMES {
                let handed = relay.send(at(RELAY, 50_000), media_address(0), b"frame", 5);
                sent += usize::from(handed == Sent::Handed);
                relay.wake();
            }
            // What it wrote stays readable after its end.
        });
        let mut count = 0;
        while count < FRAMES {
            media.receive(8, |_, _, bytes| {
                assert_eq!(bytes, b"frame");
                count += 1;
            });
            // A missed bell would leave this thread parked, and the test would never end.
            if count < FRAMES && media.fall_asleep() {
                std::thread::park();
                media.awake();
            }
        }
    });
}

#[test]
fn no_ring_is_passed_over_for_another() {
    let (mut relay, mut media) = connected(3, 1);
    for (thread, end) in relay.iter_mut().enumerate() {
        for _ in 0..10 {
            let from = at(RELAY, 50_000 + thread as u16);
            assert_eq!(end.send(from, media_address(0), b"x", 1), Sent::Handed);
        }
    }
    let mut counts = [0; 3];
    let has_more = media[0].receive(6, |from, _, _| counts[usize::from(from.port() - 50_000)] += 1);
    assert!(has_more);
    assert_eq!(counts, [2, 2, 2]);
}

#[test]
fn what_was_on_its_way_to_a_holder_that_is_gone_reaches_nobody() {
    let (mut relay, mut media) = pair();
    let (relayed, source) = (at(RELAY, 50_000), media_address(0));
    relay.opened(relayed);
    assert_eq!(media.send(source, relayed, b"for the first", 20), Sent::Handed);
    relay.closed(relayed);
    assert_eq!(media.send(source, relayed, b"for nobody", 20), Sent::Elsewhere);
    relay.opened(relayed);
    assert_eq!(media.send(source, relayed, b"for the second", 20), Sent::Handed);
    let (arrived, stale) = at_relay(&mut relay);
    assert_eq!(arrived, [(relayed, source, b"for the second".to_vec())]);
    assert_eq!(stale, 1);
}

#[test]
fn an_address_belongs_to_the_thread_that_opened_it_last() {
    let (mut relay, mut media) = connected(2, 1);
    let (relayed, source) = (at(RELAY, 50_000), media_address(0));
    relay[0].opened(relayed);
    assert_eq!(media[0].send(source, relayed, b"x", 1), Sent::Handed);
    relay[0].closed(relayed);
    relay[1].opened(relayed);
    // What a thread says too late about an address that is another's by now changes nothing.
    relay[0].closed(relayed);
    assert_eq!(media[0].send(source, relayed, b"y", 1), Sent::Handed);
    assert_eq!(at_relay(&mut relay[0]), (vec![], 1));
    assert_eq!(at_relay(&mut relay[1]).0, [(relayed, source, b"y".to_vec())]);
}

#[test]
fn either_side_may_end_first() {
    let (relay, mut media) = pair();
    let relayed = at(RELAY, 50_000);
    relay.opened(relayed);
    assert_eq!(media.send(media_address(0), relayed, b"x", 1), Sent::Handed);
    drop(relay);
    assert_eq!(media.send(media_address(0), relayed, b"x", 1), Sent::Elsewhere);
    media.wake();
    assert!(media.fall_asleep());

    let (mut relay, media) = pair();
    relay.opened(relayed);
    assert_eq!(relay.send(relayed, media_address(0), b"x", 1), Sent::Handed);
    drop(media);
    assert_eq!(relay.send(relayed, media_address(0), b"x", 1), Sent::Elsewhere);
    relay.wake();
    assert!(relay.fall_asleep());
}

#[test]
fn ends_belong_to_one_thread_each_and_move_there() {
    fn moves<T: Send + 'static>() {}
    moves::<RelayEnd>();
    moves::<MediaEnd>();
}
