//! Clients over UDP: both families, bursts, several threads.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use confer_turn_core::CloseReason;
use confer_turn_core::message::{Class, Method, Writer, attribute};
use confer_turn_net::{Listener, RelayAddress, StatsSnapshot, Transport};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::net::UdpSocket;

use crate::client::{Answer, Client, Way, channel_data, udp, udp6};
use crate::support::{ALL, PATIENCE, V4, V6, echo, relay, until};

#[tokio::test]
async fn clients_and_peers_of_both_families_reach_each_other() {
    let (handle, running) = relay(|_| {}).await;
    for listener in handle.listening().to_vec() {
        for peer in [echo(V4).await, echo(V6).await] {
            let mut client = Client::connect_to(listener, Transport::Udp, &[]).await;
            let wish = if peer.is_ipv4() { udp } else { udp6 };
            let allocated = client.request(Method::Allocate, wish).await;
            let relayed = allocated.address(attribute::XOR_RELAYED_ADDRESS);
            assert_eq!(relayed.ip(), peer.ip());
            client.bind(0x4000, peer).await;
            client.echoes(0x4000, &[5; 1200]).await;
        }
    }
    running.stop().await;
}

/// Sends equal frames in one call, as the kernel's segmentation does for a sender of video.
async fn burst(socket: &UdpSocket, to: SocketAddr, frames: &[u8], segment: i32) {
    setsockopt(socket, sockopt::UdpGsoSegment, &segment).expect("Linux has this");
    // A connected socket needs no address, and takes none.
    let sent = match socket.peer_addr() {
        Ok(_) => socket.send(frames).await,
        Err(_) => socket.send_to(frames, to).await,
    };
    assert_eq!(sent.expect("loopback takes it"), frames.len());
    setsockopt(socket, sockopt::UdpGsoSegment, &0).expect("Linux has this");
}

#[tokio::test]
async fn bursts_come_through_whole_and_in_order() {
    const PACKETS: u8 = 40;
    let (handle, running) = relay(|_| {}).await;
    let peer = UdpSocket::bind((V4, 0)).await.expect("a free port");
    let peer_address = peer.local_addr().expect("it is bound");
    let mut client = Client::connect(&handle, Transport::Udp).await;
    let relayed = client.allocate().await;
    client.bind(0x4000, peer_address).await;

    let frames: Vec<u8> =
        (0..PACKETS).flat_map(|number| channel_data(0x4000, &[number; 1200])).collect();
    let Way::Datagrams(socket) = &client.way else { panic!("over UDP") };
    burst(socket, handle.listening()[0], &frames, 1204).await;
    let mut buffer = [0; 2048];
    for number in 0..PACKETS {
        let received = tokio::time::timeout(PATIENCE, peer.recv_from(&mut buffer)).await;
        let (length, from) = received.expect("all of them").expect("it is bound");
        assert_eq!((&buffer[..length], from), (&[number; 1200][..], relayed));
    }

    // And back.
    let payloads: Vec<u8> = (0..PACKETS).flat_map(|number| [number; 1000]).collect();
    burst(&peer, relayed, &payloads, 1000).await;
    for number in 0..PACKETS {
        assert_eq!(client.hear().await, channel_data(0x4000, &[number; 1000]));
    }
    running.stop().await;
}

#[tokio::test]
async fn what_a_closed_port_says_reaches_the_client() {
    let (handle, running) = relay(|_| {}).await;
    let mut client = Client::connect(&handle, Transport::Udp).await;
    client.allocate().await;
    let gone = UdpSocket::bind((V4, 0)).await.and_then(|socket| socket.local_addr());
    let gone = gone.expect("a free port");
    client.bind(0x4000, gone).await;
    client.send(&channel_data(0x4000, b"anybody?")).await;
    let news = Answer(client.hear().await);
    assert_eq!(news.method(), Some(Method::Data));
    assert_eq!(news.address(attribute::XOR_PEER_ADDRESS), gone);
    assert_eq!(news.attribute(attribute::ICMP), Some(vec![0, 0, 3, 3, 0, 0, 0, 0]));
    running.stop().await;
}

#[tokio::test]
async fn packets_that_must_not_be_fragmented_are_sent_too() {
    let (handle, running) = relay(|_| {}).await;
    let peer = echo(V4).await;
    let mut client = Client::connect(&handle, Transport::Udp).await;
    client.allocate().await;
    client.permit(peer).await;
    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Indication, Method::Send, &[9; 12])
        .address(attribute::XOR_PEER_ADDRESS, peer)
        .bytes(attribute::DONT_FRAGMENT, &[])
        .bytes(attribute::DATA, b"whole");
    client.send(&packet).await;
    let data = Answer(client.hear().await);
    assert_eq!(data.attribute(attribute::DATA).as_deref(), Some(&b"whole"[..]));
    running.stop().await;
}

#[tokio::test]
async fn a_client_gets_a_relayed_address_of_the_interface_where_it_came_in() {
    let interfaces = [V4, IpAddr::from([127, 0, 0, 2])];
    let (handle, running) = relay(|config| {
        config.listen = interfaces
            .map(|ip| Listener { address: SocketAddr::new(ip, 0), transports: ALL.to_vec() })
            .to_vec();
        config.relay = interfaces.map(|ip| RelayAddress { bind: ip, external: ip }).to_vec();
    })
    .await;
    for (place, ip) in interfaces.into_iter().enumerate() {
        let server = handle.listening()[place];
        let mut client = Client::connect_to(server, Transport::Udp, &[]).await;
        assert_eq!(client.allocate().await.ip(), ip);
    }
    running.stop().await;
}

