//! Slots that change what they carry: what a decoder sees goes on.

use std::time::Duration;

use confer_protocol::client::SubscriptionWish;
use confer_protocol::room::SlotDemand;
use confer_protocol::room::TrackSource::{Camera, Microphone};

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);
const ALL: SlotDemand = SlotDemand { audio: 100, video: 100 };

fn pin(world: &mut World, viewer: usize, publisher: usize) {
    let track = world.people[publisher].publishers[0].track;
    let wish = SubscriptionWish { track, wanted: true, pinned: true };
    world.subscribe(viewer, vec![wish], ALL);
}

#[test]
fn one_slot_that_switches_between_tracks_is_one_stream() {
    let mut world = World::new(101);
    let alice = world.join(&[Camera], 0, 0);
    let bob = world.join(&[Camera], 0, 0);
    let carol = world.join(&[], 0, 1);
    world.connect();
    world.run_for(SECOND);
    for shown in [bob, alice, bob, alice, bob] {
        pin(&mut world, carol, shown);
        world.run_for(Duration::from_millis(700));
    }
    let [receiver] = world.people[carol].receivers.as_slice() else { panic!("one slot") };
    assert_eq!(receiver.flaws(), (0, 0));
    receiver.assert_continuous();
    let mut switches = 0;
    let mut last = None;
    for got in receiver.got.values() {
        switches += usize::from(last.replace(got.content.track) != Some(got.content.track));
    }
    assert_eq!(switches, 6, "alice, and five times the other one");
}

#[test]
fn a_switch_shows_a_picture_within_a_quarter_of_a_second() {
    let mut world = World::new(102);
    world.join(&[Camera], 0, 0);
    let bob = world.join(&[Camera], 0, 0);
    let carol = world.join(&[], 0, 1);
    world.connect();
    world.run_for(SECOND);
    let switched_at = world.now;
    pin(&mut world, carol, bob);
    world.run_for(SECOND);
    let tag = world.people[bob].publishers[0].tag;
    let receiver = world.people[carol].receiver_of(tag);
    let first = receiver.got.values().find(|got| got.content.track == tag).expect("came");
    let waited = first.at - switched_at;
    assert!(waited <= Duration::from_millis(250), "{waited:?} of simulated time");
}

#[test]
fn nothing_of_a_muted_track_passes_and_it_goes_on_with_a_keyframe() {
    let mut world = World::new(103);
    let alice = world.join(&[Microphone, Camera], 0, 0);
    let bob = world.join(&[], 1, 1);
    world.connect();
    world.run_for(SECOND);
    world.mute(alice, 0, true);
    world.mute(alice, 1, true);
    // What was sent before is still on its way.
    world.run_for(Duration::from_millis(50));
    let before: Vec<_> =
        world.people[bob].receivers.iter().map(|receiver| receiver.got.len()).collect();
    world.run_for(SECOND * 2);
    let muted: Vec<_> =
        world.people[bob].receivers.iter().map(|receiver| receiver.got.len()).collect();
    assert_eq!(before, muted);
    world.mute(alice, 0, false);
    world.mute(alice, 1, false);
    world.run_for(SECOND);
    for receiver in &world.people[bob].receivers {
        assert!(receiver.got.len() > 60);
        assert_eq!(receiver.flaws(), (0, 0));
        receiver.assert_continuous();
    }
}

#[test]
fn a_sender_that_restarts_under_another_ssrc_goes_on_in_the_same_slot() {
    let mut world = World::new(104);
    let alice = world.join(&[Camera], 0, 0);
    let bob = world.join(&[], 0, 1);
    world.connect();
    world.run_for(SECOND);
    world.people[alice].publishers[0].restart();
    world.run_for(SECOND);
    let [receiver] = world.people[bob].receivers.as_slice() else { panic!("one slot") };
    assert!(receiver.frames(1).len() > 50);
    assert_eq!(receiver.flaws(), (0, 0));
    receiver.assert_continuous();
}

#[test]
fn wishes_of_many_viewers_are_one_keyframe_request() {
    let mut world = World::new(105);
    let alice = world.join(&[Camera], 0, 0);
    for _ in 0..10 {
        world.join(&[], 0, 1);
    }
    world.connect();
    world.run_for(SECOND);
    let before = world.people[alice].publishers[0].keyframe_requests;
    let now = world.now;
    for viewer in 1..=10 {
        world.people[viewer].receivers[0].pli_due = Some(now);
    }
    world.run_for(SECOND);
    assert_eq!(world.people[alice].publishers[0].keyframe_requests, before + 1);
    assert_eq!(world.shard.stats().keyframe_requests_received, 10);
}

#[test]
fn the_loudest_voices_take_the_audio_slots() {
    let mut world = World::new(106);
    for _ in 0..5 {
        world.join(&[Microphone], 0, 0);
    }
    let listener = world.join(&[], 2, 0);
    world.connect();
    let voices = |world: &World| {
        let mut voices: Vec<_> =
            world.people[listener].slots.slots.iter().map(|slot| slot.track).collect();
        voices.sort();
        voices
    };
    for loud in [[3, 4], [0, 2], [1, 4]] {
        for person in 0..5 {
            let level = if loud.contains(&person) { 20 } else { 90 };
            world.people[person].publishers[0].level = level;
        }
        world.run_for(SECOND * 3);
        let mut expected: Vec<_> =
            loud.iter().map(|person| Some(world.people[*person].publishers[0].track)).collect();
        expected.sort();
        assert_eq!(voices(&world), expected);
        let speakers = world.speakers.last().expect("announced");
        assert_eq!(speakers.len(), 2);
        for person in loud {
            assert!(speakers.contains(&world.people[person].id));
        }
    }
    let changes = world.people[listener].slot_changes;
    world.run_for(SECOND * 5);
    assert_eq!(world.people[listener].slot_changes, changes, "steady voices change nothing");
    for person in 0..5 {
        world.people[person].publishers[0].level = 110;
    }
    world.run_for(SECOND * 2);
    assert_eq!(world.speakers.last(), Some(&Vec::new()), "silence is announced");
    for receiver in &world.people[listener].receivers {
        assert_eq!(receiver.flaws(), (0, 0));
        receiver.assert_continuous();
    }
}
