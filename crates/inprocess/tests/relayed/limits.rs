//! A way that is full loses what comes, and says so.

use std::net::SocketAddr;
use std::time::Instant;

use confer_inprocess::Sent;
use confer_protocol::id::{ParticipantId, RoomId};
use confer_protocol::media::{MediaAction, MediaCommand, MediaHappening};
use uuid::Uuid;

use crate::client::{Client, Line};
use crate::relayed::Relayed;
use crate::support::{ANNOUNCED, Media, OUTSIDE, Relay, Wish, one_way, until};

#[test]
fn what_a_media_thread_does_not_take_in_time_is_lost_and_counted() {
    let address = SocketAddr::new(ANNOUNCED, 7882);
    let (relay, mut media) = one_way();
    let mut media = media.remove(0);
    media.announce(&[address], || {});
    let relay = Relay::start(Wish::to(address), relay);
    let mut ann = Relayed::allocate(&relay, "ann");
    ann.bind(address);
    until("the way is full", || {
        ann.send(&[0; 1_000]);
        relay.handle.stats().in_process_full > 0
    });
    let mut arrived = 0;
    while media.receive(1, |_, _, _| arrived += 1) {}
    until("all are counted", || {
        let stats = relay.handle.stats();
        media.receive(usize::MAX, |_, _, _| arrived += 1);
        stats.in_process_packets == arrived
            && stats.in_process_packets + stats.in_process_full == stats.relayed_packets
    });
}

#[test]
fn what_a_relaying_thread_does_not_take_in_time_is_lost_and_counted() {
    let (mut relay, media) = one_way();
    let mut relay = relay.remove(0);
    let mut media = Media::start(ANNOUNCED, media);
    let relayed = SocketAddr::new(OUTSIDE, 50_000);
    relay.opened(relayed);

    let (room, participant) = (RoomId(Uuid::from_u128(1)), ParticipantId(Uuid::from_u128(2)));
    let mut client = Client::new(relayed);
    let sdp = client.offer(&[Line::audio("0", "recvonly")]);
    for action in [
        MediaAction::Join { subscribe: true },
        MediaAction::Offer { offer_id: 1, sdp, publish: Vec::new() },
    ] {
        media.handle.send(MediaCommand { room, participant, action }).expect("room in the queue");
    }
    loop {
        let event = media.events.blocking_recv().expect("the shard runs");
        if let MediaHappening::Answered { outcome, .. } = event.happening {
            client.answered(&outcome.expect("a good offer").sdp, Instant::now());
            break;
        }
    }
    client.handle_timeout(Instant::now());
    let check = client.outbox.pop_front().expect("a check is due");
    // Each is answered, and nobody takes the answers.
    until("the way back is full", || {
        while relay.send(relayed, media.candidate(), &check, check.len()) == Sent::Handed {}
        relay.wake();
        media.counted().0.full > 0
    });
    let mut answers = 0;
    relay.receive(usize::MAX, |to, from, answer| {
        assert_eq!((to, from), (relayed, media.candidate()));
        assert_eq!(answer.first(), Some(&1), "a success response");
        answers += 1;
    });
    assert!(answers > 100);
}
