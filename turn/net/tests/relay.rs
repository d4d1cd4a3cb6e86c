//! The relay on real sockets, against a client that nobody here wrote.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use confer_turn_core::credentials::ephemeral_password;
use confer_turn_core::integrity::{Algorithm, Key, PasswordAlgorithm};
use confer_turn_core::message::{Class, Message, Method, Writer, attribute};
use confer_turn_core::{Credentials, PeerPolicy, Tenant};
use confer_turn_net::{Config, Listener, RelayAddress, Running, TurnHandle, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use turn::client::{Client, ClientConfig};
use webrtc_util::Conn;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const REALM: &str = "confer.test";
const SECRET: &str = "s3cr3t";
const USER: &str = "4000000000:alice";
/// Far more than anything here takes; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);

async fn relay(policy: PeerPolicy) -> (TurnHandle, Running) {
    let config = Config {
        listen: vec![Listener::plain(SocketAddr::new(LOOPBACK, 0))],
        relay: vec![RelayAddress { bind: LOOPBACK, external: LOOPBACK }],
        relay_ports: 40_000..=59_999,
        core: confer_turn_core::Config {
            credentials: Credentials::new(vec![Tenant {
                name: "default".to_owned(),
                realm: REALM.to_owned(),
                secrets: vec![SECRET.to_owned()],
                policy,
                ..Tenant::default()
            }]),
            nonce_secret: vec![7; 32],
            ..confer_turn_core::Config::default()
        },
        unix_time: || 1_000_000_000,
        ..Config::default()
    };
    start(config).await.expect("loopback has free ports")
}

fn loopback_allowed() -> PeerPolicy {
    let allowed = vec!["127.0.0.0/8".parse().expect("a literal")];
    PeerPolicy { allowed, ..PeerPolicy::default() }
}

/// Answers every datagram with itself.
async fn echo() -> SocketAddr {
    let socket = UdpSocket::bind((LOOPBACK, 0)).await.expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], from).await;
        }
    });
    address
}

async fn turn_client(handle: &TurnHandle, password: String) -> Client {
    let socket = UdpSocket::bind((LOOPBACK, 0)).await.expect("a free port");
    let server = handle.listening()[0].to_string();
    let config = ClientConfig {
        stun_serv_addr: server.clone(),
        turn_serv_addr: server,
        username: USER.to_owned(),
        password,
        realm: REALM.to_owned(),
        software: String::new(),
        rto_in_ms: 0,
        conn: Arc::new(socket),
        vnet: None,
    };
    let client = Client::new(config).await.expect("a well-formed configuration");
    client.listen().await.expect("the socket is bound");
    client
}

#[tokio::test]
async fn an_independent_client_reaches_a_peer_through_the_relay() {
    let (handle, running) = relay(loopback_allowed()).await;
    let peer = echo().await;
    let client = turn_client(&handle, ephemeral_password(SECRET, USER)).await;
    let relayed = client.allocate().await.expect("good credentials");

    let mut buffer = [0; 2048];
    for round in 0..20u8 {
        let sent = vec![round; 1200];
        relayed.send_to(&sent, peer).await.expect("the peer is permitted");
        let received = tokio::time::timeout(PATIENCE, relayed.recv_from(&mut buffer)).await;
        let (length, from) = received.expect("an echo").expect("the relay is up");
        assert_eq!((&buffer[..length], from), (&sent[..], peer));
    }
    assert_eq!(handle.stats().allocations, 1);
    assert!(handle.stats().relayed_packets >= 40);

    handle.kick("alice").await;
    while handle.stats().allocations != 0 {
        tokio::task::yield_now().await;
    }
    running.stop().await;
}

