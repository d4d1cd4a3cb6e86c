//! Who is removed has nothing left: no allocation, no kept port and no connection.

use std::net::SocketAddr;

use confer_turn_core::message::{Method, Writer, attribute};
use confer_turn_net::Transport;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::client::{Answer, Client, tcp, udp};
use crate::support::{V4, certificate, relay, until};

#[tokio::test]
async fn the_connections_of_who_is_removed_are_closed_on_every_transport() {
    let shown = certificate("shown");
    let given = Some(shown.clone());
    let (handle, running) = relay(|config| config.certificate = given).await;
    let server = handle.listening()[0];
    let mut bystander = Client::connect(&handle, Transport::Tcp).await;
    let mut clients = Vec::new();
    for transport in [Transport::Tcp, Transport::Tls, Transport::Dtls] {
        let mut client = Client::connect_to(server, transport, &[&shown]).await;
        client.allocate().await;
        clients.push(client);
    }
    assert_eq!(handle.kick("alice").await, 3);
    for client in &mut clients {
        assert!(client.is_closed().await);
    }
    // One who holds nothing is nobody's, and stays.
    assert_eq!(bystander.ask(Method::Binding, |_| {}).await.error(), None);
    until(&handle, |stats| stats.allocations == 0 && stats.connections == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn data_connections_of_who_is_removed_are_closed_with_their_peers() {
    let (handle, running) = relay(|config| config.threads = 2).await;
    let mut control = Client::connect(&handle, Transport::Tcp).await;
    let allocated = control.request(Method::Allocate, tcp).await;
    let relayed = allocated.address(attribute::XOR_RELAYED_ADDRESS);
    control.permit(SocketAddr::new(V4, 1)).await;
    let mut peer = TcpStream::connect(relayed).await.expect("a relayed address");
    let attempt = Answer(control.hear().await);
    let mut data = Client::connect(&handle, Transport::Tcp).await;
    let bind = |writer: &mut Writer<'_>| {
        writer.number(attribute::CONNECTION_ID, attempt.number(attribute::CONNECTION_ID));
    };
    assert_eq!(data.request(Method::ConnectionBind, bind).await.error(), None);
    // And one that waits for its data connection.
    let mut waiting = TcpStream::connect(relayed).await.expect("a relayed address");
    control.hear().await;

    assert_eq!(handle.kick("alice").await, 1);
    assert!(control.is_closed().await && data.is_closed().await);
    for peer in [&mut peer, &mut waiting] {
        assert_eq!(peer.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
    until(&handle, |stats| stats.connections == 0).await;
    running.stop().await;
}

#[tokio::test]
async fn ports_that_were_kept_for_who_is_removed_are_free_again() {
    // One pair and no more.
    let (handle, running) = relay(|config| config.relay_ports = 39_200..=39_201).await;
    let mut client = Client::connect(&handle, Transport::Udp).await;
    let pair = |writer: &mut Writer<'_>| {
        udp(writer);
        writer.bytes(attribute::EVEN_PORT, &[0x80]);
    };
    assert_eq!(client.request(Method::Allocate, pair).await.error(), None);
    assert_eq!(handle.kick("alice").await, 1);
    until(&handle, |stats| stats.allocations == 0).await;
    let mut other = Client::connect(&handle, Transport::Udp).await;
    assert_eq!(other.request(Method::Allocate, pair).await.error(), None);
    running.stop().await;
}

#[tokio::test]
async fn credentials_of_who_is_revoked_are_of_no_use_on_any_thread() {
    let (handle, running) = relay(|config| config.threads = 3).await;
    let mut held = Client::connect(&handle, Transport::Udp).await;
    held.allocate().await;
    // The name of the test's user expires then.
    assert_eq!(handle.revoke("alice", 4_000_000_000).await, 1);
    for _ in 0..6 {
        let mut again = Client::connect(&handle, Transport::Tcp).await;
        assert_eq!(again.request(Method::Allocate, udp).await.error(), Some(403));
    }
    running.stop().await;
}

#[tokio::test]
async fn credentials_that_were_made_later_are_good() {
    let (handle, running) = relay(|_| {}).await;
    assert_eq!(handle.revoke("alice", 3_999_999_999).await, 0);
    Client::connect(&handle, Transport::Udp).await.allocate().await;
    running.stop().await;
}
