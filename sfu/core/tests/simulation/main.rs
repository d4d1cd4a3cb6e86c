//! The media plane in simulated time: publisher → shard → subscribers, with no socket at all.

mod client;
mod loss;
mod publisher;
mod receiver;
mod refusal;
mod room;
mod switching;
mod transport;
mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use confer_protocol::room::TrackSource::{Camera, Microphone};
use confer_protocol::server::TransportState;
use confer_sfu_core::transport::srtp::SrtpProfile;

use world::World;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn two_people_see_and_hear_each_other() {
    let mut world = World::new(1);
    let alice = world.join(&[Microphone, Camera], 4, 8);
    let bob = world.join(&[Microphone, Camera], 4, 8);
    world.connect();
    world.run_for(SECOND * 2);

    for (me, other) in [(alice, bob), (bob, alice)] {
        let me = &world.people[me];
        assert_eq!(me.state, Some(TransportState::Connected));
        assert_eq!(me.client.profile, Some(SrtpProfile::AeadAes128Gcm));
        for publisher in &world.people[other].publishers {
            let receiver = me.receiver_of(publisher.tag);
            let frames = receiver.frames(publisher.tag);
            assert!(frames.len() as u32 >= publisher.frames * 9 / 10, "{} frames", frames.len());
            let expected: BTreeSet<u32> =
                (*frames.first().expect("frames")..=*frames.last().expect("frames")).collect();
            assert_eq!(frames, expected, "no frame is missing");
            assert_eq!(receiver.duplicates, 0);
            assert_eq!(receiver.holes(), 0);
            receiver.assert_continuous();
            assert!(receiver.senders_reported > 0);
        }
        assert!(me.feedback_messages > 20, "feedback every 50 ms");
    }
    assert!(world.in_runs > world.datagrams / 2, "frames go out as runs");
}
