//! Requests in others' names. On loopback every address is ours to send from.

use std::net::{IpAddr, Ipv4Addr};

use confer_turn_core::DropReason;
use confer_turn_core::message::{Class, Method, Writer, attribute};
use confer_turn_net::Transport;
use tokio::net::UdpSocket;

use super::{Bystander, dropped};
use crate::client::{Client, udp};
use crate::support::{relay, until};

fn request(method: Method) -> Vec<u8> {
    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Request, method, &[8; 12]);
    packet
}

async fn socket_of(ip: IpAddr) -> UdpSocket {
    UdpSocket::bind((ip, 0)).await.expect("loopback")
}

#[tokio::test]
async fn requests_from_everywhere_leave_nothing() {
    let (handle, running) = relay(|config| config.threads = 2).await;
    let server = handle.listening()[0];
    let mut bystander = Bystander::calls(&handle, Transport::Udp).await;
    let packets = [Method::Allocate, Method::Refresh, Method::CreatePermission].map(request);
    for number in 0..500u16 {
        let [high, low] = number.to_be_bytes();
        let spoofed = socket_of(IpAddr::V4(Ipv4Addr::new(127, 7, high, low))).await;
        for packet in &packets {
            spoofed.send_to(packet, server).await.expect("loopback");
        }
        if number % 20 == 0 {
            bystander.goes_on().await;
        }
    }
    until(&handle, |stats| stats.challenges >= 1_500).await;
    assert_eq!(handle.sessions().await.len(), 1);
    bystander.goes_on().await;
    running.stop().await;
}

/// Each names a thread, and none comes from who was given something there.
#[tokio::test]
async fn tickets_that_were_made_up_stay_on_the_thread_where_they_arrive() {
    let (handle, running) = relay(|config| config.threads = 2).await;
    let server = handle.listening()[0];
    let mut bystander = Bystander::calls(&handle, Transport::Udp).await;
    let refresh = |thread: u8| {
        let mut packet = Vec::new();
        Writer::begin(&mut packet, Class::Request, Method::Refresh, &[8; 12])
            .bytes(attribute::MOBILITY_TICKET, &[thread; 24])
            .bytes(attribute::NONCE, b"obMatJos2wAAAAAAAAAAAAAAAAAA");
        packet
    };
    for number in 0..200u8 {
        let spoofed = socket_of(IpAddr::V4(Ipv4Addr::new(127, 8, 0, number))).await;
        for packet in [refresh(0), refresh(1)] {
            spoofed.send_to(&packet, server).await.expect("loopback");
        }
        if number % 20 == 0 {
            bystander.goes_on().await;
        }
    }
    until(&handle, |stats| stats.challenges >= 400).await;
    assert_eq!(handle.stats().handed_over, 0);
    running.stop().await;
}

#[tokio::test]
async fn who_is_named_by_a_flood_gets_few_answers_and_others_get_theirs() {
    const BUDGET: u64 = 20;
    let (handle, running) = relay(|config| {
        config.threads = 2;
        config.core.limits.challenges_per_prefix = BUDGET;
    })
    .await;
    let server = handle.listening()[0];
    let mut bystander = Bystander::calls(&handle, Transport::Udp).await;
    let began = std::time::Instant::now();
    let victim = socket_of(IpAddr::V4(Ipv4Addr::new(127, 9, 9, 9))).await;
    for _ in 0..500 {
        for method in [Method::Allocate, Method::Binding] {
            victim.send_to(&request(method), server).await.expect("loopback");
        }
        bystander.goes_on().await;
    }
    let most = |began: std::time::Instant| BUDGET * (began.elapsed().as_secs() + 2);
    until(&handle, |_| dropped(&handle, DropReason::ChallengesSpent) + most(began) >= 1_000).await;
    // Who asks from another network is answered.
    let mut other = Client::connect(&handle, Transport::Udp).await;
    assert_eq!(other.request(Method::Allocate, udp).await.error(), None);
    running.stop().await;
}

#[tokio::test]
async fn data_in_anothers_name_goes_nowhere() {
    let (handle, running) = relay(|config| config.threads = 2).await;
    let server = handle.listening()[0];
    let mut bystander = Bystander::calls(&handle, Transport::Udp).await;
    let stranger = socket_of(IpAddr::V4(Ipv4Addr::new(127, 5, 5, 5))).await;
    // The channel that the bystander has, and an indication to its peer.
    let channel_data = [0x40, 0, 0, 4, 1, 2, 3, 4];
    let mut send = Vec::new();
    let peer = "127.0.0.1:9".parse().expect("a literal");
    Writer::begin(&mut send, Class::Indication, Method::Send, &[1; 12])
        .address(attribute::XOR_PEER_ADDRESS, peer)
        .bytes(attribute::DATA, b"mine");
    for _ in 0..100 {
        stranger.send_to(&channel_data, server).await.expect("loopback");
        stranger.send_to(&send, server).await.expect("loopback");
        bystander.goes_on().await;
    }
    until(&handle, |_| dropped(&handle, DropReason::NoAllocation) == 200).await;
    assert_eq!(handle.stats().relayed_packets, 2 * 101, "what the bystander said, and its echo");
    running.stop().await;
}
