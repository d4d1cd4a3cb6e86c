//! Clients over DTLS that begin again where they have a session, and those who only seem to.

use confer_turn_core::message::Method;
use confer_turn_net::Transport;
use tokio::net::UdpSocket;

use crate::client::{Client, Way, udp};
use crate::secured::Secured;
use crate::support::{PATIENCE, V4, echo, relay, until};

/// A client over DTLS that has an allocation.
async fn calls(secured: Secured) -> Client {
    let mut client = Client::new(Way::Dtls(Box::new(secured)));
    client.allocate().await;
    client
}

/// Two sockets that are one to everybody else.
async fn twins() -> [UdpSocket; 2] {
    let one = UdpSocket::bind((V4, 0)).await.expect("a free port").into_std().expect("a socket");
    let other = one.try_clone().expect("a descriptor");
    [one, other].map(|socket| UdpSocket::from_std(socket).expect("it does not block"))
}

#[tokio::test]
async fn who_begins_again_on_the_same_port_is_let_in_at_once() {
    // A place for one session, and room for one allocation.
    let (handle, running) = relay(|config| {
        config.limits.connections_per_listener = 1;
        config.core.limits.allocations = 1;
    })
    .await;
    let server = handle.listening()[0];
    let mut socket = UdpSocket::bind((V4, 0)).await.expect("a free port");
    for earlier in 0..3 {
        let secured = Secured::begin_on(socket, server).await.finish();
        let secured = tokio::time::timeout(PATIENCE, secured).await.expect("a handshake");
        let mut client = Client::new(Way::Dtls(Box::new(secured)));
        let answer = client.request(Method::Allocate, udp).await;
        assert_eq!(answer.error(), None, "not 437: what was there has ended");
        until(&handle, |stats| {
            let ended: u64 = stats.closed.values().sum();
            (stats.allocations, ended, stats.connections) == (1, earlier, 1)
        })
        .await;
        let Way::Dtls(secured) = client.way else { unreachable!("it is over DTLS") };
        socket = secured.crash();
    }
    assert_eq!(handle.stats().connected.get(&Transport::Dtls), Some(&1));
    running.stop().await;
}

#[tokio::test]
async fn who_cannot_finish_a_handshake_ends_nobodys_session() {
    let (handle, running) = relay(|_| {}).await;
    let server = handle.listening()[0];
    let [one, mut other] = twins().await;
    let mut client = calls(Secured::begin_on(one, server).await.finish().await).await;
    client.bind(0x4000, echo(V4).await).await;
    for shows_a_cookie in [false, true, false, true] {
        let begun = Secured::begin_on(other, server).await;
        let begun = if shows_a_cookie { begun.show().await } else { begun };
        other = begun.abandon().await;
        // What else was answered is not for this client, and it is none the wiser.
        client.echoes(0x4000, &[7; 160]).await;
    }
    let stats = handle.stats();
    assert_eq!(
        (stats.allocations, stats.closed.values().sum::<u64>(), stats.connections),
        (1, 0, 1)
    );
    running.stop().await;
}

#[tokio::test]
async fn sessions_are_counted_beside_connections() {
    let (handle, running) = relay(|_| {}).await;
    let mut stream = Client::connect(&handle, Transport::Tcp).await;
    stream.ask(Method::Binding, |_| {}).await;
    let secured = Secured::connect(handle.listening()[0]).await;
    until(&handle, |stats| {
        let now = |transport| stats.connected.get(&transport).copied();
        let [tcp, tls, dtls] = [Transport::Tcp, Transport::Tls, Transport::Dtls].map(now);
        (tcp, tls, dtls, stats.connections) == (Some(1), Some(0), Some(1), 2)
    })
    .await;
    secured.leave().await;
    until(&handle, |stats| stats.connections == 1).await;
    running.stop().await;
}
