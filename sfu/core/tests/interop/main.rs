//! A shard with str0m's clients, on an emulated network in simulated time: its ICE, DTLS, SRTP,
//! RTP, RTCP and SDP against ours.

mod peer;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use confer_protocol::id::{ParticipantId, RoomId};
use confer_protocol::media::{MediaAction, MediaCommand, MediaEvent, MediaHappening, PublishTrack};
use confer_protocol::server::TransportState;
use confer_sfu_core::io::ShardConfig;
use confer_sfu_core::limits::Limits;
use confer_sfu_core::shard::Shard;
use confer_sfu_core::transport::dtls::Certificate;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use peer::{Datagram, Frames, Peer};

const SERVER: &str = "192.0.2.1:7000";
const STEP: Duration = Duration::from_millis(2);
const DELAY: Duration = Duration::from_millis(10);
const ROOM: RoomId = RoomId(Uuid::from_u128(1));

struct World {
    shard: Shard,
    now: Instant,
    server: SocketAddr,
    peers: Vec<(SocketAddr, ParticipantId, Peer)>,
    in_flight: BTreeMap<(Instant, u64), Datagram>,
    count: u64,
    rng: StdRng,
    /// Of 1000 datagrams in each direction.
    loss: u32,
    /// What a NAT between a peer and the server makes of its address.
    nat: Vec<(SocketAddr, SocketAddr)>,
    events: Vec<MediaEvent>,
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let server = SERVER.parse().expect("an address");
        let mut rng = StdRng::seed_from_u64(seed);
        let config = ShardConfig {
            candidates: vec![server],
            certificate: Certificate::generate().expect("there is randomness"),
            limits: Limits::default(),
            seed: rng.random(),
        };
        Self {
            shard: Shard::new(config, now),
            now,
            server,
            peers: Vec::new(),
            in_flight: BTreeMap::new(),
            count: 0,
            rng,
            loss: 0,
            nat: Vec::new(),
            events: Vec::new(),
        }
    }

    fn join(&mut self, publishes: bool, slots: usize) -> usize {
        self.join_as("actpass", publishes, slots)
    }

    /// Joins with an offer whose `a=setup` is this.
    fn join_as(&mut self, setup: &str, publishes: bool, slots: usize) -> usize {
        let number = u8::try_from(self.peers.len() + 1).expect("a small room");
        let address = SocketAddr::from(([198, 51, 100, number], 5000 + u16::from(number)));
        let participant = ParticipantId(Uuid::from_u128(u128::from(number)));
        let mut peer = Peer::new(address, self.now);
        self.command(participant, MediaAction::Join { subscribe: true });
        let (sdp, publish) = peer.offer(publishes, slots);
        let sdp = sdp.replace("a=setup:actpass", &format!("a=setup:{setup}"));
        let answer = self.offer(participant, sdp, publish);
        peer.answer(&answer);
        self.peers.push((address, participant, peer));
        self.peers.len() - 1
    }

    fn command(&mut self, participant: ParticipantId, action: MediaAction) {
        self.shard.handle_command(MediaCommand { room: ROOM, participant, action }, self.now);
        self.drain();
    }

    fn offer(&mut self, to: ParticipantId, sdp: String, publish: Vec<PublishTrack>) -> String {
        self.command(to, MediaAction::Offer { offer_id: 1, sdp, publish });
        self.events
            .iter()
            .find_map(|event| match &event.happening {
                MediaHappening::Answered { outcome, .. } if event.participant == to => {
                    Some(outcome.clone().expect("the offer is good").sdp)
                }
                _ => None,
            })
            .expect("every offer is answered at once")
    }

    fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.now += STEP;
            while let Some(entry) = self.in_flight.first_entry() {
                if entry.key().0 > self.now {
                    break;
                }
                let (source, destination, mut bytes) = entry.remove();
                self.deliver(source, destination, &mut bytes);
            }
            self.shard.handle_timeout(self.now);
            self.drain();
            for at in 0..self.peers.len() {
                let sent = self.peers[at].2.tick(self.now);
                self.send(sent);
            }
        }
    }

    fn deliver(&mut self, source: SocketAddr, destination: SocketAddr, bytes: &mut [u8]) {
        let outside = |inside| {
            let entry = self.nat.iter().find(|(from, _)| *from == inside);
            entry.map_or(inside, |(_, to)| *to)
        };
        if destination == self.server {
            let source = outside(source);
            self.shard.handle_datagram(source, destination, bytes, self.now);
            self.drain();
            return;
        }
        let now = self.now;
        let to = self.peers.iter().position(|(address, _, _)| outside(*address) == destination);
        // What goes to an address that the NAT has given up is lost.
        let Some(to) = to else { return };
        let peer = &mut self.peers[to].2;
        peer.receive(source, bytes, now);
        let mut sent = Vec::new();
        peer.drain(&mut sent);
        self.send(sent);
    }

    fn drain(&mut self) {
        let mut sent = Vec::new();
        while let Some(transmit) = self.shard.poll_transmit() {
            assert_eq!(transmit.source, self.server.ip());
            for datagram in transmit.datagrams() {
                sent.push((self.server, transmit.destination, datagram.to_vec()));
            }
        }
        self.send(sent);
        while let Some(event) = self.shard.poll_event() {
            self.events.push(event);
        }
    }

    fn send(&mut self, datagrams: Vec<Datagram>) {
        for datagram in datagrams {
            if self.rng.random_range(0..1000) >= self.loss {
                self.count += 1;
                self.in_flight.insert((self.now + DELAY, self.count), datagram);
            }
        }
    }

    fn security(&self, of: usize) -> Option<(&'static str, &'static str)> {
        let participant = self.peers[of].1;
        self.events.iter().find_map(|event| match event.happening {
            MediaHappening::TransportChanged {
                state: TransportState::Connected,
                security: Some(security),
            } if event.participant == participant => {
                Some((security.dtls_version, security.srtp_profile))
            }
            _ => None,
        })
    }
}

