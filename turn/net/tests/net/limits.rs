//! What is bounded, and what happens at the bound.

use std::time::Duration;

use confer_turn_core::message::Method;
use confer_turn_net::{Config, Listener, Transport, start};
use tokio::net::TcpStream;

use crate::client::{Client, channel_data, udp};
use crate::support::{V4, echo, relay, until};

#[tokio::test]
async fn when_all_ports_are_taken_a_client_is_told_508() {
    let (handle, running) = relay(|config| config.relay_ports = 39_100..=39_102).await;
    let mut held = Vec::new();
    let refused = loop {
        let mut client = Client::connect(&handle, Transport::Udp).await;
        let error = client.request(Method::Allocate, udp).await.error();
        held.push(client);
        if error.is_some() || held.len() > 3 {
            break error;
        }
    };
    assert_eq!(refused, Some(508));
    assert_eq!(handle.stats().allocations, held.len() as u64 - 1);
    // A port that is given back is there for the next.
    let release = |writer: &mut confer_turn_core::message::Writer<'_>| {
        writer.number(confer_turn_core::message::attribute::LIFETIME, 0);
    };
    assert_eq!(held[0].request(Method::Refresh, release).await.error(), None);
    until(&handle, |stats| stats.allocations == held.len() as u64 - 2).await;
    held[1] = Client::connect(&handle, Transport::Udp).await;
    assert_eq!(held[1].request(Method::Allocate, udp).await.error(), None);
    running.stop().await;
}

#[tokio::test]
async fn a_transport_that_is_not_served_is_refused_at_the_start() {
    let listener =
        Listener { address: (V4, 0).into(), transports: vec![Transport::Udp, Transport::Dtls] };
    let config = Config { listen: vec![listener], ..Config::default() };
    let error = start(config).await.map(|_| ()).expect_err("there is no certificate").to_string();
    assert!(error.contains("DTLS") && error.contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_port_in_use_is_named_whatever_it_is_used_for() {
    for threads in [1, 2] {
        let (handle, running) = relay(|config| config.threads = threads).await;
        for transport in [Transport::Udp, Transport::Tcp] {
            let address = handle.listening()[0];
            let listen = vec![Listener { address, transports: vec![transport] }];
            let config = Config { listen, threads, ..Config::default() };
            let error = start(config).await.map(|_| ()).expect_err("the port is taken");
            assert!(error.to_string().contains(&address.to_string()), "{error}");
        }
        running.stop().await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_and_nobody_else_does() {
    let (handle, running) = relay(|_| {}).await;
    let peer = echo(V4).await;
    let mut slow = Client::connect(&handle, Transport::Tcp).await;
    let mut other = Client::connect(&handle, Transport::Tcp).await;
    for client in [&mut slow, &mut other] {
        client.allocate().await;
        client.bind(0x4000, peer).await;
    }
    let frames = channel_data(0x4000, &[6; 1200]).repeat(50);
    while handle.stats().queue_full == 0 {
        slow.send(&frames).await;
        other.echoes(0x4000, b"fine").await;
    }
    other.echoes(0x4000, b"fine").await;
    running.stop().await;
}

#[tokio::test]
async fn a_client_that_says_nothing_is_shut_out() {
    let (handle, running) = relay(|config| {
        config.limits.greeting = Duration::from_millis(10);
    })
    .await;
    // Nothing at all, half a frame, and half a TLS handshake.
    for said in [&b""[..], &[0, 1, 0, 0], &[0x16, 3, 1]] {
        let mut client = Client::connect(&handle, Transport::Tcp).await;
        client.send(said).await;
        assert!(client.is_closed().await);
    }
    until(&handle, |stats| stats.handshakes_failed + stats.connections_cut == 3).await;
    running.stop().await;
}

#[tokio::test]
async fn connections_are_limited_by_listener_and_by_network() {
    for by_listener in [true, false] {
        let (handle, running) = relay(|config| {
            if by_listener {
                config.limits.connections_per_listener = 2;
            } else {
                config.limits.connections_per_prefix = 2;
            }
        })
        .await;
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut client = Client::connect(&handle, Transport::Tcp).await;
            client.ask(Method::Binding, |_| {}).await;
            held.push(client);
        }
        let mut third = Client::connect(&handle, Transport::Tcp).await;
        if let crate::client::Way::Stream(stream) = &mut third.way {
            // It may be closed before this is written.
            let _ = tokio::io::AsyncWriteExt::write_all(stream, &[0; 20]).await;
        }
        assert!(third.is_closed().await);
        assert_eq!(handle.stats().connections_refused, 1);
        held.clear();
        until(&handle, |stats| stats.connections == 0).await;
        let address = handle.listening()[0];
        drop(TcpStream::connect(address).await.expect("there is room again"));
        running.stop().await;
    }
}
