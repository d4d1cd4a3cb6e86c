//! DTLS to a relay (RFC 7350), by rtc-dtls in the client's role.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc_crypto::RTCCryptoProvider;
use rtc_crypto::providers::AwsLcRsProvider;
use rtc_dtls::config::{ConfigBuilder, HandshakeConfig};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_shared::TransportProtocol;
use rustls::pki_types::ServerName;
use tokio::net::UdpSocket;
use tokio::time::timeout_at;

use super::certificate::Judge;
use super::trouble::Trouble;
use super::trust::Trust;
use super::way::{DATAGRAM, Secured, Way};

/// The constant address under which the one association of an endpoint runs.
const REMOTE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
/// Datagrams of handshakes are at most this long without IP and UDP headers.
const MTU: usize = 1200;

/// An association with a relay.
pub(crate) struct Dtls {
    socket: UdpSocket,
    endpoint: Endpoint,
    frames: VecDeque<Vec<u8>>,
    open: bool,
}

/// DTLS over a socket that is connected.
pub(super) async fn secure(
    socket: UdpSocket,
    host: &str,
    trust: &Arc<Trust>,
    lenient: bool,
    patience: Duration,
) -> Result<Secured, Trouble> {
    let judge = Judge::new(trust, lenient);
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| Trouble::Handshake(format!("{host} is no name for TLS")))?;
    let config = config(&judge, host, name).map_err(Trouble::Handshake)?;
    let endpoint = Endpoint::new(REMOTE, TransportProtocol::UDP, None);
    let mut dtls = Dtls { socket, endpoint, frames: VecDeque::new(), open: false };
    let connecting = dtls.endpoint.connect(Instant::now(), REMOTE, config, None);
    connecting.map_err(|error| Trouble::Handshake(error.to_string()))?;
    let shaken = dtls.shake(Instant::now() + patience).await;
    // The verdict on the certificate says more than the alert that follows from it.
    shaken.map_err(|trouble| match judge.complaint() {
        Some(complaint) if !lenient => complaint,
        Some(_) | None => trouble,
    })?;
    let (shown, _) = judge.seen().unwrap_or_default();
    Ok(Secured { way: Way::Dtls(Box::new(dtls)), version: "DTLS 1.2", alpn: None, shown })
}

fn config(
    judge: &Arc<Judge>,
    host: &str,
    name: ServerName<'static>,
) -> Result<Arc<HandshakeConfig>, String> {
    let provider: Arc<dyn RTCCryptoProvider> = Arc::new(AwsLcRsProvider::new());
    let judge = Arc::clone(judge);
    let verify = move |chain: &[Vec<u8>], _: &[_]| {
        let judged = judge.judge(chain, &name);
        judged.map_err(|error| rtc_shared::error::Error::Other(error.to_string()))
    };
    let config = ConfigBuilder::default()
        .with_crypto_provider(provider)
        // The judge verifies; what it does not take ends the handshake.
        .with_insecure_skip_verify(true)
        .with_verify_peer_certificate(Some(Arc::new(verify)))
        .with_server_name(host.to_owned())
        .with_mtu(MTU)
        .build(true, None);
    config.map(Arc::new).map_err(|error| error.to_string())
}

impl Dtls {
    async fn shake(&mut self, deadline: Instant) -> Result<(), Trouble> {
        loop {
            self.flush().await?;
            if self.open {
                return Ok(());
            }
            let timer = self.endpoint.poll_timeout(&REMOTE).unwrap_or(deadline);
            match timeout_at(timer.min(deadline).into(), self.read()).await {
                Ok(read) => read?,
                Err(_) if Instant::now() >= deadline => return Err(Trouble::Silent),
                Err(_) => {
                    let repeated = self.endpoint.handle_timeout(REMOTE, Instant::now());
                    repeated.map_err(|_| Trouble::Silent)?;
                }
            }
        }
    }

    /// Takes one datagram.
    async fn read(&mut self) -> Result<(), Trouble> {
        let mut datagram = BytesMut::zeroed(DATAGRAM);
        let length = self.socket.recv(&mut datagram).await;
        datagram.truncate(length.map_err(|error| Trouble::from(&error))?);
        match self.endpoint.read(Instant::now(), REMOTE, None, datagram) {
            Ok(events) => {
                for event in events {
                    match event {
                        EndpointEvent::HandshakeComplete => self.open = true,
                        EndpointEvent::ApplicationData(frame) => {
                            self.frames.push_back(frame.to_vec());
                        }
                        EndpointEvent::PeerClosed => return Err(Trouble::Cut),
                        // The enum may grow; what is new there is nothing we asked for.
                        _ => {}
                    }
                }
                Ok(())
            }
            // After the handshake anybody who fakes an address could send what is not understood.
            Err(_) if self.open => Ok(()),
            Err(error) => {
                // The server is told why, if it can be.
                let _ = self.flush().await;
                Err(Trouble::Handshake(error.to_string()))
            }
        }
    }

    async fn flush(&mut self) -> Result<(), Trouble> {
        while let Some(transmit) = self.endpoint.poll_transmit() {
            let sent = self.socket.send(&transmit.message).await;
            sent.map_err(|error| Trouble::from(&error))?;
        }
        Ok(())
    }

    pub(super) async fn send(&mut self, frame: &[u8]) -> Result<(), Trouble> {
        let written = self.endpoint.write(Instant::now(), REMOTE, frame);
        written.map_err(|error| Trouble::System(error.to_string()))?;
        self.flush().await
    }

    /// The next frame. Nothing is lost when it is not waited for to the end.
    pub(super) async fn hear(&mut self) -> Result<Vec<u8>, Trouble> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Ok(frame);
            }
            self.read().await?;
            // A repeated flight of the server's is answered here.
            self.flush().await?;
        }
    }
}
