//! Clients over TCP and TLS: accepted and read by tasks, which hand whole frames to a thread.
//!
//! The way of a connection: a seat at its listener and for its network → PROXY header, when it
//! comes from a trusted load balancer → the first byte, which tells TLS from plain TURN → the TLS
//! handshake → [`connection`].

mod connection;
mod frames;
mod gather;
mod intake;
mod patience;
pub mod proxy;
mod seats;
mod shared;
mod splice;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use confer_turn_core::{FiveTuple, Transport};
use ipnet::IpNet;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Limits, Listener};
use crate::link::Link;
use crate::stats::StreamCounters;
use connection::{Connection, Way};
use gather::Gather;
pub(crate) use seats::{Prefixes, Seat};
use shared::Shared;

/// Breath after a failed accept, which usually means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes the system may hold for a client that are not on their way yet, besides those of its queue
/// here: a tenth of a second of 10 Mbit/s. Left to itself it holds megabytes, and what comes to a
/// slow client is then seconds old.
const UNSENT_MOST: u32 = 128 * 1024;
/// First byte of a TLS handshake record (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What all connections share.
pub(crate) struct Streams {
    pub(crate) links: Arc<[Link]>,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) proxies: Vec<IpNet>,
    pub(crate) limits: Limits,
    pub(crate) counters: StreamCounters,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) prefixes: Prefixes,
    next_thread: AtomicUsize,
}

impl Streams {
    pub(crate) fn new(
        links: Arc<[Link]>,
        tls: Option<TlsAcceptor>,
        proxies: Vec<IpNet>,
        limits: Limits,
    ) -> Self {
        let prefixes = Prefixes::new(limits.connections_per_prefix);
        Self {
            links,
            tls,
            proxies,
            limits,
            counters: StreamCounters::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            prefixes,
            next_thread: AtomicUsize::new(0),
        }
    }

    /// Serves clients of a listener until everything ends.
    pub(crate) fn listen(self: &Arc<Self>, socket: TcpListener, server: SocketAddr, at: &Listener) {
        let seats = Arc::new(Semaphore::new(self.limits.connections_per_listener));
        let (streams, at) = (Arc::clone(self), at.clone());
        let accepting = async move {
            loop {
                let Ok((stream, client)) = socket.accept().await else {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
                    streams.counters.refused.fetch_add(1, Ordering::Relaxed);
                    continue;
                };
                // Boxed, since every future around it would have room for it twice.
                let serving =
                    Box::pin(Arc::clone(&streams).greet(stream, client, server, at.clone()));
                let stop = streams.stop.clone();
                streams.tasks.spawn(async move {
                    stop.run_until_cancelled(serving).await;
                    drop(seat);
                });
            }
        };
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(accepting));
    }

    /// Finds out who speaks what, and serves it.
    async fn greet(
        self: Arc<Self>,
        stream: TcpStream,
        client: SocketAddr,
        bound: SocketAddr,
        at: Listener,
    ) {
        // Small frames must not wait for each other, nor new ones behind megabytes of old ones;
        // failing to say so costs latency only.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_MOST);
        let Ok(server) = stream.local_addr() else { return };
        let way = (client, SocketAddr::new(server.ip(), bound.port()));
        let deadline = Instant::now() + self.limits.greeting;
        let greeted = tokio::time::timeout_at(deadline, self.recognise(stream, way, &at)).await;
        let greeted = match greeted {
            Ok(Ok(greeted)) => greeted,
            Ok(Err(Shut::Failed)) | Err(_) => {
                self.counters.handshakes_failed.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Ok(Err(Shut::Refused)) => {
                self.counters.refused.fetch_add(1, Ordering::Relaxed);
                return;
            }
        };
        let (client, server) = greeted.way;
        match greeted.transport {
            Transport::Tls => {
                let (Some(tls), Some(link)) = (&self.tls, self.links.first()) else { return };
                let stream = Gather::new(greeted.stream, &link.pool);
                match tokio::time::timeout_at(deadline, tls.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let tuple = FiveTuple { client, server, transport: Transport::Tls };
                        self.serve(stream, tuple, &[], deadline, Way::WRAPPED).await;
                    }
                    Ok(Err(_)) | Err(_) => {
                        self.counters.handshakes_failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            transport => {
                let tuple = FiveTuple { client, server, transport };
                let stream = Shared::new(greeted.stream);
                let way = Way { direct: stream.direct(), break_off: Shared::reset };
                self.serve(stream, tuple, &[], deadline, way).await;
            }
        }
    }

    async fn recognise(
        &self,
        mut stream: TcpStream,
        mut way: (SocketAddr, SocketAddr),
        at: &Listener,
    ) -> Result<Greeted, Shut> {
        if self.proxies.iter().any(|net| net.contains(&way.0.ip())) {
            let told = proxy::read(&mut stream).await.map_err(|_| Shut::Failed)?;
            way = told.unwrap_or(way);
        }
        // Before it says anything: who is silent must not have more than who is not.
        let seat = self.prefixes.sit(way.0.ip()).ok_or(Shut::Refused)?;
        let mut first = [0];
        // Nothing is taken: whoever comes next reads the byte again.
        if !matches!(stream.peek(&mut first).await, Ok(1..)) {
            return Err(Shut::Failed);
        }
        let transport = if first == [TLS_HANDSHAKE] { Transport::Tls } else { Transport::Tcp };
        let served = at.serves(transport);
        served.then_some(Greeted { stream, way, transport, _seat: seat }).ok_or(Shut::Failed)
    }

    /// Serves a connection of which `first` has been read already, and which says something whole
    /// before the deadline.
    async fn serve<S>(
        &self,
        stream: S,
        tuple: FiveTuple,
        first: &[u8],
        deadline: Instant,
        way: Way<S>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let home = self.next_thread.fetch_add(1, Ordering::Relaxed) % self.links.len().max(1);
        let connections = self.counters.connections(tuple.transport);
        connections.fetch_add(1, Ordering::Relaxed);
        let connection = Connection::new(self, tuple, home);
        let ended = connection.serve(stream, first, deadline, way).await;
        connections.fetch_sub(1, Ordering::Relaxed);
        if ended == connection::Ended::Cut {
            self.counters.cut.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Serves a connection that somebody else accepted.
    pub(crate) fn adopt<S>(self: &Arc<Self>, stream: S, tuple: FiveTuple, first: Vec<u8>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (streams, stop) = (Arc::clone(self), self.stop.clone());
        self.tasks.spawn(stop.run_until_cancelled_owned(async move {
            let Some(_seat) = streams.prefixes.sit(tuple.client.ip()) else {
                streams.counters.refused.fetch_add(1, Ordering::Relaxed);
                return;
            };
            let deadline = Instant::now() + streams.limits.greeting;
            streams.serve(stream, tuple, &first, deadline, Way::WRAPPED).await;
        }));
    }
}

struct Greeted {
    stream: TcpStream,
    /// From where to where, as the client sees it.
    way: (SocketAddr, SocketAddr),
    transport: Transport,
    /// Its place among the connections of its network.
    _seat: Seat,
}

/// Why a connection was not served.
enum Shut {
    /// It ended, or spoke what is not spoken here.
    Failed,
    /// Its network has as many as it may.
    Refused,
}
