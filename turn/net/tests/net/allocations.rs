//! TCP allocations (RFC 6062), over real connections.

use std::net::SocketAddr;

use confer_turn_core::message::{Method, Writer, attribute};
use confer_turn_net::{Transport, TurnHandle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::client::{Answer, Client, Way, tcp};
use crate::support::{V4, relay, until};

/// A data connection for a peer's connection.
async fn data_connection(handle: &TurnHandle, id: u32) -> Client {
    let mut data = Client::connect(handle, Transport::Tcp).await;
    let bind = |writer: &mut Writer<'_>| {
        writer.number(attribute::CONNECTION_ID, id);
    };
    assert_eq!(data.request(Method::ConnectionBind, bind).await.error(), None);
    data
}

/// Both ways, more than any buffer on the way holds.
async fn carries(data: Client, mut peer: TcpStream) {
    const LENGTH: usize = 1_000_000;
    let Way::Stream(mut data) = data.way else { panic!("over TCP") };
    for byte in [1, 2] {
        let sent = vec![byte; LENGTH];
        let mut received = vec![0; LENGTH];
        let (written, read) = tokio::join!(data.write_all(&sent), peer.read_exact(&mut received));
        assert!(written.is_ok() && read.is_ok());
        assert!(received == sent);
        let (written, read) = tokio::join!(peer.write_all(&sent), data.read_exact(&mut received));
        assert!(written.is_ok() && read.is_ok());
    }
    // The end of one is the end of the other.
    drop(peer);
    assert_eq!(data.read(&mut [0; 1]).await.unwrap_or(0), 0);
}

async fn relay_tcp(threads: u16) {
    let (handle, running) = relay(|config| config.threads = threads).await;
    let mut control = Client::connect(&handle, Transport::Tcp).await;
    let allocated = control.request(Method::Allocate, tcp).await;
    let relayed = allocated.address(attribute::XOR_RELAYED_ADDRESS);

    // To a peer.
    let listener = TcpListener::bind((V4, 0)).await.expect("a free port");
    let peer_address = listener.local_addr().expect("it is bound");
    let connect = |writer: &mut Writer<'_>| {
        writer.address(attribute::XOR_PEER_ADDRESS, peer_address);
    };
    let connected = control.request(Method::Connect, connect).await;
    let (peer, from) = listener.accept().await.expect("it listens");
    assert_eq!(from, relayed);
    carries(data_connection(&handle, connected.number(attribute::CONNECTION_ID)).await, peer).await;

    // From a peer.
    control.permit(SocketAddr::new(V4, 1)).await;
    let peer = TcpStream::connect(relayed).await.expect("a relayed address");
    let attempt = Answer(control.hear().await);
    assert_eq!(attempt.method(), Some(Method::ConnectionAttempt));
    let from = attempt.address(attribute::XOR_PEER_ADDRESS);
    assert_eq!(from, peer.local_addr().expect("connected"));
    carries(data_connection(&handle, attempt.number(attribute::CONNECTION_ID)).await, peer).await;

    // The end of the control connection is the end of all others.
    let peer = TcpStream::connect(relayed).await.expect("a relayed address");
    let attempt = Answer(control.hear().await);
    let mut data = data_connection(&handle, attempt.number(attribute::CONNECTION_ID)).await;
    drop(control);
    assert!(data.is_closed().await);
    drop(peer);
    until(&handle, |stats| stats.allocations == 0 && stats.connections == 0).await;
    running.stop().await;
}

#[tokio::test]
async fn a_tcp_allocation_connects_both_ways() {
    relay_tcp(1).await;
}

#[tokio::test]
async fn data_connections_find_the_thread_of_their_allocation() {
    relay_tcp(2).await;
}

#[tokio::test]
async fn a_peer_that_refuses_is_told_apart() {
    let (handle, running) = relay(|_| {}).await;
    let mut control = Client::connect(&handle, Transport::Tcp).await;
    assert_eq!(control.request(Method::Allocate, tcp).await.error(), None);
    let gone = TcpListener::bind((V4, 0)).await.and_then(|gone| gone.local_addr());
    let gone = gone.expect("a free port");
    let connect = |writer: &mut Writer<'_>| {
        writer.address(attribute::XOR_PEER_ADDRESS, gone);
    };
    assert_eq!(control.request(Method::Connect, connect).await.error(), Some(447));
    running.stop().await;
}
