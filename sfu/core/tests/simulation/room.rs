//! People who come and go, and what the others notice.

use std::time::Duration;

use confer_protocol::client::SubscriptionWish;
use confer_protocol::id::{Mid, TrackId};
use confer_protocol::media::{MediaAction, PublishTrack};
use confer_protocol::room::SlotDemand;
use confer_protocol::room::TrackSource::{Camera, Microphone, Screen};
use confer_protocol::server::TransportState;
use uuid::Uuid;

use crate::client::Line;
use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_third_who_joins_and_leaves_disturbs_nobody() {
    let mut world = World::new(201);
    let alice = world.join(&[Microphone, Camera], 4, 8);
    let bob = world.join(&[Microphone, Camera], 4, 8);
    world.connect();
    world.run_for(SECOND);
    let keyframes = world.people[alice].publishers[1].keyframe_requests;
    let carol = world.join(&[Microphone, Camera], 4, 8);
    world.connect();
    world.run_for(SECOND * 2);
    assert!(world.people[alice].got_any_of(world.people[carol].publishers[1].tag));
    assert!(world.people[carol].got_any_of(world.people[alice].publishers[1].tag));
    assert_eq!(world.people[alice].publishers[1].keyframe_requests, keyframes + 1);
    world.leave(carol);
    let got = world.people[carol].receiver_of(1).got.len();
    world.run_for(SECOND);

    for (me, other) in [(alice, bob), (bob, alice)] {
        for publisher in &world.people[other].publishers {
            let receiver = world.people[me].receiver_of(publisher.tag);
            assert_eq!(receiver.flaws(), (0, 0));
            receiver.assert_continuous();
            let frames = receiver.frames(publisher.tag);
            let (first, last) = (frames.first().expect("came"), frames.last().expect("came"));
            assert_eq!(frames.len() as u32, last - first + 1, "no frame is missing");
        }
        let carried = world.people[me].slots.slots.iter().filter(|slot| slot.track.is_some());
        assert_eq!(carried.count(), 2, "slots of who left are free");
    }
    let after = world.people[carol].receiver_of(1).got.len();
    assert!(after - got < 20, "who left gets nothing more");
    assert_eq!(world.shard.stats().participants, 2);
}

#[test]
fn a_room_ends_with_its_last_participant() {
    let mut world = World::new(202);
    world.join(&[Microphone, Camera], 1, 1);
    world.join(&[Microphone, Camera], 1, 1);
    world.connect();
    world.leave(0);
    world.leave(1);
    let stats = world.shard.stats();
    assert_eq!((stats.rooms, stats.participants, stats.publications), (0, 0, 0));
    assert_eq!((stats.subscriptions, stats.connected), (0, 0));
    assert_eq!(world.shard.poll_timeout(), None, "an empty shard has nothing to wait for");
}

#[test]
fn a_track_that_is_added_later_appears_and_one_that_is_unpublished_goes() {
    let mut world = World::new(203);
    let alice = world.join(&[Camera], 0, 0);
    let bob = world.join(&[], 0, 2);
    world.connect();
    world.run_for(SECOND);

    world.people[alice].lines.push(Line::video("9", "sendonly"));
    let track = TrackId(Uuid::from_u128(0x999));
    let publish = PublishTrack { mid: Mid("9".into()), track, source: Screen, muted: false };
    world.people[alice].publish.push(publish);
    world.offer(alice);
    world.run_for(SECOND);
    let tag = world.people[alice].publishers[1].tag;
    assert!(!world.people[bob].receiver_of(tag).frames(tag).is_empty());
    assert_eq!(world.people[bob].receiver_of(1).flaws(), (0, 0), "the first track went on");

    world.command(alice, MediaAction::Unpublish { track });
    world.run_for(Duration::from_millis(100));
    let carried: Vec<_> =
        world.people[bob].slots.slots.iter().filter_map(|slot| slot.track).collect();
    assert_eq!(carried, [world.people[alice].publishers[0].track]);
    let frames = world.people[bob].receiver_of(tag).frames(tag).len();
    world.run_for(SECOND);
    assert_eq!(world.people[bob].receiver_of(tag).frames(tag).len(), frames);
    assert!(world.shard.stats().dropped_unmapped > 0);
}

