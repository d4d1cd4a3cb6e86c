//! Offers that are refused: each says why, and nothing else happens.

use std::time::Duration;

use confer_protocol::error::ErrorCode;
use confer_protocol::id::{Mid, TrackId};
use confer_protocol::media::{MediaAction, PublishTrack};
use confer_protocol::room::TrackSource::{self, Camera, Microphone};
use confer_sfu_core::limits::Limits;
use uuid::Uuid;

use crate::client::Line;
use crate::world::World;

fn publish(mid: &str, source: TrackSource) -> PublishTrack {
    let track = TrackId(Uuid::from_u128(0x777));
    PublishTrack { mid: Mid(mid.into()), track, source, muted: false }
}

fn refusal(world: &World, place: usize) -> ErrorCode {
    let answer = world.people[place].last_answer.as_ref().expect("every offer is answered");
    answer.as_ref().expect_err("refused").code
}

#[test]
fn each_refusal_has_its_code_and_the_call_goes_on() {
    let mut world =
        World::with_limits(401, Limits { slots_per_participant: 3, ..Limits::default() });
    let alice = world.join(&[Camera], 0, 1);
    let bob = world.join(&[Camera], 0, 1);
    world.connect();
    let (lines, published) =
        (world.people[alice].lines.clone(), world.people[alice].publish.clone());

    let mut no_codec = Line::video("8", "sendonly");
    no_codec.codecs.clear();
    let cases = [
        (Line::video("8", "recvonly"), publish("8", Camera), ErrorCode::BadOffer),
        (Line::video("8", "sendonly"), publish("nine", Camera), ErrorCode::BadOffer),
        (Line::video("8", "sendonly"), publish("8", Microphone), ErrorCode::BadOffer),
        (no_codec, publish("8", Camera), ErrorCode::NoCommonCodec),
    ];
    for (line, one, code) in cases {
        world.people[alice].lines.push(line);
        world.people[alice].publish.push(one);
        world.offer(alice);
        assert_eq!(refusal(&world, alice), code);
        world.people[alice].lines.clone_from(&lines);
        world.people[alice].publish.clone_from(&published);
    }
    for mid in ["31", "32", "33"] {
        world.people[alice].lines.push(Line::video(mid, "recvonly"));
    }
    world.offer(alice);
    assert_eq!(refusal(&world, alice), ErrorCode::BadOffer);
    for (sdp, code) in [("", ErrorCode::BadOffer), ("v=0\r\nnonsense", ErrorCode::BadOffer)] {
        let sdp = sdp.to_owned();
        world.command(alice, MediaAction::Offer { offer_id: 9, sdp, publish: Vec::new() });
        assert_eq!(refusal(&world, alice), code);
    }

    world.run_for(Duration::from_secs(1));
    for (me, other) in [(alice, bob), (bob, alice)] {
        let tag = world.people[other].publishers[0].tag;
        let receiver = world.people[me].receiver_of(tag);
        assert!(receiver.frames(tag).len() > 25);
        assert_eq!(receiver.flaws(), (0, 0));
    }
}

#[test]
fn limits_on_tracks_and_participants_are_kept() {
    let limits = Limits {
        participants_per_room: 2,
        tracks_per_participant: 2,
        tracks_per_room: 3,
        ..Limits::default()
    };
    let mut world = World::with_limits(402, limits);
    let alice = world.join(&[Camera, Camera, Microphone], 0, 0);
    assert_eq!(refusal(&world, alice), ErrorCode::TooManyTracks);
    world.people[alice].lines.pop();
    world.people[alice].publish.pop();
    world.offer(alice);
    assert!(world.people[alice].last_answer.as_ref().is_some_and(Result::is_ok));
    let bob = world.join(&[Camera, Microphone], 0, 0);
    assert_eq!(refusal(&world, bob), ErrorCode::TooManyTracks);
    let carol = world.join(&[], 0, 1);
    assert_eq!(refusal(&world, carol), ErrorCode::NotJoined);
    assert_eq!(world.shard.stats().participants, 2);
}
