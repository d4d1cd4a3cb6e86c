//! Addresses that change, peers that vanish, connections that begin anew.

use std::time::Duration;

use confer_protocol::room::TrackSource::{Camera, Microphone};
use confer_protocol::server::TransportState;

use crate::client::Client;
use crate::world::{Link, World};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_client_that_moves_to_another_address_loses_no_frame() {
    let mut world = World::new(301);
    let alice = world.join(&[Microphone, Camera], 1, 1);
    let bob = world.join(&[Microphone, Camera], 1, 1);
    world.connect();
    world.run_for(SECOND);
    world.move_person(alice, 33_333);
    world.run_for(SECOND);
    let states = &world.people[alice].states;
    assert_eq!(states.last(), Some(&TransportState::Connected));
    assert!(!states.contains(&TransportState::Suspect));
    for (me, other) in [(alice, bob), (bob, alice)] {
        for publisher in &world.people[other].publishers {
            let receiver = world.people[me].receiver_of(publisher.tag);
            let frames = receiver.frames(publisher.tag);
            assert!(frames.len() as u32 > publisher.frames - 15, "{}", frames.len());
            receiver.assert_continuous();
        }
    }
}

#[test]
fn silence_is_suspect_then_failed_and_a_sign_of_life_revives() {
    let mut world = World::new(302);
    let alice = world.join(&[Camera], 0, 0);
    let bob = world.join(&[], 0, 1);
    world.connect();
    world.run_for(SECOND);
    let dead = Link { loss: 1_000, ..Link::default() };
    (world.people[bob].uplink, world.people[bob].downlink) = (dead, dead);
    world.run_for(SECOND * 10);
    assert_eq!(world.people[bob].state, Some(TransportState::Suspect));
    world.run_for(SECOND * 30);
    assert_eq!(world.people[bob].state, Some(TransportState::Failed));
    assert_eq!(world.people[alice].state, Some(TransportState::Connected));
    let sent = world.shard.stats().packets_out;
    world.run_for(SECOND);
    assert_eq!(world.shard.stats().packets_out, sent, "nothing is sent without consent");

    let live = Link::default();
    (world.people[bob].uplink, world.people[bob].downlink) = (live, live);
    let frames = world.people[alice].publishers[0].frames;
    world.run_for(SECOND * 4);
    assert_eq!(world.people[bob].state, Some(TransportState::Connected));
    let seen = world.people[bob].receiver_of(1).frames(1);
    assert!(seen.range(frames..).count() > 30, "the picture is back");
    world.people[bob].receiver_of(1).assert_continuous();
}

#[test]
fn who_comes_back_from_elsewhere_after_a_silence_sees_and_is_seen_at_once() {
    let mut world = World::new(306);
    let alice = world.join(&[Camera], 0, 1);
    let bob = world.join(&[Camera], 0, 1);
    world.connect();
    world.run_for(SECOND);
    let dead = Link { loss: 1_000, ..Link::default() };
    (world.people[bob].uplink, world.people[bob].downlink) = (dead, dead);
    world.run_for(SECOND * 3);
    let requests = [alice, bob].map(|one| world.people[one].publishers[0].keyframe_requests);
    let live = Link::default();
    (world.people[bob].uplink, world.people[bob].downlink) = (live, live);
    world.move_person(bob, 33_334);
    world.run_for(Duration::from_millis(100));
    let frames = [alice, bob].map(|one| world.people[one].publishers[0].frames);
    world.run_for(SECOND);

    for (place, other, before) in [(alice, bob, 0), (bob, alice, 1)] {
        let publisher = &world.people[place].publishers[0];
        assert_eq!(publisher.keyframe_requests, requests[before] + 1);
        let seen = world.people[other].receiver_of(publisher.tag).frames(publisher.tag);
        assert!(seen.range(frames[before]..).count() > 10, "the picture is back");
    }
    assert!(!world.people[bob].states.contains(&TransportState::Suspect));
}

#[test]
fn a_peer_connection_that_begins_anew_takes_the_same_seat() {
    let mut world = World::new(303);
    let alice = world.join(&[Microphone, Camera], 1, 1);
    let bob = world.join(&[Microphone, Camera], 1, 1);
    world.connect();
    world.run_for(SECOND);
    let tracks: Vec<_> = world.people[alice].publishers.iter().map(|one| one.track).collect();

    // A page that was reloaded: another certificate, other SSRCs, the same m-lines.
    let address = "127.0.0.1:34567".parse().expect("valid");
    world.people[alice].client = Client::new(address);
    world.move_person(alice, 34_567);
    world.people[alice].receivers.clear();
    for publisher in &mut world.people[alice].publishers {
        publisher.restart();
    }
    world.offer(alice);
    let answer = world.people[alice].last_answer.clone().expect("answered").expect("taken");
    let published: Vec<_> = answer.published.iter().map(|one| one.track).collect();
    assert_eq!(published, tracks, "tracks keep their names");
    let frames = world.people[alice].publishers[1].frames;
    world.connect();
    world.run_for(SECOND * 2);

    let seen = world.people[bob].receiver_of(2).frames(2);
    assert!(seen.range(frames..).count() > 40, "bob sees alice again");
    world.people[bob].receiver_of(2).assert_continuous();
    let tag = world.people[bob].publishers[1].tag;
    assert!(world.people[alice].receiver_of(tag).frames(tag).len() > 40);
}