#[tokio::test]
async fn a_wrong_password_gets_no_relayed_address() {
    let (handle, running) = relay(loopback_allowed()).await;
    let client = turn_client(&handle, "guess".to_owned()).await;
    let Err(refused) = client.allocate().await else { panic!("an allocation was made") };
    assert!(
        refused.to_string().contains("401") || refused.to_string().contains("Unauth"),
        "{refused}"
    );
    assert_eq!(handle.stats().allocations_total, 0);
    running.stop().await;
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (handle, running) = relay(PeerPolicy::default()).await;
    let listen = handle.listening().iter().map(|address| Listener::plain(*address)).collect();
    let config = Config { listen, ..Config::default() };
    let error = start(config).await.map(|_| ()).expect_err("the port is taken").to_string();
    assert!(error.contains(&handle.listening()[0].to_string()), "{error}");
    running.stop().await;
}

/// A client over TCP, with just enough of the protocol.
struct TcpClient {
    stream: TcpStream,
    nonce: Vec<u8>,
    key: Key,
}

impl TcpClient {
    async fn connect(handle: &TurnHandle) -> Self {
        let stream = TcpStream::connect(handle.listening()[0]).await.expect("it listens");
        let password = ephemeral_password(SECRET, USER);
        let key = PasswordAlgorithm::Md5.key(USER, REALM, &password, Algorithm::Sha1);
        Self { stream, nonce: Vec::new(), key }
    }

    /// Sends a request in two halves, so that the server must put it together.
    async fn request(&mut self, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut packet = Vec::new();
        let mut writer = Writer::begin(&mut packet, Class::Request, method, &[5; 12]);
        fill(&mut writer);
        if !self.nonce.is_empty() {
            writer
                .bytes(attribute::USERNAME, USER.as_bytes())
                .bytes(attribute::REALM, REALM.as_bytes())
                .bytes(attribute::NONCE, &self.nonce)
                .integrity(&self.key);
        }
        let (first, second) = packet.split_at(packet.len() / 2);
        self.stream.write_all(first).await.expect("connected");
        self.stream.flush().await.expect("connected");
        self.stream.write_all(second).await.expect("connected");
        self.frame().await
    }

    async fn frame(&mut self) -> Vec<u8> {
        let mut frame = vec![0; 4];
        let reading = async {
            self.stream.read_exact(&mut frame).await.expect("connected");
            let length = confer_turn_core::frame::stream_frame_length(&frame);
            frame.resize(length.expect("TURN").expect("a whole header"), 0);
            self.stream.read_exact(&mut frame[4..]).await.expect("connected");
        };
        tokio::time::timeout(PATIENCE, reading).await.expect("an answer");
        frame
    }
}

fn find(reply: &[u8], wanted: u16) -> Option<Vec<u8>> {
    let message = Message::read(reply).expect("whole messages");
    message.attributes().find(|(_, kind, _)| *kind == wanted).map(|(_, _, value)| value.to_vec())
}

#[tokio::test]
async fn a_client_over_tcp_relays_over_udp() {
    let (handle, running) = relay(loopback_allowed()).await;
    let peer = echo().await;
    let mut client = TcpClient::connect(&handle).await;
    let udp = |writer: &mut Writer<'_>| {
        writer.number(attribute::REQUESTED_TRANSPORT, 17 << 24);
    };
    let challenge = client.request(Method::Allocate, udp).await;
    client.nonce = find(&challenge, attribute::NONCE).expect("a challenge");
    let allocated = client.request(Method::Allocate, udp).await;
    assert!(find(&allocated, attribute::XOR_RELAYED_ADDRESS).is_some());
    let bound = client
        .request(Method::ChannelBind, |writer| {
            writer
                .number(attribute::CHANNEL_NUMBER, 0x4000 << 16)
                .address(attribute::XOR_PEER_ADDRESS, peer);
        })
        .await;
    assert_eq!(find(&bound, attribute::ERROR_CODE), None);

    client.stream.write_all(&[0x40, 0, 0, 3, b'a', b'b', b'c', 0]).await.expect("connected");
    assert_eq!(client.frame().await, [0x40, 0, 0, 3, b'a', b'b', b'c', 0]);

    drop(client);
    while handle.stats().allocations != 0 {
        tokio::task::yield_now().await;
    }
    running.stop().await;
}
