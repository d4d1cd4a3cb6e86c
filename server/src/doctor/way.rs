//! The ways to a relay: datagrams, streams, streams under TLS. Frames in, frames out.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use confer_turn_core::frame::stream_frame_length;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, ProtocolVersion};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate::{Judge, Shown, provider};
use super::dtls::Dtls;
use super::trouble::{Language, Trouble};
use super::trust::Trust;
use crate::http::tls::ALPN_TURN;

/// The longest datagram.
pub(super) const DATAGRAM: usize = 65_535;
/// How long a service that is no relay gets to betray itself.
const BETRAYAL: Duration = Duration::from_secs(1);
/// Bytes by which something else than TURN is known.
const BETRAYING: usize = 5;

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection to a relay.
pub(crate) enum Way {
    Datagrams(UdpSocket),
    /// With what was read beyond the last frame.
    Stream(Box<dyn Stream>, VecDeque<u8>),
    Dtls(Box<Dtls>),
}

/// How TLS is begun.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Whether `stun.turn` is offered (RFC 7443).
    pub(crate) alpn: bool,
    /// Whether certificates are taken that prove nothing.
    pub(crate) lenient: bool,
}

/// What a handshake came to.
pub(crate) struct Secured {
    pub(crate) way: Way,
    pub(crate) version: &'static str,
    pub(crate) alpn: Option<String>,
    pub(crate) shown: Shown,
}

/// A socket for datagrams to an address and from nowhere else.
pub(crate) async fn datagrams(to: SocketAddr) -> Result<(UdpSocket, SocketAddr), Trouble> {
    let any = match to {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let open = async {
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(to).await?;
        let own = socket.local_addr()?;
        Ok((socket, own))
    };
    open.await.map_err(|error: std::io::Error| Trouble::from(&error))
}

/// A TCP connection.
pub(crate) async fn connect(
    to: SocketAddr,
    patience: Duration,
) -> Result<(TcpStream, SocketAddr), Trouble> {
    let connecting = async {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        let own = stream.local_addr()?;
        Ok((stream, own))
    };
    match timeout(patience, connecting).await {
        Ok(connected) => connected.map_err(|error: std::io::Error| Trouble::from(&error)),
        Err(_) => Err(Trouble::NoConnection),
    }
}

/// TLS on a TCP connection.
pub(crate) async fn secure(
    stream: TcpStream,
    host: &str,
    trust: &Arc<Trust>,
    manner: Manner,
    patience: Duration,
) -> Result<Secured, Trouble> {
    let judge = Judge::new(trust, manner.lenient);
    let name = ServerName::try_from(host.to_owned());
    let name = name.map_err(|_| Trouble::Handshake(format!("{host} is no name for TLS")))?;
    let builder =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let mut config = builder
        .map_err(|error| Trouble::Handshake(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::<Judge>::clone(&judge))
        .with_no_client_auth();
    if manner.alpn {
        config.alpn_protocols = vec![ALPN_TURN.to_vec()];
    }
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let secured = match timeout(patience, connecting).await {
        Ok(Ok(secured)) => secured,
        Ok(Err(error)) => return Err(failed(&error, &judge)),
        Err(_) => return Err(Trouble::Silent),
    };
    Ok(described(secured, &judge))
}

fn described(secured: TlsStream<TcpStream>, judge: &Judge) -> Secured {
    let (_, session) = secured.get_ref();
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(_) | None => "TLS",
    };
    let alpn = session.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
    // A session always shows a certificate; without client authentication there is no other.
    let (shown, _) = judge.seen().unwrap_or_default();
    Secured { way: Way::Stream(Box::new(secured), VecDeque::new()), version, alpn, shown }
}

fn failed(error: &std::io::Error, judge: &Judge) -> Trouble {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(_)) => {
            judge.complaint().unwrap_or_else(|| Trouble::Handshake(error.to_string()))
        }
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            Trouble::AlpnRefused
        }
        // The first byte is of no record: whatever this is, it is not TLS.
        Some(rustls::Error::InvalidMessage(_)) => Trouble::Speaks(Language::Unknown),
        Some(other) => Trouble::Handshake(other.to_string()),
        None => Trouble::from(error),
    }
}

