//! The media plane on real sockets of loopback, with str0m's clients.

mod client;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use confer_protocol::error::ErrorCode;
use confer_protocol::id::{ParticipantId, RoomId};
use confer_protocol::media::{MediaAction, MediaCommand, MediaEvent, MediaHappening};
use confer_protocol::server::TransportState;
use confer_sfu_net::{Config, Running, SfuHandle, StartError, start};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::mpsc;
use uuid::Uuid;

use client::Client;

const ROOM: RoomId = RoomId(Uuid::from_u128(1));

/// A test that takes this long has failed. Nothing is measured against it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Server {
    handle: SfuHandle,
    events: mpsc::Receiver<MediaEvent>,
    running: Running,
}

impl Server {
    fn start(config: Config) -> Self {
        let config = Config { port: 0, ..config };
        let (handle, events, running) = start(config).expect("loopback has free ports");
        Self { handle, events, running }
    }

    fn send(&self, participant: ParticipantId, action: MediaAction) {
        let command = MediaCommand { room: ROOM, participant, action };
        self.handle.send(command).expect("the queue has room");
    }

    /// Waits for the event that `wanted` makes something of.
    fn wait<T>(&mut self, mut wanted: impl FnMut(MediaEvent) -> Option<T>) -> T {
        loop {
            let event = self.events.blocking_recv().expect("the threads run");
            if let Some(found) = wanted(event) {
                return found;
            }
        }
    }

    fn join(&mut self, number: u128, client: &mut Client, publishes: bool) -> ParticipantId {
        let participant = ParticipantId(Uuid::from_u128(number));
        let (sdp, publish) = client.offer(publishes);
        self.send(participant, MediaAction::Join { subscribe: true });
        self.send(participant, MediaAction::Offer { offer_id: 1, sdp, publish });
        let answer = self.wait(|event| match event.happening {
            MediaHappening::Answered { outcome, .. } => Some(outcome.expect("a good offer")),
            _ => None,
        });
        client.answer(&answer.sdp);
        participant
    }
}

/// Runs the clients until `done`.
fn run(clients: &mut [&mut Client], done: impl Fn(&[&mut Client]) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done(clients) {
        let now = Instant::now();
        assert!(now < end, "it took too long");
        let next = clients.iter_mut().map(|client| client.turn()).min().expect("clients");
        let wait = next.saturating_duration_since(now).min(Duration::from_secs(1));
        let sockets: Vec<_> = clients.iter().map(|client| client.socket().as_fd()).collect();
        let mut ready: Vec<_> =
            sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        poll(&mut ready, Some(&wait)).expect("sockets can be waited for");
    }
}

/// One publishes, one receives; returns what the server counted.
fn call(config: Config, ip: IpAddr) -> confer_sfu_net::ShardSnapshot {
    let mut server = Server::start(config);
    let (mut alice, mut bob) = (Client::new(ip), Client::new(ip));
    let alice_id = server.join(1, &mut alice, true);
    server.join(2, &mut bob, false);
    run(&mut [&mut alice, &mut bob], |clients| clients[1].frames_received >= 40);

    let security = server.wait(|event| match event.happening {
        MediaHappening::TransportChanged { state: TransportState::Connected, security } => {
            Some(security.expect("a connected transport is secure"))
        }
        _ => None,
    });
    assert_eq!(security.srtp_profile, "SRTP_AEAD_AES_128_GCM");
    assert_eq!(security.dtls_version, "DTLS 1.2");

    server.send(alice_id, MediaAction::Leave);
    let handle = server.handle.clone();
    assert!(handle.is_alive());
    server.running.stop();
    assert!(!handle.is_alive());
    handle.snapshots()[0]
}

#[test]
fn media_flows_over_ipv4_and_ipv6_with_and_without_segmentation() {
    let loopback4 = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let loopback6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let every = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let config = |bind, announced: IpAddr, gso| Config {
        bind,
        announced: vec![announced],
        gso,
        ..Config::default()
    };
    for (bind, ip) in [(loopback4, loopback4), (every, loopback4), (every, loopback6)] {
        let counted = call(config(bind, ip, true), ip);
        assert_eq!(counted.socket.send_errors, 0);
        assert_eq!(counted.shard.dropped_srtp, 0);
        if counted.socket.segmentation {
            assert!(counted.socket.send_calls < counted.socket.datagrams_sent);
        }
    }
    let counted = call(config(loopback4, loopback4, false), loopback4);
    assert_eq!(counted.socket.send_calls, counted.socket.datagrams_sent);
    assert!(!counted.socket.segmentation);
}

