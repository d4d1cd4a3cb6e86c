//! Limits are the relay's, however many threads it has and whichever of them a client meets.

use std::time::Instant;

use confer_turn_core::message::{Class, Method, Writer, attribute};
use confer_turn_core::{Credentials, DropReason, TenantLimits};
use confer_turn_net::{Config, StatsSnapshot, Transport};
use tokio::net::UdpSocket;

use crate::client::{Client, Way, channel_data, udp};
use crate::support::{PATIENCE, SECRET, V4, credentials_with, relay, until};

const THREADS: u16 = 4;

fn limited(config: &mut Config, change: impl FnOnce(&mut TenantLimits)) -> Credentials {
    config.threads = THREADS;
    let mut limits = TenantLimits::default();
    change(&mut limits);
    credentials_with(&[SECRET], limits)
}

fn refused(stats: &StatsSnapshot, reason: DropReason) -> u64 {
    stats.dropped.get(&reason).copied().unwrap_or(0)
}

#[tokio::test]
async fn a_quota_is_the_users_and_not_a_threads() {
    let (handle, running) = relay(|config| {
        config.core.credentials = limited(config, |limits| limits.allocations_per_user = 9);
    })
    .await;
    // Streams are dealt out to threads in turn, datagrams by the kernel.
    let (mut held, mut refused) = (Vec::new(), Vec::new());
    for number in 0..24 {
        let transport = if number % 2 == 0 { Transport::Tcp } else { Transport::Udp };
        let mut client = Client::connect(&handle, transport).await;
        match client.request(Method::Allocate, udp).await.error() {
            None => held.push(client),
            Some(code) => refused.push(code),
        }
    }
    assert_eq!((held.len(), refused), (9, vec![486; 15]));
    let release = |writer: &mut Writer<'_>| {
        writer.number(attribute::LIFETIME, 0);
    };
    assert_eq!(held[0].request(Method::Refresh, release).await.error(), None);
    held[0] = Client::connect(&handle, Transport::Udp).await;
    held[0].allocate().await;
    running.stop().await;
}

#[tokio::test]
async fn everybodys_allocations_count_together() {
    let (handle, running) = relay(|config| {
        config.threads = THREADS;
        config.core.limits.allocations = 5;
    })
    .await;
    let mut held = Vec::new();
    for number in 0..8 {
        let mut client = Client::connect(&handle, Transport::Tcp).await;
        let error = client.request(Method::Allocate, udp).await.error();
        assert_eq!(error, (number >= 5).then_some(508));
        held.push(client);
    }
    running.stop().await;
}

#[tokio::test]
async fn a_kept_port_counts_for_its_user_until_it_is_used_on_any_thread() {
    let (handle, running) = relay(|config| {
        config.core.credentials = limited(config, |limits| limits.allocations_per_user = 2);
    })
    .await;
    let mut first = Client::connect(&handle, Transport::Udp).await;
    let pair = |writer: &mut Writer<'_>| {
        udp(writer);
        writer.bytes(attribute::EVEN_PORT, &[0x80]);
    };
    let answer = first.request(Method::Allocate, pair).await;
    let token = answer.attribute(attribute::RESERVATION_TOKEN).expect("a pair of ports");
    for _ in 0..4 {
        let mut other = Client::connect(&handle, Transport::Udp).await;
        assert_eq!(other.request(Method::Allocate, udp).await.error(), Some(486));
    }
    let mut second = Client::connect(&handle, Transport::Udp).await;
    let taking = |writer: &mut Writer<'_>| {
        udp(writer);
        writer.bytes(attribute::RESERVATION_TOKEN, &token);
    };
    assert_eq!(second.request(Method::Allocate, taking).await.error(), None);
    running.stop().await;
}

#[tokio::test]
async fn a_tenants_rate_holds_over_all_threads() {
    const RATE: u64 = 100;
    let (handle, running) = relay(|config| {
        config.core.credentials = limited(config, |limits| limits.tenant_packets_per_second = RATE);
    })
    .await;
    let peer = UdpSocket::bind((V4, 0)).await.expect("a free port");
    let peer = peer.local_addr().expect("it is bound");
    let began = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..8 {
        let mut client = Client::connect(&handle, Transport::Udp).await;
        client.allocate().await;
        client.bind(0x4000, peer).await;
        clients.push(client);
    }
    for _ in 0..RATE {
        for client in &mut clients {
            client.send(&channel_data(0x4000, b"mine")).await;
        }
    }
    let sent = RATE * clients.len() as u64;
    until(&handle, |stats| stats.relayed_packets + refused(stats, DropReason::OverRate) == sent)
        .await;
    let relayed = handle.stats().relayed_packets;
    assert!(relayed >= RATE, "a second's worth at once, and not {relayed}");
    assert!(relayed <= RATE * (began.elapsed().as_secs() + 2), "{relayed} packets");
    running.stop().await;
}

#[tokio::test]
async fn strangers_of_one_network_share_a_budget_over_all_threads() {
    const BUDGET: u64 = 50;
    let (handle, running) = relay(|config| {
        config.threads = THREADS;
        config.core.limits.challenges_per_prefix = BUDGET;
    })
    .await;
    let began = Instant::now();
    let mut strangers = Vec::new();
    for _ in 0..8 {
        strangers.push(Client::connect(&handle, Transport::Udp).await);
    }
    let mut request = Vec::new();
    Writer::begin(&mut request, Class::Request, Method::Allocate, &[1; 12]);
    for _ in 0..BUDGET {
        for stranger in &mut strangers {
            stranger.send(&request).await;
        }
    }
    let sent = BUDGET * strangers.len() as u64;
    let mut answered = 0;
    let counting = async {
        while answered + refused(&handle.stats(), DropReason::ChallengesSpent) < sent {
            for stranger in &strangers {
                let Way::Datagrams(socket) = &stranger.way else { continue };
                while socket.try_recv(&mut [0; 512]).is_ok() {
                    answered += 1;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, counting).await.expect("an answer or a refusal each");
    assert!(answered >= BUDGET, "a second's worth at once, and not {answered}");
    assert!(answered <= BUDGET * (began.elapsed().as_secs() + 2), "{answered} answers");
    running.stop().await;
}
