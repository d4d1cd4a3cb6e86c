//! A TURN client over whatever a relay is reached by.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use confer_turn_core::client::{Ask, Client, Grant, Heard, channel_data};
use confer_turn_core::frame::stream_frame_length;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Far more than anything here takes; reached only when something hangs.
const PATIENCE: Duration = Duration::from_secs(20);
/// Loopback loses datagrams only when a buffer is full.
const REPEAT: Duration = Duration::from_secs(1);

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

enum Way {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>),
}

/// A client with its connection.
pub(crate) struct Caller {
    way: Way,
    client: Client,
}

impl Caller {
    pub(crate) async fn udp(server: SocketAddr, user: &str, password: &str) -> Self {
        let socket = UdpSocket::bind((LOOPBACK, 0)).await.expect("a free port");
        socket.connect(server).await.expect("loopback");
        Self { way: Way::Datagrams(socket), client: Client::new(user, password, rand::random()) }
    }

    pub(crate) async fn tcp(server: SocketAddr, user: &str, password: &str) -> Self {
        let stream = TcpStream::connect(server).await.expect("it listens");
        Self::over(stream, user, password)
    }

    /// Over a connection that somebody has begun already.
    pub(crate) fn over(stream: impl Stream + 'static, user: &str, password: &str) -> Self {
        let way = Way::Stream(Box::new(stream));
        Self { way, client: Client::new(user, password, rand::random()) }
    }

    /// Over TLS, with these names in ALPN; says which certificate was shown.
    pub(crate) async fn tls(
        server: SocketAddr,
        trusted: &[CertificateDer<'static>],
        alpn: &[&str],
        (user, password): (&str, &str),
    ) -> (Self, CertificateDer<'static>) {
        let stream = tls(server, trusted, alpn).await;
        let shown = stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone();
        let way = Way::Stream(Box::new(stream));
        (Self { way, client: Client::new(user, password, rand::random()) }, shown.into_owned())
    }

    async fn send(&mut self, frame: &[u8]) {
        match &mut self.way {
            Way::Datagrams(socket) => {
                socket.send(frame).await.expect("connected");
            }
            Way::Stream(stream) => {
                stream.write_all(frame).await.expect("connected");
                stream.flush().await.expect("connected");
            }
        }
    }

    async fn hear(&mut self) -> Vec<u8> {
        match &mut self.way {
            Way::Datagrams(socket) => {
                let mut frame = vec![0; 65_535];
                let length = socket.recv(&mut frame).await.expect("connected");
                frame.truncate(length);
                frame
            }
            Way::Stream(stream) => {
                let mut frame = vec![0; 4];
                stream.read_exact(&mut frame).await.expect("connected");
                let length = stream_frame_length(&frame);
                frame.resize(length.expect("TURN").expect("a whole header"), 0);
                stream.read_exact(&mut frame[4..]).await.expect("connected");
                frame
            }
        }
    }

    /// Asks until it is answered: what was granted, or the code of the refusal.
    pub(crate) async fn ask(&mut self, ask: Ask) -> Result<Grant, u16> {
        let asking = async {
            let mut packet = self.client.ask(ask);
            loop {
                self.send(&packet).await;
                let repeat = tokio::time::Instant::now() + REPEAT;
                while let Ok(heard) = tokio::time::timeout_at(repeat, self.hear()).await {
                    match self.client.hear(&heard) {
                        Heard::Granted(grant) => return Ok(grant),
                        Heard::Refused(code) => return Err(code),
                        Heard::Again(again) => {
                            packet = again;
                            break;
                        }
                        Heard::Data { .. } | Heard::Other => {}
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("an answer")
    }

    /// Allocates, and binds a channel to a peer.
    pub(crate) async fn reach(&mut self, peer: SocketAddr) -> Result<SocketAddr, u16> {
        let relayed = self.ask(Ask::Allocate).await?.relayed.expect("a relayed address");
        self.ask(Ask::Bind { channel: 0x4000, peer }).await?;
        Ok(relayed)
    }

    /// Whether a peer that sends everything back is reached.
    pub(crate) async fn echoes(&mut self, payload: &[u8]) -> bool {
        let padded = matches!(self.way, Way::Stream(_));
        let frame = channel_data(0x4000, payload, padded);
        self.send(&frame).await;
        let hearing = async {
            loop {
                let heard = self.hear().await;
                if let Heard::Data { payload: back, .. } = self.client.hear(&heard)
                    && back == payload
                {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, hearing).await.is_ok()
    }
}

/// A connection over TLS.
pub(crate) async fn tls(
    server: SocketAddr,
    trusted: &[CertificateDer<'static>],
    alpn: &[&str],
) -> TlsStream<TcpStream> {
    tls_over(TcpStream::connect(server).await.expect("it listens"), trusted, alpn).await
}

/// TLS on a connection that is there.
pub(crate) async fn tls_over<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    trusted: &[CertificateDer<'static>],
    alpn: &[&str],
) -> TlsStream<S> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate.clone()).expect("a certificate");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS has versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = "localhost".try_into().expect("a name");
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    connecting.await.expect("a trusted certificate")
}

/// Answers every datagram with itself.
pub(crate) async fn echo() -> SocketAddr {
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
