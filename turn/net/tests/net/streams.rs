//! Clients over TCP and TLS, load balancers, and connections that others accepted.

use std::net::SocketAddr;

use confer_turn_core::message::{Method, attribute};
use confer_turn_net::Transport;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{Client, Way};
use crate::support::{V4, certificate, connector, echo, relay, until};

#[tokio::test]
async fn tls_and_plain_turn_share_a_port() {
    let shown = certificate("shown");
    let certificate = Some(shown.clone());
    let (handle, running) = relay(|config| config.certificate = certificate).await;
    let peer = echo(V4).await;
    let server = handle.listening()[0];
    for transport in [Transport::Tls, Transport::Tcp] {
        let mut client = Client::connect_to(server, transport, &[&shown]).await;
        client.allocate().await;
        client.bind(0x4000, peer).await;
        client.echoes(0x4000, &[3; 1200]).await;
        assert_eq!(handle.sessions().await[0].tuple.transport, transport);
        drop(client);
        until(&handle, |stats| stats.allocations == 0 && stats.connections == 0).await;
    }
    running.stop().await;
}

#[tokio::test]
async fn tls_answers_the_name_of_turn_and_does_not_ask_for_it() {
    let shown = certificate("shown");
    let given = Some(shown.clone());
    let (handle, running) = relay(|config| config.certificate = given).await;
    for (offered, agreed) in
        [(vec![b"stun.turn".to_vec()], Some(&b"stun.turn"[..])), (vec![], None)]
    {
        let mut config = connector(&[&shown]).config().as_ref().clone();
        config.alpn_protocols = offered;
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
        let tcp = TcpStream::connect(handle.listening()[0]).await.expect("it listens");
        let name = "localhost".try_into().expect("a name");
        let tls = connector.connect(name, tcp).await.expect("a trusted certificate");
        assert_eq!(tls.get_ref().1.alpn_protocol(), agreed);
    }
    running.stop().await;
}

#[tokio::test]
async fn streams_relay_on_every_thread_and_over_ipv6() {
    let (handle, running) = relay(|config| config.threads = 2).await;
    let peer = echo(V4).await;
    let mut clients = Vec::new();
    for listener in handle.listening().repeat(2) {
        let mut client = Client::connect_to(listener, Transport::Tcp, &[]).await;
        client.allocate().await;
        client.bind(0x4000, peer).await;
        clients.push(client);
    }
    for client in &mut clients {
        client.echoes(0x4000, b"four").await;
    }
    running.stop().await;
}

/// A PROXY header of version 2 for a client that is not there.
fn proxy_header(client: SocketAddr, server: SocketAddr) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    for address in [client, server] {
        let std::net::IpAddr::V4(ip) = address.ip() else { panic!("IPv4 only") };
        header.extend(ip.octets());
    }
    header.extend(client.port().to_be_bytes());
    header.extend(server.port().to_be_bytes());
    header
}

#[tokio::test]
async fn a_trusted_load_balancer_says_where_clients_come_from() {
    let shown = certificate("shown");
    let given = Some(shown.clone());
    let (handle, running) = relay(|config| {
        config.proxies = vec!["127.0.0.0/8".parse().expect("a literal")];
        config.certificate = given;
    })
    .await;
    let real: SocketAddr = "198.51.100.7:1234".parse().expect("a literal");
    let header = proxy_header(real, "203.0.113.1:443".parse().expect("a literal"));
    let connect = || async {
        let mut tcp = TcpStream::connect(handle.listening()[0]).await.expect("it listens");
        tcp.write_all(&header).await.expect("connected");
        tcp
    };
    let name = "localhost".try_into().expect("a name");
    let tls = connector(&[&shown]).connect(name, connect().await).await.expect("trusted");
    for way in [Way::Stream(Box::new(connect().await)), Way::Stream(Box::new(tls))] {
        let mut client = Client::new(way);
        let answer = client.ask(Method::Binding, |_| {}).await;
        assert_eq!(answer.address(attribute::XOR_MAPPED_ADDRESS), real);
    }
    // Without a header it is nobody's connection.
    let mut client = Client::connect(&handle, Transport::Tcp).await;
    client.send(&[0; 20]).await;
    assert!(client.is_closed().await);
    until(&handle, |stats| stats.handshakes_failed == 1).await;
    running.stop().await;
}

#[tokio::test]
async fn headers_of_strangers_are_not_believed() {
    let (handle, running) = relay(|_| {}).await;
    let mut client = Client::connect(&handle, Transport::Tcp).await;
    let any = "192.0.2.1:1".parse().expect("a literal");
    client.send(&proxy_header(any, any)).await;
    assert!(client.is_closed().await);
    running.stop().await;
}

#[tokio::test]
async fn a_connection_that_others_accepted_is_served_from_its_first_byte_on() {
    let (handle, running) = relay(|_| {}).await;
    let (ours, theirs) = tokio::io::duplex(4096);
    // A socket for both families hands out IPv4 addresses in IPv6; nobody else should see them so.
    let accepted = "[::ffff:192.0.2.9]:999".parse().expect("a literal");
    let client_address: SocketAddr = "192.0.2.9:999".parse().expect("a literal");
    let way = (accepted, handle.listening()[0]);
    // The first request was read by whoever found out that this is TURN.
    let request = b"\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl".to_vec();
    handle.adopt(theirs, way, Transport::Tls, request);
    let mut client = Client::new(Way::Stream(Box::new(ours)));
    let answer = crate::client::Answer(client.hear().await);
    assert_eq!(answer.address(attribute::XOR_MAPPED_ADDRESS), client_address);
    client.allocate().await;
    assert_eq!(handle.sessions().await[0].tuple.transport, Transport::Tls);
    running.stop().await;
}