#[test]
fn a_viewer_that_grows_its_pool_keeps_what_it_sees() {
    let mut world = World::new(204);
    for _ in 0..3 {
        world.join(&[Camera], 0, 0);
    }
    let viewer = world.join(&[], 0, 1);
    world.connect();
    world.run_for(SECOND);
    assert_eq!(world.people[viewer].slots.wanted, SlotDemand { audio: 0, video: 3 });
    for mid in ["21", "22"] {
        world.people[viewer].lines.push(Line::video(mid, "recvonly"));
    }
    world.offer(viewer);
    world.run_for(SECOND);
    let person = &world.people[viewer];
    assert_eq!(person.receivers.len(), 3);
    for receiver in &person.receivers {
        assert!(!receiver.got.is_empty());
        assert_eq!(receiver.flaws(), (0, 0));
        receiver.assert_continuous();
    }
}

#[test]
fn who_wants_nothing_of_a_track_gets_nothing_of_it() {
    let mut world = World::new(205);
    let alice = world.join(&[Camera], 0, 0);
    let bob = world.join(&[Camera], 0, 2);
    let carol = world.join(&[], 0, 2);
    world.connect();
    let track = world.people[alice].publishers[0].track;
    let wish = SubscriptionWish { track, wanted: false, pinned: false };
    world.subscribe(carol, vec![wish], SlotDemand { audio: 9, video: 9 });
    world.run_for(Duration::from_millis(100));
    let before =
        world.people[carol].receivers.iter().map(|receiver| receiver.frames(1).len()).max();
    world.run_for(SECOND);
    let after = world.people[carol].receivers.iter().map(|receiver| receiver.frames(1).len()).max();
    assert_eq!(before, after);
    let tag = world.people[bob].publishers[0].tag;
    assert!(!world.people[carol].receiver_of(tag).frames(tag).is_empty());
}

#[test]
fn the_fiftieth_who_joins_exchanges_as_much_sdp_as_the_fifth() {
    let mut world = World::new(206);
    for _ in 0..50 {
        world.join(&[Microphone, Camera], 4, 8);
    }
    let (fifth, fiftieth) = (world.people[4].sdp_bytes, world.people[49].sdp_bytes);
    println!("SDP bytes of the 5th: {fifth}, of the 50th: {fiftieth}");
    assert!(fiftieth * 10 <= fifth * 12, "{fiftieth} of {fifth}");
    let last = &world.people[49].slots;
    assert_eq!(last.slots.iter().filter(|slot| slot.track.is_some()).count(), 12);
    assert_eq!(last.wanted, SlotDemand { audio: 49, video: 49 });
}

#[test]
fn a_publisher_learns_the_codec_that_everybody_in_the_room_decodes() {
    let mut world = World::new(207);
    let mut h264_only = Line::video("0", "recvonly");
    h264_only.codecs = vec!["H264"];
    world.join_with(vec![h264_only], Vec::new());
    let alice = world.join(&[Camera], 0, 0);
    let answer = world.people[alice].last_answer.clone().expect("answered").expect("taken");
    let video = answer.sdp.lines().find(|line| line.starts_with("m=video")).expect("a video line");
    assert!(video.contains("SAVPF 102 103 96 97"), "H264 leads: {video}");
}

#[test]
fn a_slot_without_the_publishers_codec_stays_dark_and_is_counted() {
    let mut world = World::new(208);
    world.join(&[Camera], 0, 0);
    let mut h264_only = Line::video("0", "recvonly");
    h264_only.codecs = vec!["H264"];
    let bob = world.join_with(vec![h264_only], Vec::new());
    world.connect();
    world.run_for(SECOND);
    assert!(world.people[bob].receivers[0].got.is_empty());
    assert!(world.shard.stats().dark_no_codec > 50);
    assert_eq!(world.people[bob].state, Some(TransportState::Connected));
}