impl Way {
    pub(crate) fn stream(stream: TcpStream) -> Self {
        Self::Stream(Box::new(stream), VecDeque::new())
    }

    pub(crate) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(..))
    }

    pub(crate) async fn send(&mut self, frame: &[u8]) -> Result<(), Trouble> {
        let sent = match self {
            Self::Datagrams(socket) => socket.send(frame).await.map(|_| ()),
            Self::Dtls(dtls) => return dtls.send(frame).await,
            Self::Stream(stream, _) => match stream.write_all(frame).await {
                Ok(()) => stream.flush().await,
                Err(error) => Err(error),
            },
        };
        sent.map_err(|error| Trouble::from(&error))
    }

    /// The next frame. Nothing is lost when it is not waited for to the end.
    pub(crate) async fn hear(&mut self) -> Result<Vec<u8>, Trouble> {
        match self {
            Self::Datagrams(socket) => {
                let mut frame = vec![0; DATAGRAM];
                let length = socket.recv(&mut frame).await;
                frame.truncate(length.map_err(|error| Trouble::from(&error))?);
                Ok(frame)
            }
            Self::Dtls(dtls) => dtls.hear().await,
            Self::Stream(stream, read) => loop {
                if let Some(frame) = take_frame(read)? {
                    return Ok(frame);
                }
                let mut chunk = [0; 4096];
                match stream.read(&mut chunk).await {
                    Ok(0) => return Err(Trouble::Cut),
                    Ok(length) => read.extend(&chunk[..length]),
                    Err(error) => return Err(Trouble::from(&error)),
                }
            },
        }
    }

    /// Says something that other services answer sooner than they do TURN, and hears which it is.
    pub(crate) async fn betrayed(&mut self) -> Option<Language> {
        let Self::Stream(stream, read) = self else { return None };
        stream.write_all(b"\r\n\r\n").await.ok()?;
        stream.flush().await.ok()?;
        let mut chunk = [0; 64];
        let length = timeout(BETRAYAL, stream.read(&mut chunk)).await.ok()?.ok()?;
        read.extend(&chunk[..length]);
        (!read.is_empty()).then(|| Language::of(read.make_contiguous()))
    }
}

/// Takes a whole frame out of what was read.
///
/// Letters are numbers of channels as well, but of none that is bound here.
fn take_frame(read: &mut VecDeque<u8>) -> Result<Option<Vec<u8>>, Trouble> {
    if read.len() >= BETRAYING && !matches!(read.front(), Some(0..=3 | 0x40)) {
        return Err(Trouble::Speaks(Language::of(read.make_contiguous())));
    }
    let length = match stream_frame_length(read.make_contiguous()) {
        Ok(Some(length)) => length,
        Ok(None) => return Ok(None),
        Err(_) => return Err(Trouble::Speaks(Language::of(read.make_contiguous()))),
    };
    Ok((read.len() >= length).then(|| read.drain(..length).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_out_of_a_stream_and_what_is_no_frame_is_told() {
        let mut read = VecDeque::from(vec![0x40, 0, 0, 3, b'a', b'b']);
        assert_eq!(take_frame(&mut read), Ok(None));
        read.extend([b'c', 0, 0x40]);
        assert_eq!(take_frame(&mut read), Ok(Some(vec![0x40, 0, 0, 3, b'a', b'b', b'c', 0])));
        assert_eq!(take_frame(&mut read), Ok(None));
        let mut read = VecDeque::from(b"HTTP/1.1 400".to_vec());
        assert_eq!(take_frame(&mut read), Err(Trouble::Speaks(Language::Http)));
    }
}
