//! Connections: accepted within a limit, encrypted if asked for, read with patience but not for
//! ever, and told when the server stops.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use confer_turn_net::proxy::{self, Way};
use confer_turn_net::{Transport, TurnHandle};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use super::client_addr::client_addr;
use super::first_byte::{Rewound, Spoken, first_byte};
use super::tls::ALPN_TURN;

/// Head buffer of a connection. Tokens and cookies fit; hyper's default is 400 KiB.
const READ_BUFFER_BYTES: usize = 32 * 1024;
/// Pause after the system had no file descriptor left, in which some may be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How connections are treated.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) tls: Option<TlsAcceptor>,
    /// The relay that shares the port.
    pub(crate) turn: Option<TurnHandle>,
    pub(crate) header_timeout: Duration,
    pub(crate) max_connections: usize,
    pub(crate) trusted_proxies: Arc<[IpNet]>,
    /// Who begins connections with a PROXY header.
    pub(crate) proxy_protocol: Arc<[IpNet]>,
}

/// The address of the socket's other end, which may be a proxy's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerAddr(pub(crate) SocketAddr);

/// Accepts until `stop`, then lets answers finish. The caller bounds how long that may take.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    terms: Terms,
    stop: CancellationToken,
) {
    let permits = Arc::new(Semaphore::new(terms.max_connections));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &permits) => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                let served = connection(stream, peer, router.clone(), terms.clone(), stop.clone());
                connections.spawn(served);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(Counted<TcpStream>, SocketAddr)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((Counted { stream, _permit: permit }, peer))
}

async fn connection(
    stream: Counted<TcpStream>,
    peer: SocketAddr,
    router: Router,
    terms: Terms,
    stop: CancellationToken,
) {
    // Answers are small and wait for nobody; a failure here only costs latency.
    let _ = stream.stream.set_nodelay(true);
    let greeted = tokio::time::timeout(terms.header_timeout, greet(stream, peer, &terms));
    match greeted.await {
        Ok(Ok((Greeted::Plain(stream), client))) => {
            answer(stream, client, router, terms, stop).await;
        }
        Ok(Ok((Greeted::Encrypted(stream), client))) => {
            answer(stream, client, router, terms, stop).await;
        }
        Ok(Ok((Greeted::Relay, _))) => {}
        Ok(Err(error)) => tracing::debug!(%error, %peer, "a connection failed at its beginning"),
        Err(_) => tracing::debug!(%peer, "a connection took too long to begin"),
    }
}

/// What a connection turned out to be.
enum Greeted {
    Plain(Counted<TcpStream>),
    Encrypted(Box<Rewound<TlsStream<Counted<TcpStream>>>>),
    /// It is the relay's now.
    Relay,
}

/// Finds out where a connection comes from and what it speaks.
async fn greet(
    mut stream: Counted<TcpStream>,
    peer: SocketAddr,
    terms: &Terms,
) -> io::Result<(Greeted, SocketAddr)> {
    let mut way = (peer, stream.stream.local_addr()?);
    let from = peer.ip().to_canonical();
    if terms.proxy_protocol.iter().any(|net| net.contains(&from)) {
        let told = proxy::read(&mut stream).await.map_err(io::Error::other)?;
        way = told.unwrap_or(way);
    }
    Ok((recognise(stream, way, terms).await?, way.0))
}

/// By the first byte, and by what TLS agreed on.
async fn recognise(stream: Counted<TcpStream>, way: Way, terms: &Terms) -> io::Result<Greeted> {
    if terms.turn.is_none() && terms.tls.is_none() {
        return Ok(Greeted::Plain(stream));
    }
    let mut first = [0];
    if stream.stream.peek(&mut first).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match (first_byte(first[0]), &terms.turn, &terms.tls) {
        (Spoken::Turn, Some(relay), _) => {
            relay.adopt(stream, way, Transport::Tcp, Vec::new());
            Ok(Greeted::Relay)
        }
        (_, _, None) => Ok(Greeted::Plain(stream)),
        (_, _, Some(acceptor)) => encrypted(acceptor.accept(stream).await?, way, terms).await,
    }
}

async fn encrypted(
    mut stream: TlsStream<Counted<TcpStream>>,
    way: Way,
    terms: &Terms,
) -> io::Result<Greeted> {
    let Some(relay) = &terms.turn else {
        return Ok(Greeted::Encrypted(Box::new(Rewound::new(stream, None))));
    };
    let named = stream.get_ref().1.alpn_protocol() == Some(ALPN_TURN);
    // Browsers name no protocol when they reach for a relay.
    let mut first = [0];
    let read = if named { 0 } else { stream.read(&mut first).await? };
    if named || (read == 1 && first_byte(first[0]) == Spoken::Turn) {
        relay.adopt(stream, way, Transport::Tls, first[..read].to_vec());
        return Ok(Greeted::Relay);
    }
    let first = (read == 1).then_some(first[0]);
    Ok(Greeted::Encrypted(Box::new(Rewound::new(stream, first))))
}

async fn answer<S>(
    stream: S,
    peer: SocketAddr,
    router: Router,
    terms: Terms,
    stop: CancellationToken,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let proxies = terms.trusted_proxies;
    let service = router.map_request(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        let client = client_addr(peer.ip(), request.headers(), &proxies);
        request.extensions_mut().insert(PeerAddr(peer));
        request.extensions_mut().insert(confer_http::ClientAddr(client));
        request
    });
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(terms.header_timeout)
        .max_buf_size(READ_BUFFER_BYTES);
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = pin!(connection.with_upgrades());
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "connection ended early");
    }
}

/// A stream that holds its place among the permitted connections until it is closed, so that a
/// WebSocket counts as long as it lives.
struct Counted<S> {
    stream: S,
    _permit: OwnedSemaphorePermit,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
