//! What an operator does to a running relay.

use confer_turn_core::message::Method;
use confer_turn_core::{CloseReason, Event};
use confer_turn_net::Transport;

use crate::client::{Client, udp};
use crate::support::{SECRET, V4, certificate, credentials, echo, relay, until};

#[tokio::test]
async fn another_certificate_and_secret_cost_no_allocation() {
    let (before, after) = (certificate("before"), certificate("after"));
    let given = Some(before.clone());
    let (handle, running) = relay(|config| config.certificate = given).await;
    let peer = echo(V4).await;
    let server = handle.listening()[0];
    let mut clients = Vec::new();
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let mut client = Client::connect_to(server, transport, &[&before]).await;
        client.allocate().await;
        client.bind(0x4000, peer).await;
        clients.push(client);
    }
    for round in 0..10u8 {
        for client in &mut clients {
            client.echoes(0x4000, &[round; 400]).await;
        }
        let shown = if round % 2 == 0 { &after } else { &before };
        handle.set_certificate(shown).expect("a good one");
        let core = confer_turn_core::Config {
            credentials: credentials(&[&format!("fresh-{round}"), SECRET]),
            nonce_secret: vec![round; 32],
            ..confer_turn_core::Config::default()
        };
        handle.reconfigure(core).await;
        // Who comes now sees the new one, and only that.
        let mut newcomer = Client::connect_to(server, Transport::Tls, &[shown]).await;
        newcomer.ask(Method::Binding, |_| {}).await;
        for client in &mut clients {
            // The nonce is stale, the allocation is not.
            assert_eq!(client.request(Method::Refresh, |_| {}).await.error(), None);
        }
    }
    assert_eq!(handle.stats().allocations, 3);
    assert_eq!(handle.stats().allocations_total, 3);
    running.stop().await;
}

#[tokio::test]
async fn a_certificate_that_does_not_fit_its_key_is_refused_and_the_old_one_stays() {
    let shown = certificate("shown");
    let given = Some(shown.clone());
    let (handle, running) = relay(|config| config.certificate = given).await;
    let mut odd = certificate("odd");
    odd.key = certificate("other").key;
    assert!(handle.set_certificate(&odd).is_err());
    let server = handle.listening()[0];
    Client::connect_to(server, Transport::Tls, &[&shown]).await.ask(Method::Binding, |_| {}).await;
    running.stop().await;
}

#[tokio::test]
async fn what_happens_to_allocations_can_be_listened_to() {
    let (handle, running) = relay(|_| {}).await;
    let mut events = handle.events();
    let mut client = Client::connect(&handle, Transport::Udp).await;
    let peer = echo(V4).await;
    client.allocate().await;
    client.bind(0x4000, peer).await;
    client.echoes(0x4000, b"four").await;
    assert_eq!(handle.kick("alice").await, 1);
    let allocated = events.recv().await.expect("kept up");
    assert!(matches!(allocated, Event::Allocated { .. }), "{allocated:?}");
    let refreshed = events.recv().await.expect("kept up");
    assert!(matches!(refreshed, Event::Refreshed { .. }), "{refreshed:?}");
    let Event::Closed { reason, traffic, .. } = events.recv().await.expect("kept up") else {
        panic!("not closed");
    };
    assert_eq!(reason, CloseReason::Kicked);
    assert_eq!((traffic.sent_bytes, traffic.received_bytes), (4, 4));
    until(&handle, |stats| stats.closed.get(&CloseReason::Kicked) == Some(&1)).await;
    assert_eq!(handle.stats().bytes.sum, 8);
    running.stop().await;
}

#[tokio::test]
async fn a_draining_relay_keeps_what_it_has_and_takes_no_more() {
    let (handle, running) = relay(|_| {}).await;
    let peer = echo(V4).await;
    let mut client = Client::connect(&handle, Transport::Udp).await;
    client.allocate().await;
    handle.drain().await;
    let mut late = Client::connect(&handle, Transport::Udp).await;
    assert_eq!(late.request(Method::Allocate, udp).await.error(), Some(508));
    client.bind(0x4000, peer).await;
    client.echoes(0x4000, b"four").await;
    running.stop().await;
}