#[test]
fn the_server_answers_from_the_address_that_was_asked() {
    // Every address of 127.0.0.0/8 is this host's; the kernel would answer from 127.0.0.1.
    let other: IpAddr = [127, 0, 0, 77].into();
    let config = Config { announced: vec![other], ..Config::default() };
    let counted = call(config, Ipv4Addr::LOCALHOST.into());
    assert_eq!(counted.shard.dropped_unknown, 0);
}

#[test]
fn an_occupied_port_is_named_and_nothing_is_left_running() {
    let bind = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let first = Server::start(Config { bind, ..Config::default() });
    let port = first.running.local_addresses()[0].port();
    let again = || start(Config { bind, port, ..Config::default() });
    match again() {
        Err(error @ StartError::PortInUse { port: named, .. }) => {
            assert_eq!(named, port);
            assert!(error.to_string().contains("rtc.udp-port"));
        }
        other => panic!("the port was free: {}", other.is_ok()),
    }
    first.running.stop();
    assert!(again().is_ok());
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refused = |config| start(config).err().expect("it cannot work");
    assert!(matches!(refused(Config { shards: 0, ..Config::default() }), StartError::BadShards));
    let config = Config { port: 65_535, shards: 2, ..Config::default() };
    assert!(matches!(refused(config), StartError::BadShards));
    let config = Config {
        bind: Ipv4Addr::LOCALHOST.into(),
        announced: vec![Ipv6Addr::LOCALHOST.into()],
        port: 0,
        ..Config::default()
    };
    assert!(matches!(refused(config), StartError::NothingToAnnounce));
    // 192.0.2.0/24 is for documentation and nobody's.
    let config = Config { bind: [192, 0, 2, 99].into(), port: 0, ..Config::default() };
    assert!(matches!(refused(config), StartError::NotOurAddress { .. }));
}

#[test]
fn commands_for_nobody_are_refused_and_those_after_the_end_too() {
    let server = Server::start(Config { bind: Ipv4Addr::LOCALHOST.into(), ..Config::default() });
    let participant = ParticipantId(Uuid::from_u128(1));
    let command = |action| MediaCommand { room: ROOM, participant, action };
    let refused = |action| server.handle.send(command(action)).expect_err("it is refused").code;
    assert_eq!(refused(MediaAction::Leave), ErrorCode::NotJoined);
    assert_eq!(refused(MediaAction::Candidate { candidate: None }), ErrorCode::NotJoined);

    server.send(participant, MediaAction::Join { subscribe: true });
    server.send(participant, MediaAction::Leave);
    assert_eq!(refused(MediaAction::Leave), ErrorCode::NotJoined);
    server.running.stop();
    let join = command(MediaAction::Join { subscribe: true });
    let refused = server.handle.send(join).expect_err("nobody is there");
    assert_eq!(refused.code, ErrorCode::Unavailable);
}

#[test]
fn rooms_are_spread_over_shards_and_each_answers_with_its_own_port() {
    let config = Config { bind: Ipv4Addr::LOCALHOST.into(), shards: 2, ..Config::default() };
    let mut server = Server::start(config);
    let ports: Vec<u16> =
        server.running.local_addresses().iter().map(|address| address.port()).collect();
    let mut seen = Vec::new();
    for number in [1, 2] {
        let mut client = Client::new(Ipv4Addr::LOCALHOST.into());
        let (sdp, publish) = client.offer(true);
        let (room, participant) =
            (RoomId(Uuid::from_u128(number)), ParticipantId(Uuid::from_u128(number)));
        for action in [
            MediaAction::Join { subscribe: true },
            MediaAction::Offer { offer_id: 1, sdp, publish },
        ] {
            server.handle.send(MediaCommand { room, participant, action }).expect("room");
        }
        let answer = server.wait(|event| match event.happening {
            MediaHappening::Answered { outcome, .. } => Some(outcome.expect("a good offer").sdp),
            _ => None,
        });
        let port =
            ports.iter().find(|port| answer.contains(&format!(" 127.0.0.1 {port} typ host")));
        seen.push(*port.expect("a candidate of one of the shards"));
    }
    seen.sort_unstable();
    let mut ports = ports;
    ports.sort_unstable();
    assert_eq!(seen, ports);
}
