//! Whole calls.

use crate::person::Person;
use crate::support::{LOOPBACK, Media, Relay, Wish, both, one_way, until};

#[test]
fn a_call_through_the_relay_passes_no_socket_between_relay_and_media() {
    let (relay, mut media) = both();
    let mut ann = Person::join(&relay, &mut media, "ann", true);
    let mut ben = Person::join(&relay, &mut media, "ben", false);
    ann.connect();
    ben.connect();
    // These addresses are on no wire here, so all of this was in process.
    while ben.packets < 20 {
        ann.publish();
        ann.turn();
        ben.turn();
    }
    ann.leave(&media);
    ben.leave(&media);

    let stats = relay.handle.stats();
    assert_eq!(stats.in_process_packets, stats.relayed_packets);
    assert_eq!((stats.in_process_full, stats.send_failed), (0, 0));
    until("the media thread leaves its counters", || media.counted().0.sent >= 20);
    let (in_process, socket) = media.counted();
    assert_eq!((socket.datagrams_received, socket.datagrams_sent), (0, 0));
    assert_eq!((socket.send_errors, in_process.full), (0, 0));
}

#[test]
fn without_the_way_the_same_call_passes_sockets() {
    let mut media = Media::start(LOOPBACK, Vec::new());
    let wish = Wish { external: LOOPBACK, ..Wish::to(media.candidate()) };
    let relay = Relay::start(wish, Vec::new());
    let mut ann = Person::join(&relay, &mut media, "ann", true);
    ann.connect();
    until("the media thread leaves its counters", || media.counted().1.datagrams_sent > 0);
    assert_eq!(media.counted().0, Default::default());
    assert_eq!(relay.handle.stats().in_process_packets, 0);
}

#[test]
fn who_comes_through_a_socket_is_heard_beside_the_way() {
    let (relay_ends, media_ends) = one_way();
    let mut media = Media::start(LOOPBACK, media_ends);
    // This relay has no part in the way, as one of another process has not.
    let wish = Wish { external: LOOPBACK, ..Wish::to(media.candidate()) };
    let other = Relay::start(wish, Vec::new());
    let mut ann = Person::join(&other, &mut media, "ann", true);
    ann.connect();
    until("the media thread leaves its counters", || media.counted().1.datagrams_sent > 0);
    assert_eq!(media.counted().0, Default::default());
    drop(relay_ends);
}
