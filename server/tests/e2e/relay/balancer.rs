//! A load balancer in front of the shared port, which says by the PROXY protocol (version 2) where
//! clients come from.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use confer_turn_core::client::Ask;
use confer_turn_core::credentials::ephemeral_password;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::client::{Caller, tls_over};
use super::{Alone, SECRET, USER, certificate, http};

/// haproxy's proxy-protocol.txt, section 2.2.
fn header(client: Ipv4Addr) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend(client.octets());
    header.extend([203, 0, 113, 1]);
    header.extend(4000u16.to_be_bytes());
    header.extend(443u16.to_be_bytes());
    header
}

/// What is answered to a connection that begins so and then asks for the metrics.
async fn metrics(server: SocketAddr, begin: &[u8]) -> String {
    let mut stream = TcpStream::connect(server).await.expect("it listens");
    let request = b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(&[begin, request].concat()).await.expect("connected");
    let mut answer = Vec::new();
    // A connection that is closed at once may have been reset.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_behind_a_load_balancer_keep_their_addresses() {
    let mut alone = Alone::new(&["--set=http.proxy-protocol=127.0.0.0/8"]);
    let confer = alone.setup.start();
    let server = http(&confer);
    let away = Ipv4Addr::new(198, 51, 100, 9);

    // Metrics are for this machine only, whoever passes the request on.
    let here = metrics(server, &header(Ipv4Addr::LOCALHOST)).await;
    assert!(here.starts_with("HTTP/1.1 200"), "{here}");
    let elsewhere = metrics(server, &header(away)).await;
    assert!(elsewhere.starts_with("HTTP/1.1 403"), "{elsewhere}");
    assert_eq!(metrics(server, &[]).await, "", "a header is required of who is listed");

    let mut stream = TcpStream::connect(server).await.expect("it listens");
    stream.write_all(&header(away)).await.expect("connected");
    let mut caller = Caller::over(stream, USER, &ephemeral_password(SECRET, USER));
    let granted = caller.ask(Ask::Allocate).await.expect("an allocation");
    assert_eq!(granted.mapped, Some(SocketAddrV4::new(away, 4000).into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_comes_before_tls_and_is_believed_of_nobody_else() {
    let listed = "--set=http.proxy-protocol=127.0.0.9/32";
    let mut alone = Alone::new(&["--tls=self-signed", listed]);
    let confer = alone.setup.start();
    let server = http(&confer);
    let shown = [certificate(&alone.setup.data_dir().join("tls/self-signed.crt"))];
    let (away, password) = (Ipv4Addr::new(198, 51, 100, 9), ephemeral_password(SECRET, USER));

    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.9:0".parse().expect("a literal")).expect("all of 127.0.0.0/8 is ours");
    let mut balanced = socket.connect(server).await.expect("it listens");
    balanced.write_all(&header(away)).await.expect("connected");
    let inside = tls_over(balanced, &shown, &["stun.turn"]).await;
    let granted = Caller::over(inside, USER, &password).ask(Ask::Allocate).await;
    let mapped = granted.expect("an allocation").mapped;
    assert_eq!(mapped, Some(SocketAddrV4::new(away, 4000).into()));

    let mut pretending = TcpStream::connect(server).await.expect("it listens");
    pretending.write_all(&header(away)).await.expect("connected");
    let mut answer = Vec::new();
    let _ = pretending.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(&[1]), "no answer of a relay: {answer:?}");
    let mut direct = Caller::tcp(server, USER, &password).await;
    let mapped = direct.ask(Ask::Allocate).await.expect("an allocation").mapped;
    assert_eq!(mapped.map(|mapped| mapped.ip().to_string()).as_deref(), Some("127.0.0.1"));
}
