//! The relay against turn-client-proto, which knows RFC 8656, RFC 6062 and of RFC 8489 what few
//! clients do: SHA-256 and USERHASH.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant as Began;

use confer_turn_core::{Credentials, PeerPolicy, Tenant};
use confer_turn_net::{Running, TurnHandle};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use turn_client_proto::api::{
    TransmitBuild, TurnClientApi, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet,
};
use turn_client_proto::stun::Instant;
use turn_client_proto::stun::agent::Transmit;
use turn_client_proto::stun::auth::Feature;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::prelude::DelayedTransmitBuild;
use turn_client_proto::types::stun::message::IntegrityAlgorithm;
use turn_client_proto::types::{AddressFamily, TransportType, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

use crate::support::{PATIENCE, REALM, V4, V6, echo, relay};

const NAME: &str = "wilma";
const PASSWORD: &str = "yabba dabba doo";

/// Static users, because only their names can be hashed.
async fn relay_of_users() -> (TurnHandle, Running) {
    relay(|config| {
        let allowed = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a literal"));
        config.core.credentials = Credentials::new(vec![Tenant {
            realm: REALM.to_owned(),
            users: [(NAME.to_owned(), PASSWORD.to_owned())].into(),
            policy: PeerPolicy { allowed: allowed.to_vec(), ..PeerPolicy::default() },
            ..Tenant::default()
        }]);
    })
    .await
}

fn config() -> TurnConfig {
    TurnConfig::new(TurnCredentials::new(NAME, PASSWORD))
}

enum Socket {
    Datagrams(UdpSocket),
    Stream(TcpStream),
}

impl Socket {
    async fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Datagrams(socket) => drop(socket.send(bytes).await.expect("connected")),
            Self::Stream(stream) => stream.write_all(bytes).await.expect("connected"),
        }
    }

    /// What is there already.
    fn take(&self) -> Option<Vec<u8>> {
        let mut bytes = vec![0; 65_535];
        let read = match self {
            Self::Datagrams(socket) => socket.try_recv(&mut bytes),
            Self::Stream(stream) => stream.try_read(&mut bytes),
        };
        bytes.truncate(read.ok().filter(|length| *length > 0)?);
        Some(bytes)
    }
}

/// What a client does that somebody may wait for.
#[derive(Debug)]
enum News {
    Event(TurnEvent),
    Data(SocketAddr, Vec<u8>),
}

/// A client and the sockets it believes to have, by their own addresses.
struct Driven<C> {
    client: C,
    transport: TransportType,
    server: SocketAddr,
    sockets: BTreeMap<SocketAddr, Socket>,
    began: Began,
}

impl Driven<TurnClientUdp> {
    async fn over_udp(server: SocketAddr, config: TurnConfig) -> Self {
        let socket = UdpSocket::bind((server.ip(), 0)).await.expect("a free port");
        socket.connect(server).await.expect("loopback");
        let local = socket.local_addr().expect("it is bound");
        let client = TurnClientUdp::allocate(local, server, config);
        let sockets = [(local, Socket::Datagrams(socket))].into();
        Self { client, transport: TransportType::Udp, server, sockets, began: Began::now() }
    }
}

impl Driven<TurnClientTcp> {
    async fn over_tcp(server: SocketAddr, config: TurnConfig) -> Self {
        let stream = TcpStream::connect(server).await.expect("it listens");
        let local = stream.local_addr().expect("connected");
        let client = TurnClientTcp::allocate(local, server, config);
        let sockets = [(local, Socket::Stream(stream))].into();
        Self { client, transport: TransportType::Tcp, server, sockets, began: Began::now() }
    }
}

impl<C: TurnClientApi> Driven<C> {
    fn now(&self) -> Instant {
        Instant::from_std(self.began)
    }