#[tokio::test]
async fn clients_of_several_threads_are_all_served() {
    let (handle, running) = relay(|config| config.threads = 3).await;
    let peer = echo(V4).await;
    let mut clients = Vec::new();
    for _ in 0..12 {
        let mut client = Client::connect(&handle, Transport::Udp).await;
        client.allocate().await;
        client.bind(0x4000, peer).await;
        clients.push(client);
    }
    for client in &mut clients {
        client.echoes(0x4000, &[1; 100]).await;
    }
    assert_eq!(handle.sessions().await.len(), 12);
    assert_eq!(handle.kick("alice").await, 12);
    running.stop().await;
}

#[tokio::test]
async fn an_allocation_follows_its_client_to_another_thread() {
    let (handle, running) = relay(|config| config.threads = 2).await;
    let peer = echo(V4).await;
    let mut client = Client::connect(&handle, Transport::Udp).await;
    let wish = |writer: &mut Writer<'_>| {
        udp(writer);
        writer.bytes(attribute::MOBILITY_TICKET, &[]);
    };
    let allocated = client.request(Method::Allocate, wish).await;
    let mut ticket = allocated.attribute(attribute::MOBILITY_TICKET).expect("moving is allowed");
    client.bind(0x4000, peer).await;
    // The kernel picks the thread: sooner or later it is the other one.
    let mut moves = 0;
    while handle.stats().handed_over == 0 {
        assert!(moves < 64, "every socket went to the same thread");
        moves += 1;
        client = Client::connect(&handle, Transport::Udp).await;
        let shown = ticket.clone();
        let show = |writer: &mut Writer<'_>| {
            writer.bytes(attribute::MOBILITY_TICKET, &shown);
        };
        let moved = client.request(Method::Refresh, show).await;
        ticket = moved.attribute(attribute::MOBILITY_TICKET).expect("another ticket");
        client.echoes(0x4000, b"here").await;
    }
    assert_eq!(handle.stats().allocations, 1);
    let release = |writer: &mut Writer<'_>| {
        writer.number(attribute::LIFETIME, 0);
    };
    assert_eq!(client.request(Method::Refresh, release).await.error(), None);
    crate::support::until(&handle, |stats| stats.allocations == 0).await;
    // The five-tuple is free for the thread where its datagrams arrive.
    client.allocate().await;
    running.stop().await;
}

#[tokio::test]
async fn a_port_reserved_on_one_thread_serves_a_client_of_another() {
    let (handle, running) = relay(|config| config.threads = 2).await;
    let peer = echo(V4).await;
    // The kernel picks the thread: sooner or later it is the other one.
    for _ in 0..64 {
        let mut first = Client::connect(&handle, Transport::Udp).await;
        let reserve = |writer: &mut Writer<'_>| {
            udp(writer);
            writer.bytes(attribute::EVEN_PORT, &[0x80]);
        };
        let reserved = first.request(Method::Allocate, reserve).await;
        let token = reserved.attribute(attribute::RESERVATION_TOKEN).expect("a port is kept");

        let mut second = Client::connect(&handle, Transport::Udp).await;
        let take = |writer: &mut Writer<'_>| {
            udp(writer);
            writer.bytes(attribute::RESERVATION_TOKEN, &token);
        };
        let stranger = second.written(Method::Allocate, take);
        let challenge = second.ask(Method::Refresh, |_| {}).await;
        second.nonce = challenge.attribute(attribute::NONCE).expect("a challenge");
        // The refused one and the good one may reach the other thread in one go.
        let known = second.written(Method::Allocate, take);
        second.send(&stranger).await;
        second.send(&known).await;
        assert_eq!(Answer(second.hear().await).error(), Some(401));
        assert_eq!(Answer(second.hear().await).error(), None);
        second.bind(0x4000, peer).await;
        second.echoes(0x4000, b"here").await;
        for client in [&mut first, &mut second] {
            let release = |writer: &mut Writer<'_>| {
                writer.number(attribute::LIFETIME, 0);
            };
            assert_eq!(client.request(Method::Refresh, release).await.error(), None);
        }
    }
    assert!(handle.stats().handed_over > 0, "every socket went to the same thread");
    running.stop().await;
}

#[tokio::test]
async fn an_allocation_ends_in_time_whether_or_not_packets_come() {
    let (handle, running) = relay(|config| {
        config.threads = 1;
        config.core.default_lifetime = Duration::from_millis(100);
    })
    .await;
    let expired = |count| {
        move |stats: &StatsSnapshot| stats.closed.get(&CloseReason::Expired) == Some(&count)
    };
    let mut client = Client::connect(&handle, Transport::Udp).await;
    client.allocate().await;
    until(&handle, expired(1)).await;

    client.allocate().await;
    let frame = channel_data(0x4000, &[5; 100]);
    while !expired(2)(&handle.stats()) {
        client.send(&frame).await;
    }
    running.stop().await;
}
