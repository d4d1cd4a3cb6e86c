//! A client's side of DTLS, which trusts whom it meets.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_dtls::config::ConfigBuilder;
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;
use tokio::net::UdpSocket;

/// How long an answer may take before what was said last is said again.
const REPEAT: Duration = Duration::from_millis(500);

pub(crate) struct Secured {
    socket: UdpSocket,
    endpoint: Endpoint,
    server: SocketAddr,
    heard: VecDeque<Vec<u8>>,
    open: bool,
    /// What was said last.
    flight: Vec<BytesMut>,
    pub(crate) closed: bool,
}

impl Secured {
    /// What sends the first hello, and nothing more.
    pub(crate) async fn begin(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((server.ip(), 0)).await.expect("a free port");
        Self::begin_on(socket, server).await
    }

    pub(crate) async fn begin_on(socket: UdpSocket, server: SocketAddr) -> Self {
        socket.connect(server).await.expect("loopback");
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::new(AwsLcRsProvider::new()))
            .with_insecure_skip_verify(true)
            .build(true, Some(server))
            .expect("a good configuration");
        let local = socket.local_addr().expect("it is bound");
        let mut endpoint = Endpoint::new(local, TransportProtocol::UDP, None);
        let connecting = endpoint.connect(Instant::now(), server, Arc::new(config), None);
        connecting.expect("a port to connect to");
        let mut begun = Self {
            socket,
            endpoint,
            server,
            heard: VecDeque::new(),
            open: false,
            flight: Vec::new(),
            closed: false,
        };
        begun.flush().await;
        begun
    }

    pub(crate) async fn connect(server: SocketAddr) -> Self {
        Self::begin(server).await.finish().await
    }

    /// Completes the handshake.
    pub(crate) async fn finish(self) -> Self {
        let mut connecting = self;
        while !connecting.open {
            // What the network lost is said again, as RFC 6347, section 4.2.4, wants.
            if tokio::time::timeout(REPEAT, connecting.read()).await.is_err() {
                for datagram in &connecting.flight {
                    connecting.socket.send(datagram).await.expect("connected");
                }
            }
        }
        connecting
    }

    /// Shows the cookie it is asked for, and says nothing more.
    pub(crate) async fn show(mut self) -> Self {
        self.read().await;
        self
    }

    /// Goes away without a word once the server has answered.
    pub(crate) async fn abandon(self) -> UdpSocket {
        self.socket.recv(&mut [0; 2048]).await.expect("connected");
        self.socket
    }

    /// Says goodbye and goes away.
    pub(crate) async fn leave(mut self) {
        self.endpoint.close(Instant::now()).expect("it is open");
        self.flush().await;
    }

    /// Goes away without a word.
    pub(crate) fn crash(self) -> UdpSocket {
        self.socket
    }

    pub(crate) async fn send(&mut self, frame: &[u8]) {
        self.endpoint.write(Instant::now(), self.server, frame).expect("it is open");
        self.flush().await;
    }

    /// The next frame, or nothing when the server has said goodbye.
    pub(crate) async fn hear(&mut self) -> Option<Vec<u8>> {
        while self.heard.is_empty() && !self.closed {
            self.read().await;
        }
        self.heard.pop_front()
    }

    async fn read(&mut self) {
        let mut datagram = vec![0; 65_535];
        let length = self.socket.recv(&mut datagram).await.expect("connected");
        let datagram = BytesMut::from(&datagram[..length]);
        let events = self.endpoint.read(Instant::now(), self.server, None, datagram);
        for event in events.expect("well formed") {
            match event {
                EndpointEvent::HandshakeComplete => self.open = true,
                EndpointEvent::ApplicationData(frame) => self.heard.push_back(frame.to_vec()),
                EndpointEvent::PeerClosed => self.closed = true,
                _ => {}
            }
        }
        self.flush().await;
    }

    async fn flush(&mut self) {
        let transmits = std::iter::from_fn(|| self.endpoint.poll_transmit());
        let flight: Vec<BytesMut> = transmits.map(|transmit| transmit.message).collect();
        for datagram in &flight {
            self.socket.send(datagram).await.expect("connected");
        }
        if !flight.is_empty() {
            self.flight = flight;
        }
    }
}
