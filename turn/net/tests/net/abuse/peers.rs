//! Peers that send more than they were asked for.

use std::net::SocketAddr;

use confer_turn_core::message::{Method, attribute};
use confer_turn_core::{DropReason, TenantLimits};
use confer_turn_net::Transport;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UdpSocket};

use super::{Bystander, dropped};
use crate::client::{Answer, Client, tcp};
use crate::support::{SECRET, V4, credentials_with, relay, until};

const FLOOD: u64 = 2_000;

#[tokio::test]
async fn who_was_not_permitted_reaches_nobody() {
    let (handle, running) = relay(|_| {}).await;
    let mut bystander = Bystander::calls(&handle, Transport::Udp).await;
    let mut victim = Client::connect(&handle, Transport::Udp).await;
    let relayed = victim.allocate().await;
    let flooder = UdpSocket::bind((V4, 0)).await.expect("a free port");
    for number in 0..FLOOD {
        flooder.send_to(&[5; 1200], relayed).await.expect("loopback");
        // Often enough that the flood is not lost before the relay sees it.
        if number % 20 == 0 {
            bystander.goes_on().await;
        }
    }
    until(&handle, |_| dropped(&handle, DropReason::NotPermitted) == FLOOD).await;
    // The next that the victim hears is what it asks for.
    assert_eq!(victim.ask(Method::Binding, |_| {}).await.method(), Some(Method::Binding));
    running.stop().await;
}

#[tokio::test]
async fn a_permitted_peer_gets_through_what_the_allocation_may_relay() {
    const RATE: u64 = 500;
    let (handle, running) = relay(|config| {
        let limits = TenantLimits { packets_per_second: RATE, ..TenantLimits::default() };
        config.core.credentials = credentials_with(&[SECRET], limits);
    })
    .await;
    let mut bystander = Bystander::calls(&handle, Transport::Udp).await;
    let mut victim = Client::connect(&handle, Transport::Udp).await;
    let relayed = victim.allocate().await;
    let flooder = UdpSocket::bind((V4, 0)).await.expect("a free port");
    victim.permit(flooder.local_addr().expect("it is bound")).await;
    let before = handle.stats().relayed_packets;
    let began = std::time::Instant::now();
    for number in 0..FLOOD {
        flooder.send_to(&[5; 1200], relayed).await.expect("loopback");
        if number % 20 == 0 {
            // Its own rate is its own: the bystander may relay as much.
            bystander.goes_on().await;
        }
    }
    let own = 2 * FLOOD / 20;
    until(&handle, |stats| {
        stats.relayed_packets - before + dropped(&handle, DropReason::OverRate) == FLOOD + own
    })
    .await;
    let passed = handle.stats().relayed_packets - before - own;
    assert!((RATE..=RATE * (began.elapsed().as_secs() + 2)).contains(&passed), "{passed} passed");
    running.stop().await;
}

#[tokio::test]
async fn connections_to_a_relayed_address_are_few_and_only_of_permitted_peers() {
    let (handle, running) = relay(|config| config.core.limits.connections_per_allocation = 4).await;
    let mut bystander = Bystander::calls(&handle, Transport::Tcp).await;
    let mut control = Client::connect(&handle, Transport::Tcp).await;
    let allocated = control.request(Method::Allocate, tcp).await;
    let relayed = allocated.address(attribute::XOR_RELAYED_ADDRESS);
    let connect = || async { TcpStream::connect(relayed).await.expect("a relayed address") };
    for _ in 0..20 {
        assert_eq!(connect().await.read(&mut [0; 1]).await.unwrap_or(0), 0, "it is closed");
    }
    assert_eq!(dropped(&handle, DropReason::NotPermitted), 20);

    control.permit(SocketAddr::new(V4, 1)).await;
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(connect().await);
        let attempt = Answer(control.hear().await);
        assert_eq!(attempt.method(), Some(Method::ConnectionAttempt));
        bystander.goes_on().await;
    }
    for _ in 0..20 {
        assert_eq!(connect().await.read(&mut [0; 1]).await.unwrap_or(0), 0, "there are enough");
    }
    assert_eq!(dropped(&handle, DropReason::NotPermitted), 40);
    bystander.goes_on().await;
    running.stop().await;
}
