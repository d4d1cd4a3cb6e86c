//! What forwarding costs the whole process, over real UDP on loopback, with segmentation and
//! without: one publisher, 100 subscribers, real ICE, DTLS and SRTP.
//!
//! `cargo bench -p confer-sfu-net --bench process`. Results are merged into the JSON object at
//! `target/bench/summary.json`; `BENCH_SUMMARY` names another file.
//!
//! What is measured is the CPU time of the media thread, user and system, which on loopback
//! includes the receiving half of the network stack. A frame arrives as a burst of eight packets,
//! as an encoder hands it over; subscribers read from a socket each and open nothing.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[path = "../../core/tests/simulation/client.rs"]
#[expect(dead_code, reason = "the simulation uses the rest of it")]
mod client;
#[path = "../../core/benches/support/picture.rs"]
mod picture;
#[path = "support/readers.rs"]
mod readers;
#[path = "../../core/benches/support/summary.rs"]
mod summary;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use confer_protocol::id::{Mid, ParticipantId, RoomId, TrackId};
use confer_protocol::media::{MediaAction, MediaCommand, MediaEvent, MediaHappening, PublishTrack};
use confer_protocol::room::TrackSource;
use confer_sfu_net::{Config, Running, SfuHandle, start};
use quinn_udp::UdpSocketState;
use tokio::sync::mpsc;
use uuid::Uuid;

use client::{Client, Line};
use picture::Picture;
use readers::Readers;

const FRAME_PACKETS: u32 = 8;
/// Of each packet on the publisher's side, its tag included.
const PACKET_BYTES: usize = 1_200;
const FRAMES_PER_SECOND: u32 = 100;
/// Counters are published four times a second.
const SETTLE: Duration = Duration::from_millis(600);
const ROOM: RoomId = RoomId(Uuid::from_u128(1));

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (subscribers, seconds) = if is_test { (3, 1) } else { (100, 8) };

    summary::print_machine();
    println!(
        "{:>8} {:>12} {:>14} {:>12} {:>12} {:>14} {:>12}",
        "mode", "packets", "µs/packet", "user µs", "system µs", "packets/call", "arrived"
    );
    let mut figures = Vec::new();
    for (gso, key) in [
        (true, "forward.process_us_per_packet_gso"),
        (false, "forward.process_us_per_packet_plain"),
    ] {
        let measured = measure(gso, subscribers, seconds);
        println!(
            "{:>8} {:>12} {:>14.3} {:>12.3} {:>12.3} {:>14.1} {:>11.1}%",
            if gso { "gso" } else { "plain" },
            measured.packets,
            measured.micros,
            measured.micros * measured.user_share,
            measured.micros * (1.0 - measured.user_share),
            measured.per_call,
            measured.arrived * 100.0,
        );
        figures.push((key, measured.micros));
    }
    if !is_test {
        summary::merge(&figures);
    }
}

struct Measured {
    packets: u64,
    micros: f64,
    user_share: f64,
    per_call: f64,
    arrived: f64,
}

fn measure(gso: bool, subscribers: usize, seconds: u32) -> Measured {
    let mut call = Call::new(gso);
    call.join(Line::video("0", "sendonly"), true);
    for _ in 0..subscribers {
        call.join(Line::video("0", "recvonly"), false);
    }
    call.connect();

    let clone = |person: &Person| person.socket.try_clone().expect("descriptors are left");
    let readers = Readers::start(call.people[1..].iter().map(clone).collect(), 0);

    call.publish_for(Duration::from_secs(1));
    std::thread::sleep(SETTLE);
    let (before, cpu_before) = (call.sent(), thread_cpu());
    let arrived_before = readers.arrived();
    call.publish_for(Duration::from_secs(seconds.into()));
    std::thread::sleep(SETTLE);
    let (after, cpu_after) = (call.sent(), thread_cpu());
    let arrived = readers.stop() - arrived_before;

    let packets = after.0 - before.0;
    let expected = u64::from(seconds * FRAMES_PER_SECOND * FRAME_PACKETS) * subscribers as u64;
    assert!(packets >= expected, "{packets} datagrams were sent, {expected} had to be");
    let user = cpu_after.user_ticks - cpu_before.user_ticks;
    let system = cpu_after.system_ticks - cpu_before.system_ticks;
    Measured {
        packets,
        micros: (cpu_after.nanos - cpu_before.nanos) as f64 / 1_000.0 / packets as f64,
        user_share: user as f64 / (user + system).max(1) as f64,
        per_call: packets as f64 / (after.1 - before.1) as f64,
        arrived: arrived as f64 / packets as f64,
    }
}

struct Person {
    id: ParticipantId,
    client: Client,
    socket: UdpSocket,
}

struct Call {
    handle: SfuHandle,
    events: mpsc::Receiver<MediaEvent>,
    running: Running,
    people: Vec<Person>,
    seq: u64,
    transport_seq: u16,
    frames: u32,
}

impl Call {
    fn new(gso: bool) -> Self {
        let config = Config { bind: Ipv4Addr::LOCALHOST.into(), port: 0, gso, ..Config::default() };
        let (handle, events, running) = start(config).expect("loopback has free ports");
        let (people, seq, transport_seq, frames) = (Vec::new(), 100, 0, 0);
        Self { handle, events, running, people, seq, transport_seq, frames }
    }

