//! Loss, reordering and duplication in every direction: what a viewer notices of them.

use std::collections::BTreeSet;
use std::time::Duration;

use confer_protocol::room::TrackSource::{Camera, Microphone};

use crate::receiver::Receiver;
use crate::world::{Link, World};

const SECOND: Duration = Duration::from_secs(1);

fn bad(loss: u32) -> Link {
    Link { loss, reorder: 30, duplicate: 20, ..Link::default() }
}

/// A call of two on bad links for ten seconds, then a second without loss in which the last gaps
/// are closed.
fn bad_call(seed: u64, uplink: Link, downlink: Link) -> World {
    let mut world = World::new(seed);
    let alice = world.join(&[Microphone, Camera], 4, 8);
    world.join(&[Microphone, Camera], 4, 8);
    world.connect();
    world.run_for(SECOND);
    for person in &mut world.people {
        (person.uplink, person.downlink) = (uplink, downlink);
    }
    world.run_for(SECOND * 10);
    for person in &mut world.people {
        (person.uplink, person.downlink) = (Link::default(), Link::default());
    }
    world.run_for(SECOND);
    assert_eq!(alice, 0);
    world
}

fn assert_every_frame(receiver: &Receiver, track: u8, sent: u32) {
    let frames = receiver.frames(track);
    let first = *frames.first().expect("frames came");
    // The last frames may be on their way.
    let expected: BTreeSet<u32> = (first..sent.saturating_sub(5)).collect();
    let missing: Vec<_> = expected.difference(&frames).collect();
    assert!(missing.is_empty(), "frames {missing:?} of {sent} never came whole");
}

#[test]
fn every_frame_arrives_after_repair_under_five_percent_loss_in_all_directions() {
    for seed in [11, 12, 13] {
        let world = bad_call(seed, bad(50), bad(50));
        for (me, other) in [(0, 1), (1, 0)] {
            let publisher = &world.people[other].publishers[1];
            assert!(publisher.repeats > 50, "the server asked for what it lacked");
            let receiver = world.people[me].receiver_of(publisher.tag);
            assert!(receiver.by_rtx > 50, "the server repeated what the viewer lacked");
            assert_every_frame(receiver, publisher.tag, publisher.frames);
            receiver.assert_continuous();
        }
        let stats = world.shard.stats();
        assert!(stats.repaired > 100 && stats.retransmitted > 100);
    }
}

#[test]
fn reordering_and_duplication_alone_repeat_no_packet_to_viewers() {
    for seed in [21, 22, 23] {
        let world = bad_call(seed, Link { loss: 0, ..bad(0) }, Link::default());
        for (me, other) in [(0, 1), (1, 0)] {
            for publisher in &world.people[other].publishers {
                let receiver = world.people[me].receiver_of(publisher.tag);
                assert_eq!(receiver.duplicates, 0, "no packet comes twice");
                assert_eq!(receiver.holes(), 0, "every packet comes");
                assert_every_frame(receiver, publisher.tag, publisher.frames);
                receiver.assert_continuous();
            }
        }
        assert!(world.shard.stats().dropped_srtp > 10, "copies end at the replay window");
    }
}

#[test]
fn a_viewer_that_negotiated_no_retransmission_gets_the_same_packets_again() {
    let mut world = World::new(31);
    let alice = world.join(&[Camera], 0, 1);
    let bob = world.join(&[], 0, 1);
    world.people[bob].lines[0].rtx = false;
    world.people[bob].client = crate::client::Client::new(world.people[bob].client.address);
    world.people[bob].receivers.clear();
    world.offer(bob);
    world.connect();
    world.run_for(SECOND);
    world.people[bob].downlink = bad(50);
    world.run_for(SECOND * 5);
    world.people[bob].downlink = Link::default();
    world.run_for(SECOND);

    let publisher = &world.people[alice].publishers[0];
    let receiver = world.people[bob].receiver_of(publisher.tag);
    assert_eq!(receiver.by_rtx, 0);
    assert!(world.shard.stats().retransmitted > 20);
    assert_every_frame(receiver, publisher.tag, publisher.frames);
    receiver.assert_continuous();
}

#[test]
fn a_lost_beginning_of_a_keyframe_costs_a_viewer_no_frame() {
    // The viewer waits for a keyframe; of the frame that comes, only the repaired first packet
    // says that it is one.
    for seed in 41..49 {
        let mut world = World::new(seed);
        let alice = world.join(&[Camera], 0, 0);
        world.connect();
        world.people[alice].uplink = bad(150);
        let bob = world.join(&[], 0, 1);
        world.connect();
        world.run_for(SECOND * 3);
        world.people[alice].uplink = Link::default();
        world.run_for(SECOND);
        let publisher = &world.people[alice].publishers[0];
        let receiver = world.people[bob].receiver_of(publisher.tag);
        let first = receiver.got.values().next().expect("came");
        assert!(first.content.is_keyframe && first.content.packet == 0);
        assert_every_frame(receiver, publisher.tag, publisher.frames);
        receiver.assert_continuous();
    }
}

#[test]
fn a_viewer_behind_a_bad_link_costs_others_nothing() {
    let mut world = World::new(51);
    let alice = world.join(&[Microphone, Camera], 0, 0);
    let bob = world.join(&[], 4, 8);
    let carol = world.join(&[], 4, 8);
    world.connect();
    world.run_for(SECOND);
    world.people[carol].downlink = Link { loss: 500, ..bad(500) };
    let keyframes = world.people[alice].publishers[1].keyframe_requests;
    world.run_for(SECOND * 5);

    let publisher = &world.people[alice].publishers[1];
    let receiver = world.people[bob].receiver_of(publisher.tag);
    assert_every_frame(receiver, publisher.tag, publisher.frames);
    assert_eq!((receiver.by_rtx, receiver.duplicates, receiver.holes()), (0, 0, 0));
    assert_eq!(publisher.keyframe_requests, keyframes);
    assert_eq!(publisher.repeats, 0, "what was lost after us is repeated by us");
}