/// Every frame from the first that came to those of the last second came, as it was sent.
fn assert_whole(sent: &Frames, received: &Frames, per_second: u32) {
    let (begin, end) = sent.keys().next().zip(sent.keys().next_back()).expect("something was sent");
    let end = *end - per_second;
    let first = received.range(begin..).next().map(|(number, _)| *number);
    let first = first.filter(|first| *first < end).expect("something came in time");
    for number in first..end {
        assert_eq!(received.get(&number), sent.get(&number), "frame {number}");
    }
}

#[test]
fn str0m_publishes_and_str0m_receives_through_the_shard() {
    let mut world = World::new(1);
    let alice = world.join(true, 2);
    let bob = world.join(true, 2);
    let carol = world.join(false, 2);
    world.run(Duration::from_secs(4));

    for (who, from) in [(alice, bob), (bob, alice)] {
        assert_eq!(world.security(who), Some(("DTLS 1.2", "SRTP_AEAD_AES_128_GCM")));
        let (me, other) = (&world.peers[who].2, &world.peers[from].2);
        assert_whole(other.sent_video(), &me.received_video, 30);
        assert_whole(other.sent_audio(), &me.received_audio, 50);
    }
    for from in [alice, bob] {
        let (me, other) = (&world.peers[carol].2, &world.peers[from].2);
        assert_whole(other.sent_video(), &me.received_video, 30);
    }
}

#[test]
fn lost_packets_are_repaired_in_both_directions() {
    for seed in 1..4 {
        let mut world = World::new(seed);
        world.loss = 30;
        let alice = world.join(true, 1);
        let bob = world.join(false, 1);
        world.run(Duration::from_secs(6));

        let (sender, receiver) = (&world.peers[alice].2, &world.peers[bob].2);
        assert_whole(sender.sent_video(), &receiver.received_video, 30);
        let stats = world.shard.stats();
        assert!(stats.repaired > 0, "seed {seed}: nothing was repaired on the way in");
        assert!(stats.retransmitted > 0, "seed {seed}: nothing was repaired on the way out");
    }
}

#[test]
fn either_side_may_say_hello_in_dtls() {
    let mut world = World::new(7);
    world.loss = 20;
    let alice = world.join_as("passive", true, 1);
    let bob = world.join_as("active", false, 1);
    world.run(Duration::from_secs(4));

    // As DTLS client we offer AES-GCM first, and str0m takes it.
    assert_eq!(world.security(alice), Some(("DTLS 1.2", "SRTP_AEAD_AES_128_GCM")));
    assert_eq!(world.security(bob), Some(("DTLS 1.2", "SRTP_AEAD_AES_128_GCM")));
    let (sender, receiver) = (&world.peers[alice].2, &world.peers[bob].2);
    assert_whole(sender.sent_video(), &receiver.received_video, 30);
}

#[test]
fn media_follows_a_client_whose_address_changes() {
    let mut world = World::new(8);
    let alice = world.join(true, 1);
    let bob = world.join(true, 1);
    world.run(Duration::from_secs(2));
    let moved: SocketAddr = "203.0.113.9:1234".parse().expect("an address");
    world.nat.push((world.peers[alice].0, moved));
    world.run(Duration::from_secs(6));

    for (sender, receiver) in [(alice, bob), (bob, alice)] {
        let (sender, receiver) = (&world.peers[sender].2, &world.peers[receiver].2);
        let sent = sender.sent_video();
        let end = *sent.keys().next_back().expect("it films") - 30;
        let last_second = receiver.received_video.range(end - 30..end).count();
        assert_eq!(last_second, 30, "media is back");
    }
    // Nobody had to begin anew.
    let states = world.events.iter().filter(|event| {
        matches!(
            event.happening,
            MediaHappening::TransportChanged { state: TransportState::Connected, .. }
        )
    });
    assert_eq!(states.count(), 2);
}