#[test]
fn what_strangers_send_changes_nothing() {
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    let mut world = World::new(304);
    let alice = world.join(&[Camera], 0, 0);
    let bob = world.join(&[], 0, 1);
    world.connect();
    let mut rng = StdRng::seed_from_u64(304);
    let addresses = [world.people[alice].client.address, "127.0.0.1:9".parse().expect("valid")];
    for round in 0..20_000_u32 {
        let length = rng.random_range(0..200);
        let mut bytes: Vec<u8> = (0..length).map(|_| rng.random()).collect();
        if let Some(first) = bytes.first_mut() {
            *first = [0, 1, 22, 0x80, 0x90, 0xb0][round as usize % 6];
        }
        let from = addresses[round as usize % 2];
        world.shard.handle_datagram(from, world.server, &mut bytes, world.now);
    }
    while let Some(transmit) = world.shard.poll_transmit() {
        assert_ne!(transmit.destination, addresses[1], "a stranger gets no answer");
    }
    world.run_for(SECOND);
    let publisher = &world.people[alice].publishers[0];
    let receiver = world.people[bob].receiver_of(publisher.tag);
    assert!(receiver.frames(publisher.tag).len() as u32 > publisher.frames - 10);
    assert_eq!(receiver.flaws(), (0, 0));
}

#[test]
fn what_a_hostile_participant_sends_harms_nobody_else() {
    use confer_sfu_core::rtp::packet::FixedHeader;
    use confer_sfu_core::rtp::{Pt, RtpTime, SeqNo16, Ssrc};
    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    let mut world = World::new(305);
    let alice = world.join(&[Microphone, Camera], 1, 1);
    let bob = world.join(&[Microphone, Camera], 1, 1);
    let mallory = world.join(&[Microphone, Camera], 2, 2);
    world.connect();
    world.run_for(SECOND);
    for publisher in &mut world.people[mallory].publishers {
        publisher.is_on = false;
    }
    let mut rng = StdRng::seed_from_u64(305);
    for _ in 0..200 {
        for _ in 0..20 {
            // A header that can be sealed, then whatever: extensions, descriptors, padding.
            let index = rng.random_range(0..200_000_u64);
            let fixed = FixedHeader {
                marker: rng.random(),
                pt: Pt([96, 97, 102, 103, 111, rng.random_range(0..64)][rng.random_range(0..6)]),
                seq: SeqNo16((index & 0xffff) as u16),
                timestamp: RtpTime(rng.random()),
                ssrc: Ssrc(rng.random_range(0..40) * 100 + 1),
                has_extensions: rng.random(),
                has_padding: rng.random(),
            };
            let mut packet = fixed.encode().to_vec();
            if fixed.has_extensions {
                let words = rng.random_range(0..6_u16);
                let profile: u16 = [0xbede, 0x1000, 0x1234][rng.random_range(0..3)];
                packet.extend_from_slice(&profile.to_be_bytes());
                packet.extend_from_slice(&words.to_be_bytes());
                packet.extend((0..words * 4).map(|_| rng.random::<u8>()));
            }
            packet.extend((0..rng.random_range(0..60)).map(|_| rng.random::<u8>()));
            world.people[mallory].client.send_rtp(&packet, index);

            let kind = rng.random_range(198..210);
            let mut compound = vec![0x80 | rng.random_range(0..64_u8), kind];
            let words = rng.random_range(1..12_u16);
            let said = if rng.random_range(0..4) == 0 { rng.random() } else { words };
            compound.extend_from_slice(&said.to_be_bytes());
            compound.extend((0..words * 4).map(|_| rng.random::<u8>()));
            world.people[mallory].client.send_rtcp(&compound);
        }
        world.run_for(Duration::from_millis(10));
    }
    assert!(world.shard.stats().dropped_malformed > 100);
    for (me, other) in [(alice, bob), (bob, alice)] {
        let publisher = &world.people[other].publishers[1];
        let receiver = world.people[me].receiver_of(publisher.tag);
        let frames = receiver.frames(publisher.tag);
        assert!(frames.len() as u32 > publisher.frames - 12, "{}", frames.len());
        assert_eq!(receiver.flaws(), (0, 0));
        receiver.assert_continuous();
    }
    world.leave(mallory);
    assert_eq!(world.shard.stats().publications, 4);
}