    fn server(&self) -> SocketAddr {
        self.running.local_addresses()[0]
    }

    fn join(&mut self, line: Line, publishes: bool) {
        let id = ParticipantId(Uuid::from_u128(100 + self.people.len() as u128));
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("free ports");
        socket.connect(self.server()).expect("loopback");
        socket.set_nonblocking(true).expect("sockets can");
        let mut client = Client::new(socket.local_addr().expect("bound"));
        let sdp = client.offer(&[line]);
        let publish = publishes.then(|| PublishTrack {
            mid: Mid("0".into()),
            track: TrackId(Uuid::from_u128(7)),
            source: TrackSource::Camera,
            muted: false,
        });
        let publish = publish.into_iter().collect();
        for action in [
            MediaAction::Join { subscribe: true },
            MediaAction::Offer { offer_id: 1, sdp, publish },
        ] {
            let command = MediaCommand { room: ROOM, participant: id, action };
            self.handle.send(command).expect("the queue has room");
        }
        loop {
            let event = self.events.blocking_recv().expect("the shard runs");
            if let MediaHappening::Answered { outcome, .. } = event.happening {
                client.answered(&outcome.expect("a good offer").sdp, Instant::now());
                break;
            }
        }
        self.people.push(Person { id, client, socket });
    }

    fn connect(&mut self) {
        let mut buffer = [0; 2_048];
        while !self.people.iter().all(|person| person.client.is_connected()) {
            self.send_checks();
            for person in &mut self.people {
                while let Ok(length) = person.socket.recv(&mut buffer) {
                    person.client.handle_datagram(&mut buffer[..length], Instant::now());
                }
                send_all(person);
            }
            while self.events.try_recv().is_ok() {}
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(self.people.iter().all(|person| person.id.0.as_u128() >= 100));
    }

    fn send_checks(&mut self) {
        let now = Instant::now();
        for person in &mut self.people {
            person.client.handle_timeout(now);
            send_all(person);
        }
    }

    fn publish_for(&mut self, duration: Duration) {
        let interval = Duration::from_secs(1) / FRAMES_PER_SECOND;
        let state = {
            let socket = &self.people[0].socket;
            UdpSocketState::new(socket.into()).expect("a UDP socket")
        };
        let frames = duration.as_millis() / interval.as_millis();
        let mut due = Instant::now();
        for _ in 0..frames {
            let run = self.frame();
            let transmit = quinn_udp::Transmit {
                destination: self.server(),
                ecn: None,
                contents: &run,
                segment_size: Some(PACKET_BYTES),
                src_ip: None,
            };
            state.try_send((&self.people[0].socket).into(), &transmit).expect("loopback takes it");
            if self.frames.is_multiple_of(FRAMES_PER_SECOND) {
                self.send_checks();
            }
            while self.events.try_recv().is_ok() {}
            due += interval;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }

    /// One frame as a run of sealed packets.
    fn frame(&mut self) -> Vec<u8> {
        let is_keyframe = self.frames.is_multiple_of(300) || self.frames < 60;
        self.frames += 1;
        let picture = Picture {
            id: (self.frames & 0x7fff) as u16,
            timestamp: self.frames.wrapping_mul(90_000 / FRAMES_PER_SECOND),
            is_keyframe,
            packets: FRAME_PACKETS,
            packet_bytes: PACKET_BYTES,
        };
        for packet in 0..FRAME_PACKETS {
            let bytes = picture.packet(packet, self.seq, self.transport_seq);
            self.people[0].client.send_rtp(&bytes, self.seq);
            self.seq += 1;
            self.transport_seq = self.transport_seq.wrapping_add(1);
        }
        self.people[0].client.outbox.drain(..).flatten().collect()
    }

    /// Datagrams sent, and calls it took.
    fn sent(&self) -> (u64, u64) {
        let snapshots = self.handle.snapshots();
        let sum = |of: fn(&confer_sfu_net::SocketStats) -> u64| {
            snapshots.iter().map(|snapshot| of(&snapshot.socket)).sum()
        };
        (sum(|socket| socket.datagrams_sent), sum(|socket| socket.send_calls))
    }
}

fn send_all(person: &mut Person) {
    for datagram in person.client.outbox.drain(..) {
        person.socket.send(&datagram).expect("loopback takes it");
    }
}

/// What a thread has used: nanoseconds in all, and clock ticks in user and in kernel mode.
#[derive(Clone, Copy)]
struct Cpu {
    nanos: u64,
    user_ticks: u64,
    system_ticks: u64,
}

/// Of the media thread, which `confer-sfu-net` names `media-0`.
fn thread_cpu() -> Cpu {
    let tasks = std::fs::read_dir("/proc/self/task").expect("this is Linux");
    for task in tasks.flatten() {
        let read = |name: &str| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        if read("comm").trim() != "media-0" {
            continue;
        }
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let stat = read("stat");
        let mut fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
        let (user_ticks, system_ticks) = (number(fields.next()), number(fields.next()));
        let nanos = number(read("schedstat").split_whitespace().next());
        return Cpu { nanos, user_ticks, system_ticks };
    }
    panic!("the media thread runs");
}
