//! Handshakes that are begun and never finished.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use confer_turn_core::DropReason;
use confer_turn_core::message::Method;
use confer_turn_net::Transport;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::{Bystander, dropped};
use crate::client::{Client, Way, udp};
use crate::secured::Secured;
use crate::support::{PATIENCE, V4, certificate, relay, until};

/// Half-open sessions over DTLS that a thread keeps.
const HALF_OPEN: u64 = 512;

#[tokio::test]
async fn half_open_tls_is_given_up_and_makes_room() {
    let shown = certificate("shown");
    let given = Some(shown.clone());
    let (handle, running) = relay(|config| {
        config.certificate = given;
        config.limits.connections_per_listener = 8;
        config.limits.greeting = Duration::from_secs(2);
    })
    .await;
    let mut bystander = Bystander::calls(&handle, Transport::Udp).await;
    let server = handle.listening()[0];
    // A record of 512 bytes of which the head and one byte come.
    let mut half_open = Vec::new();
    for _ in 0..12 {
        let mut stream = TcpStream::connect(server).await.expect("it listens");
        let _ = stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await;
        half_open.push(stream);
    }
    until(&handle, |stats| stats.connections_refused == 4).await;
    bystander.goes_on().await;
    until(&handle, |stats| stats.handshakes_failed == 8).await;
    let mut client = Client::connect_to(server, Transport::Tls, &[&shown]).await;
    assert_eq!(client.request(Method::Allocate, udp).await.error(), None);
    running.stop().await;
}

#[tokio::test]
async fn silent_connections_of_one_network_leave_the_rest_to_others() {
    let (handle, running) = relay(|config| {
        config.limits.connections_per_listener = 8;
        config.limits.connections_per_prefix = 4;
    })
    .await;
    let server = handle.listening()[0];
    let mut silent = Vec::new();
    for _ in 0..8 {
        silent.push(TcpStream::connect(server).await.expect("it listens"));
    }
    until(&handle, |stats| stats.connections_refused == 4).await;
    // Somebody of another network.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.3:0".parse().expect("a literal")).expect("loopback");
    let stream = socket.connect(server).await.expect("it listens");
    let mut other = Client::new(Way::Stream(Box::new(stream)));
    assert_eq!(other.request(Method::Allocate, udp).await.error(), None);
    running.stop().await;
}

#[tokio::test]
async fn who_says_hello_over_dtls_and_shows_no_cookie_leaves_nothing() {
    let (handle, running) = relay(|config| {
        // As many as they like, as if they came from everywhere.
        config.core.limits.challenges_per_prefix = 0;
        config.limits.greeting = Duration::ZERO;
    })
    .await;
    let server = handle.listening()[0];
    let mut bystander = Bystander::calls(&handle, Transport::Dtls).await;
    for number in 0..640 {
        drop(Secured::begin(server).await);
        if number % 16 == 0 {
            bystander.goes_on().await;
        }
    }
    bystander.goes_on().await;
    // A handshake that was begun would have been given up at once, and counted.
    assert_eq!(handle.stats().handshakes_failed, 0);
    running.stop().await;
}

#[tokio::test]
async fn half_open_dtls_gives_way_and_nobody_elses_session_does() {
    let (handle, running) = relay(|config| config.core.limits.challenges_per_prefix = 0).await;
    let server = handle.listening()[0];
    let mut bystander = Bystander::calls(&handle, Transport::Dtls).await;
    for number in 0..HALF_OPEN + 64 {
        // Of as many networks as it takes: each has a share.
        let network = IpAddr::from([127, 0, 1, 1 + u8::try_from(number % 8).expect("small")]);
        let socket = UdpSocket::bind((network, 0)).await.expect("loopback");
        drop(Secured::begin_on(socket, server).await.show().await);
        if number % 16 == 0 {
            bystander.goes_on().await;
        }
    }
    // The oldest ones made room, each counted as a handshake that came to nothing. (A port may have
    // been used twice.)
    until(&handle, |stats| stats.handshakes_failed >= 32).await;
    bystander.goes_on().await;
    let mut late = Client::connect(&handle, Transport::Dtls).await;
    assert_eq!(late.request(Method::Allocate, udp).await.error(), None);
    until(&handle, |stats| stats.allocations == 2).await;
    running.stop().await;
}

#[tokio::test]
async fn sessions_over_dtls_are_limited_by_network_and_in_all() {
    for in_all in [true, false] {
        let (handle, running) = relay(|config| {
            config.threads = 3;
            let limits = &mut config.limits;
            if in_all {
                limits.connections_per_listener = 2;
            } else {
                limits.connections_per_prefix = 2;
            }
        })
        .await;
        let server = handle.listening()[0];
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(Client::connect(&handle, Transport::Dtls).await);
        }
        let mut third = Secured::connect(server).await;
        assert_eq!(third.hear().await, None, "it is told goodbye");
        until(&handle, |stats| stats.connections_refused == 1).await;
        for client in &mut held {
            client.ask(Method::Binding, |_| {}).await;
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn who_begins_again_where_somebody_left_is_not_taken_for_them() {
    let (handle, running) = relay(|_| {}).await;
    let server = handle.listening()[0];
    let mut left = UdpSocket::bind((V4, 0)).await.expect("a free port");
    for round in 0..4 {
        let begun = Secured::begin_on(left, server).await;
        let begun = if round % 2 == 1 { begun.show().await } else { begun };
        left = begun.abandon().await;
    }
    let secured = Secured::begin_on(left, server).await.finish();
    let secured = tokio::time::timeout(PATIENCE, secured).await.expect("a handshake");
    let mut client = Client::new(Way::Dtls(Box::new(secured)));
    assert_eq!(client.request(Method::Allocate, udp).await.error(), None);
    running.stop().await;
}

#[tokio::test]
async fn a_flood_of_hellos_from_one_network_is_met_with_silence() {
    const BUDGET: u64 = 20;
    let (handle, running) = relay(|config| {
        config.threads = 2;
        config.core.limits.challenges_per_prefix = BUDGET;
    })
    .await;
    let mut bystander = Bystander::calls(&handle, Transport::Dtls).await;
    let began = Instant::now();
    for _ in 0..400 {
        drop(Secured::begin(handle.listening()[0]).await);
        bystander.goes_on().await;
    }
    let most = |began: Instant| BUDGET * (began.elapsed().as_secs() + 2);
    until(&handle, |_| dropped(&handle, DropReason::ChallengesSpent) + most(began) >= 390).await;
    running.stop().await;
}

#[tokio::test]
async fn what_is_no_hello_brings_no_more_than_it_took() {
    let (handle, running) = relay(|_| {}).await;
    let mut bystander = Bystander::calls(&handle, Transport::Dtls).await;
    let stranger = UdpSocket::bind((V4, 0)).await.expect("a free port");
    stranger.connect(handle.listening()[0]).await.expect("loopback");
    let (mut sent, mut answered) = (0, 0);
    for kind in 20..64 {
        let mut record = vec![kind, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4];
        record.extend([kind; 4]);
        sent += stranger.send(&record).await.expect("connected");
        bystander.goes_on().await;
        while let Ok(length) = stranger.try_recv(&mut [0; 2048]) {
            answered += length;
        }
    }
    assert!(answered <= sent, "{answered} bytes for {sent}");
    running.stop().await;
}