    /// Turns the client until something happens.
    async fn news(&mut self) -> News {
        let turning = async {
            loop {
                if let Some(news) = self.turn().await {
                    return news;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, turning).await.expect("something happens")
    }

    async fn turn(&mut self) -> Option<News> {
        let now = self.now();
        let poll = self.client.poll(now);
        if let TurnPollRet::AllocateTcpSocket { id, socket, peer_addr } = poll {
            let stream = TcpStream::connect(socket.to).await.expect("it listens");
            let local = stream.local_addr().expect("connected");
            self.sockets.insert(local, Socket::Stream(stream));
            let told = self.client.allocated_tcp_socket(id, socket, peer_addr, Some(local), now);
            told.expect("it was asked for");
        }
        while let Some(transmit) = self.client.poll_transmit(now) {
            let socket = self.sockets.get_mut(&transmit.from).expect("one of ours");
            socket.send(&transmit.data).await;
        }
        if let Some(event) = self.client.poll_event() {
            return Some(News::Event(event));
        }
        if let Some(data) = self.client.poll_recv(now) {
            return Some(News::Data(data.peer, data.data().to_vec()));
        }
        for (local, socket) in &self.sockets {
            let Some(bytes) = socket.take() else { continue };
            let received = Transmit::new(bytes, self.transport, self.server, *local);
            return match self.client.recv(received, now) {
                TurnRecvRet::PeerData(data) => Some(News::Data(data.peer, data.data().to_vec())),
                TurnRecvRet::Handled => None,
                other => panic!("not from the relay: {other:?}"),
            };
        }
        None
    }

    async fn event(&mut self) -> TurnEvent {
        match self.news().await {
            News::Event(event) => event,
            News::Data(peer, _) => panic!("data of {peer}"),
        }
    }

    async fn allocated(&mut self) -> SocketAddr {
        match self.event().await {
            TurnEvent::AllocationCreated(_, relayed) => relayed,
            other => panic!("no allocation: {other:?}"),
        }
    }

    async fn permit(&mut self, transport: TransportType, peer: SocketAddr) {
        let now = self.now();
        self.client.create_permission(transport, peer.ip(), now).expect("an allocation");
        let event = self.event().await;
        assert!(matches!(event, TurnEvent::PermissionCreated(..)), "{event:?}");
    }

    async fn send(&mut self, transport: TransportType, peer: SocketAddr, data: &[u8]) {
        let now = self.now();
        let built: Option<TransmitBuild<_>> =
            self.client.send_to(transport, peer, data.to_vec(), now).expect("a permission");
        if let Some(transmit) = built {
            let socket = self.sockets.get_mut(&transmit.from).expect("one of ours");
            socket.send(&transmit.data.build()).await;
        }
    }

    async fn echoes(&mut self, peer: SocketAddr, data: &[u8]) {
        self.send(TransportType::Udp, peer, data).await;
        let news = self.news().await;
        assert!(matches!(&news, News::Data(from, heard) if *from == peer && heard == data));
    }

    /// Permissions, indications and a channel, to an echo.
    async fn relays(&mut self) {
        let relayed = self.allocated().await;
        let peer = echo(relayed.ip()).await;
        self.permit(TransportType::Udp, peer).await;
        self.echoes(peer, b"in an indication").await;
        let now = self.now();
        self.client.bind_channel(TransportType::Udp, peer, now).expect("an allocation");
        let event = self.event().await;
        assert!(matches!(event, TurnEvent::ChannelCreated(..)), "{event:?}");
        // It knows no padding, which streams need (RFC 8656, section 12.5).
        let shortest = if self.transport == TransportType::Udp { 1 } else { 4 };
        for length in [shortest, 1_200] {
            self.echoes(peer, &vec![7; length]).await;
        }
    }
}

#[tokio::test]
async fn an_independent_client_relays_with_every_proof_it_knows() {
    let (handle, running) = relay_of_users().await;
    let server = handle.listening()[0];
    for integrity in [IntegrityAlgorithm::Sha1, IntegrityAlgorithm::Sha256] {
        for anonymous in [Feature::Disabled, Feature::Auto, Feature::Required] {
            let mut config = config();
            config.set_supported_integrity(integrity);
            config.set_anonymous_username(anonymous);
            Driven::over_udp(server, config.clone()).await.relays().await;
            Driven::over_tcp(server, config).await.relays().await;
        }
    }
    assert_eq!(handle.stats().allocations_total, 12);
    running.stop().await;
}

#[tokio::test]
async fn an_independent_client_relays_over_both_families_at_once() {
    let (handle, running) = relay_of_users().await;
    for server in [handle.listening()[0], handle.listening()[1]] {
        let mut config = config();
        config.add_address_family(AddressFamily::IPV6);
        let mut client = Driven::over_udp(server, config).await;
        let mut relayed = [client.allocated().await, client.allocated().await];
        relayed.sort();
        assert_eq!(relayed.map(|address| address.ip()), [V4, V6]);
        for ip in [V4, V6] {
            let peer = echo(ip).await;
            client.permit(TransportType::Udp, peer).await;
            client.echoes(peer, b"either way").await;
        }
    }
    running.stop().await;
}

#[tokio::test]
async fn an_independent_client_connects_to_a_peer_over_tcp() {
    let (handle, running) = relay_of_users().await;
    let mut config = config();
    config.set_allocation_transport(TransportType::Tcp);
    let mut client = Driven::over_tcp(handle.listening()[0], config).await;
    client.allocated().await;
    let listener = TcpListener::bind((V4, 0)).await.expect("a free port");
    let peer = listener.local_addr().expect("it is bound");
    client.permit(TransportType::Tcp, peer).await;
    let now = client.now();
    client.client.tcp_connect(peer, now).expect("a permission");
    let event = client.event().await;
    assert!(matches!(event, TurnEvent::TcpConnected(to) if to == peer), "{event:?}");
    let (accepted, _) = listener.accept().await.expect("it listens");
    let mut accepted = Socket::Stream(accepted);

    client.send(TransportType::Tcp, peer, b"to the peer").await;
    let heard = loop {
        match accepted.take() {
            Some(heard) => break heard,
            None => tokio::task::yield_now().await,
        }
    };
    assert_eq!(heard, b"to the peer");
    accepted.send(b"to the client").await;
    let News::Data(from, heard) = client.news().await else { panic!("not data") };
    assert_eq!((from, heard.as_slice()), (peer, &b"to the client"[..]));
    running.stop().await;
}
