//! What forwarding costs: one publisher, N subscribers, real SRTP on both sides, no socket.
//!
//! `cargo bench -p confer-sfu-core --bench forward`. Results are merged into the JSON object at
//! `target/bench/summary.json`; `BENCH_SUMMARY` names another file.
//!
//! The figure of the summary is the best of five repetitions: other processes only ever add to it.
//! Only calls into the shard are timed and counted. A round is one frame of eight packets that
//! arrives as one receive batch; simulated time goes on by a thirtieth of a second per round, so
//! reports, feedback and ticks are part of what is measured.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[path = "support/allocations.rs"]
#[expect(dead_code, reason = "another benchmark has a client of its own")]
mod allocations;
#[path = "../tests/simulation/client.rs"]
#[expect(dead_code, reason = "the simulation uses the rest of it")]
mod client;
#[path = "support/picture.rs"]
mod picture;
#[path = "support/summary.rs"]
mod summary;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use confer_protocol::id::{Mid, ParticipantId, RoomId, TrackId};
use confer_protocol::media::{MediaAction, MediaCommand, MediaEvent, MediaHappening, PublishTrack};
use confer_protocol::room::{SlotDemand, TrackSource};
use confer_sfu_core::io::ShardConfig;
use confer_sfu_core::limits::Limits;
use confer_sfu_core::shard::Shard;
use confer_sfu_core::transport::dtls::Certificate;
use confer_sfu_core::transport::srtp::{MasterKey, Sealer, SrtpProfile};
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

use client::{Client, Line};
use picture::Picture;

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const FRAME_PACKETS: u32 = 8;
/// Of each packet on the publisher's side, its tag included.
const PACKET_BYTES: usize = 1_200;
const FRAME: Duration = Duration::from_micros(33_333);
const WARM_UP: u32 = 100;
const ROUNDS: u32 = 600;
const REPETITIONS: usize = 5;

fn main() {
    // `cargo test --benches` only asks whether it runs.
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (subscribers, rounds, repetitions) =
        if is_test { (3, 20, 1) } else { (100, ROUNDS, REPETITIONS) };

    summary::print_machine();
    println!(
        "{:>12} {:>12} {:>12} {:>14} {:>14} {:>14}",
        "subscribers", "ns/packet", "median", "allocs/packet", "KiB/track", "KiB/participant"
    );
    println!("{:>12} {:>12.0}", "seal only", seal_only());
    let mut headline = None;
    for count in [1, 10, subscribers] {
        let result = measure(count, rounds, repetitions);
        println!(
            "{count:>12} {:>12.0} {:>12.0} {:>14.4} {:>14.1} {:>14.1}",
            result.best_ns,
            result.median_ns,
            result.allocations,
            result.track_kib,
            result.participant_kib
        );
        headline = Some(result);
    }
    if let Some(result) = headline.filter(|_| !is_test) {
        summary::merge(&[
            ("forward.user_ns_per_packet", result.best_ns),
            ("forward.allocs_per_packet", result.allocations),
            ("forward.heap_kib_per_track", result.track_kib),
        ]);
    }
}

/// The best time to seal one such packet with AES-GCM, in nanoseconds: what nothing can be below.
fn seal_only() -> f64 {
    let master = MasterKey::new(&[1; 16], &[2; 12]).expect("right lengths");
    let sealer = Sealer::new(SrtpProfile::AeadAes128Gcm, &master);
    let mut packet = vec![0x5a; PACKET_BYTES];
    packet[0] = 0x80;
    let mut best = f64::MAX;
    for _ in 0..20 {
        let before = thread_cpu();
        for index in 0..5_000_u64 {
            packet[2..4].copy_from_slice(&((index & 0xffff) as u16).to_be_bytes());
            std::hint::black_box(sealer.seal_rtp(&mut packet, PACKET_BYTES - 16, index));
        }
        best = best.min((thread_cpu() - before).as_nanos() as f64 / 5_000.0);
    }
    best
}

struct Measured {
    best_ns: f64,
    median_ns: f64,
    allocations: f64,
    track_kib: f64,
    participant_kib: f64,
}

fn measure(subscribers: usize, rounds: u32, repetitions: usize) -> Measured {
    let mut bench = Bench::new();
    let empty = allocations::live();
    bench.join(&[Line::video("0", "sendonly")], Some(TrackSource::Camera));
    for _ in 0..subscribers {
        bench.join(&[Line::video("0", "recvonly")], None);
    }
    bench.connect();
    let connected = allocations::live();
    for place in 1..=subscribers {
        bench.show(place);
    }
    for _ in 0..WARM_UP {
        bench.round();
    }
    let flowing = allocations::live();

    let mut costs = Vec::new();
    let mut allocated = 0;
    let mut packets = 0;
    for _ in 0..repetitions {
        bench.keep_alive();
        let (cpu_before, allocs_before, out_before) =
            (bench.cpu, allocations::count(), bench.shard.stats().packets_out);
        for _ in 0..rounds {
            bench.round();
        }
        let out = bench.shard.stats().packets_out - out_before;
        let expected = u64::from(rounds * FRAME_PACKETS) * subscribers as u64;
        assert_eq!(out, expected, "every packet was forwarded to everybody");
        allocated += allocations::count() - allocs_before;
        packets += out;
        costs.push((bench.cpu - cpu_before).as_nanos() as f64 / out as f64);
    }
    costs.sort_by(f64::total_cmp);
    let kib = |bytes: i64, of: usize| bytes as f64 / 1_024.0 / of as f64;
    Measured {
        best_ns: costs[0],
        median_ns: costs[costs.len() / 2],
        allocations: allocated as f64 / packets as f64,
        track_kib: kib(flowing - connected, subscribers),
        participant_kib: kib(connected - empty, subscribers + 1),
    }
}

