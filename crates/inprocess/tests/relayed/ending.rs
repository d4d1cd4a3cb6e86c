//! Either side may end while the other goes on.

use crate::person::Person;
use crate::relayed::Relayed;
use crate::support::{both, until};

#[test]
fn media_may_end_before_the_relay() {
    let (mut relay, mut media) = both();
    let mut ann = Person::join(&relay, &mut media, "ann", true);
    ann.connect();
    media.running.stop();
    let in_process = relay.handle.stats().in_process_packets;
    let relayed = relay.handle.stats().relayed_packets;
    ann.relayed.send(b"to a socket that is closed");
    until("it is relayed", || relay.handle.stats().relayed_packets > relayed);
    assert_eq!(relay.handle.stats().in_process_packets, in_process);
    // Others are served as ever.
    let _ben = Relayed::allocate(&relay, "ben");
    relay.stop();
}

#[test]
fn the_relay_may_end_before_media() {
    let (mut relay, mut media) = both();
    let mut ann = Person::join(&relay, &mut media, "ann", true);
    ann.connect();
    relay.stop();
    // The shard still has somebody to keep alive, by its socket.
    assert!(media.handle.is_alive());
    ann.leave(&media);
    media.running.stop();
}