struct Bench {
    shard: Shard,
    now: Instant,
    server: SocketAddr,
    people: Vec<(ParticipantId, Client)>,
    cpu: Duration,
    seq: u64,
    transport_seq: u16,
    frames: u32,
}

const ROOM: RoomId = RoomId(Uuid::from_u128(1));

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let server: SocketAddr = "127.0.0.1:7000".parse().expect("valid");
        let config = ShardConfig {
            candidates: vec![server],
            certificate: Certificate::generate().expect("randomness"),
            limits: Limits::default(),
            seed: [7; 32],
        };
        let shard = allocations::counted(|| Shard::new(config, now));
        Self {
            shard,
            now,
            server,
            people: Vec::new(),
            cpu: Duration::ZERO,
            seq: 100,
            transport_seq: 0,
            frames: 0,
        }
    }

    fn command(&mut self, place: usize, action: MediaAction) {
        let command = MediaCommand { room: ROOM, participant: self.people[place].0, action };
        allocations::counted(|| self.shard.handle_command(command, self.now));
    }

    fn join(&mut self, lines: &[Line], source: Option<TrackSource>) {
        let place = self.people.len();
        let id = ParticipantId(Uuid::from_u128(100 + place as u128));
        let port = 10_000 + u16::try_from(place).expect("few");
        self.people.push((id, Client::new(SocketAddr::from(([127, 0, 0, 1], port)))));
        self.command(place, MediaAction::Join { subscribe: true });
        // Nothing is shown yet, so that a participant and its track are measured apart.
        let layout = SlotDemand { audio: 0, video: 0 };
        self.command(place, MediaAction::Subscribe { wishes: Vec::new(), layout });
        let sdp = self.people[place].1.offer(lines);
        let publish = source
            .map(|source| PublishTrack {
                mid: Mid("0".into()),
                track: TrackId(Uuid::from_u128(7)),
                source,
                muted: false,
            })
            .into_iter()
            .collect();
        self.command(place, MediaAction::Offer { offer_id: 1, sdp, publish });
        while let Some(MediaEvent { happening, .. }) = self.shard.poll_event() {
            if let MediaHappening::Answered { outcome, .. } = happening {
                let answer = outcome.expect("a good offer");
                self.people[place].1.answered(&answer.sdp, self.now);
            }
        }
    }

    fn show(&mut self, place: usize) {
        let layout = SlotDemand { audio: 1, video: 1 };
        self.command(place, MediaAction::Subscribe { wishes: Vec::new(), layout });
    }

    fn connect(&mut self) {
        while !self.people.iter().all(|(_, client)| client.is_connected()) {
            self.now += Duration::from_millis(20);
            self.exchange();
        }
        self.exchange();
    }

    /// Checks of everybody, so that nobody's consent expires.
    fn keep_alive(&mut self) {
        self.now += Duration::from_secs(3);
        self.exchange();
    }

    /// Moves control datagrams both ways until nothing is left, untimed.
    fn exchange(&mut self) {
        let now = self.now;
        allocations::counted(|| self.shard.handle_timeout(now));
        for (_, client) in &mut self.people {
            client.handle_timeout(now);
        }
        loop {
            let mut moved = false;
            for place in 0..self.people.len() {
                while let Some(mut datagram) = self.people[place].1.outbox.pop_front() {
                    moved = true;
                    let from = self.people[place].1.address;
                    let server = self.server;
                    allocations::counted(|| {
                        self.shard.handle_datagram(from, server, &mut datagram, now);
                    });
                }
            }
            let mut arrived = Vec::new();
            while let Some(transmit) = allocations::counted(|| self.shard.poll_transmit()) {
                for datagram in transmit.datagrams() {
                    arrived.push((transmit.destination, datagram.to_vec()));
                }
            }
            for (to, mut datagram) in arrived {
                moved = true;
                let place = usize::from(to.port() - 10_000);
                self.people[place].1.handle_datagram(&mut datagram, now);
            }
            if !moved {
                break;
            }
        }
        while self.shard.poll_event().is_some() {}
    }

    /// One frame: a receive batch, and all that goes out because of it.
    fn round(&mut self) {
        self.now += FRAME;
        if self.frames.is_multiple_of(60) {
            self.exchange();
        }
        let mut batch = self.frame();
        let (from, server, now) = (self.people[0].1.address, self.server, self.now);
        let before = thread_cpu();
        allocations::counted(|| {
            self.shard.handle_timeout(now);
            for datagram in &mut batch {
                self.shard.handle_datagram(from, server, datagram, now);
            }
            while let Some(transmit) = self.shard.poll_transmit() {
                std::hint::black_box(transmit);
            }
        });
        self.cpu += thread_cpu() - before;
    }

    fn frame(&mut self) -> Vec<Vec<u8>> {
        let is_keyframe = self.frames.is_multiple_of(300) || self.frames < 10;
        self.frames += 1;
        let picture = Picture {
            id: (self.frames & 0x7fff) as u16,
            timestamp: self.frames.wrapping_mul(3_000),
            is_keyframe,
            packets: FRAME_PACKETS,
            packet_bytes: PACKET_BYTES,
        };
        for packet in 0..FRAME_PACKETS {
            let bytes = picture.packet(packet, self.seq, self.transport_seq);
            let client = &mut self.people[0].1;
            client.send_rtp(&bytes, self.seq);
            self.seq += 1;
            self.transport_seq = self.transport_seq.wrapping_add(1);
        }
        self.people[0].1.outbox.drain(..).collect()
    }
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        now.tv_sec.try_into().expect("time is positive"),
        now.tv_nsec.try_into().expect("nanoseconds are"),
    )
}
