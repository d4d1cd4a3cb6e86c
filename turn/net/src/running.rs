//! Starting the relay, and ending it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use confer_inprocess::RelayEnd;
use confer_turn_core::{Challenges, Cookies, Event, Server, Shared, Transport};
use rustix::event::epoll;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::{Semaphore, broadcast};
use tokio_rustls::TlsAcceptor;

use crate::alarm::Alarm;
use crate::certificate::CertificateStore;
use crate::config::{Config, Listener, StartError};
use crate::dtls::Sessions;
use crate::full::{Full, GivenBack};
use crate::handle::TurnHandle;
use crate::in_process::InProcess;
use crate::inbox::Inbox;
use crate::ledger::SharedLedger;
use crate::link::{Link, LinkEnd};
use crate::relaying::{Io, Relaying, Speaks};
use crate::relays::Relays;
use crate::shard::{ALARM_TOKEN, BELL_TOKEN, Shard};
use crate::stats::Counters;
use crate::stream::Streams;
use crate::udp::UdpPort;

/// Events that wait for a slow listener; then it loses the oldest.
const EVENT_CAPACITY: usize = 1024;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;
/// Tries for a port that is free for UDP and for TCP, when the system chooses.
const FREE_PORT_TRIES: usize = 16;

/// Keeps the relay running; [`Running::stop`] ends it.
#[must_use = "dropping it ends the relay"]
pub struct Running {
    threads: Vec<JoinHandle<()>>,
    links: Arc<[Link]>,
    streams: Arc<Streams>,
}

impl Running {
    /// Closes every socket and waits until threads and connections are gone.
    pub async fn stop(mut self) {
        self.signal();
        self.streams.tasks.close();
        self.streams.tasks.wait().await;
        let threads = std::mem::take(&mut self.threads);
        let joined = tokio::task::spawn_blocking(|| {
            threads.into_iter().filter_map(|thread| thread.join().err()).count()
        });
        match joined.await {
            Ok(0) => {}
            // The panics themselves were reported when they happened.
            _ => tracing::error!("a relay thread had ended by a panic"),
        }
    }

    fn signal(&self) {
        self.streams.stop.cancel();
        for link in self.links.iter() {
            link.stop();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal();
    }
}

/// Binds the listeners and starts relaying.
///
/// # Errors
/// When a listener cannot be bound, a certificate is missing or a thread cannot be had; nothing
/// runs then.
pub async fn start(config: Config) -> Result<(TurnHandle, Running), StartError> {
    start_beside_media(config, Vec::new()).await
}

/// Binds the listeners and starts relaying, each thread with its end of the way to the media
/// threads of this process. Threads beyond the ends reach them through sockets.
///
/// # Errors
/// When a listener cannot be bound, a certificate is missing or a thread cannot be had; nothing
/// runs then.
pub async fn start_beside_media(
    config: Config,
    media: Vec<RelayEnd>,
) -> Result<(TurnHandle, Running), StartError> {
    let threads = config.thread_count();
    let mut media = media.into_iter();
    let dtls = config.listen.iter().any(|at| at.serves(Transport::Dtls));
    let tls = |at: &&Listener| at.serves(Transport::Tls) || at.serves(Transport::Dtls);
    let certificates = match (&config.certificate, config.listen.iter().find(tls)) {
        (None, Some(at)) => return Err(StartError::NoCertificate { address: at.address }),
        (None, None) => None,
        (Some(certificate), _) => Some(Arc::new(CertificateStore::new(certificate, dtls)?)),
    };
    let acceptor = match &certificates {
        Some(store) => Some(TlsAcceptor::from(Arc::new(store.server_config()?))),
        None => None,
    };

    // All sockets before any thread: a port in use leaves nothing to clean up.
    let mut bound = Vec::new();
    for listener in &config.listen {
        bound.push(bind(listener, threads, config.socket_buffer)?);
    }
    let (links, ends): (Vec<Link>, Vec<LinkEnd>) = (0..threads)
        .map(|_| Link::new())
        .collect::<io::Result<Vec<_>>>()
        .map_err(StartError::Thread)?
        .into_iter()
        .unzip();
    let links: Arc<[Link]> = links.into();
    let (proxies, limits) = (config.proxies.clone(), config.limits.clone());
    let streams = Arc::new(Streams::new(Arc::clone(&links), acceptor, proxies, limits));
    let counters: Arc<[Arc<Counters>]> = (0..threads).map(|_| Arc::default()).collect();
    let (events, _) = broadcast::channel(EVENT_CAPACITY);
    let ledger = SharedLedger::default();
    let given_back = GivenBack::default();
    let places = Arc::new(Semaphore::new(config.limits.connections_per_listener));
    let (secret, strangers) = (&config.core.nonce_secret, config.core.limits.challenges_per_prefix);
    let challenges = Arc::new(Challenges::new(secret, strangers, Instant::now()));
    let cookies = Cookies::new(secret);
    let mut running =
        Running { threads: Vec::new(), links: Arc::clone(&links), streams: Arc::clone(&streams) };

    let listening = bound.iter().map(|one| one.address).collect();
    let (mut ports, mut acceptors) = (Vec::new(), Vec::new());
    for one in bound {
        ports.push(one.udp.into_iter());
        acceptors.push((one.address, one.tcp));
    }
    for (index, end) in ends.into_iter().enumerate() {
        let parts = Parts {
            index,
            end,
            listeners: ports.iter_mut().filter_map(Iterator::next).collect(),
            links: Arc::clone(&links),
            certificates: certificates.clone(),
            counters: Arc::clone(&counters[index]),
            events: events.clone(),
            shared: Shared {
                ledger: Box::new(ledger.clone()),
                challenges: Arc::clone(&challenges),
            },
            media: media.next(),
            dtls: Sessions::new(cookies.clone(), Arc::clone(&places), streams.prefixes.clone()),
            given_back: Arc::clone(&given_back),
        };
        let shard = parts.shard(&config).map_err(StartError::Thread)?;
        let thread = std::thread::Builder::new()
            .name(format!("turn-{index}"))
            .spawn(move || shard.run())
            .map_err(StartError::Thread)?;
        running.threads.push(thread);
    }
    for ((address, tcp), listener) in acceptors.into_iter().zip(&config.listen) {
        if let Some(tcp) = tcp {
            streams.listen(tcp, address, listener);
        }
    }
    let handle = TurnHandle { links, counters, streams, certificates, events, listening };
    Ok((handle, running))
}

/// What one thread is made of.
struct Parts {
    index: usize,
    end: LinkEnd,
    listeners: Vec<UdpPort>,
    links: Arc<[Link]>,
    certificates: Option<Arc<CertificateStore>>,
    counters: Arc<Counters>,
    events: broadcast::Sender<Event>,
    shared: Shared,
    media: Option<RelayEnd>,
    dtls: Sessions,
    given_back: GivenBack,
}

impl Parts {
    fn shard(self, config: &Config) -> io::Result<Shard> {
        let Self {
            index,
            end,
            listeners,
            links,
            certificates,
            counters,
            events,
            shared,
            media,
            dtls,
            given_back,
        } = self;
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        for (token, port) in (0..).zip(&listeners) {
            let token = epoll::EventData::new_u64(token);
            epoll::add(&epoll, port.fd(), token, epoll::EventFlags::IN)?;
        }
        let bell = epoll::EventData::new_u64(BELL_TOKEN);
        epoll::add(&epoll, end.bell.fd(), bell, epoll::EventFlags::IN)?;
        let alarm = Alarm::new()?;
        let rings = epoll::EventData::new_u64(ALARM_TOKEN);
        epoll::add(&epoll, alarm.fd(), rings, epoll::EventFlags::IN)?;

        let link = links[index].clone();
        let runtime = runtime::Handle::current();
        // There are at most 256 threads, so both fit.
        let shard = u8::try_from(index).unwrap_or(u8::MAX);
        let share = (u16::from(shard), u16::try_from(links.len()).unwrap_or(u16::MAX));
        let in_process = InProcess::new(media, &link);
        let waiting = Arc::clone(&epoll);
        let full = Full::new(given_back);
        let (ours, run) = (link.clone(), runtime.clone());
        let relays = Relays::new(config, waiting, run, ours, share, full, in_process);
        let io = Io {
            listeners,
            // Listeners without datagrams have no socket, so this is by place among those that have.
            speaks: config.listen.iter().filter(|at| at.datagrams()).map(Speaks::of).collect(),
            dtls: RefCell::new(dtls),
            relays,
            connections: HashMap::new(),
            waiting: HashMap::new(),
            spliced: HashMap::new(),
            counters,
            runtime,
            link,
        };
        let core = confer_turn_core::Config { shard, ..config.core.clone() };
        Ok(Shard {
            index,
            relaying: Relaying::new(Server::sharing(core, shared), io),
            epoll,
            alarm,
            end,
            links,
            events,
            unix_time: config.unix_time,
            read_unix: None,
            certificates,
            limits: config.limits.clone(),
            inbox: Inbox::new(),
            lives_at: HashMap::new(),
            arrives_at: HashMap::new(),
            refusals_told: 0,
            unsent: Vec::new(),
        })
    }
}

/// The sockets of one listener.
struct Bound {
    address: SocketAddr,
    /// One per thread, or none.
    udp: Vec<UdpPort>,
    tcp: Option<TcpListener>,
}

fn bind(listener: &Listener, threads: usize, buffer: usize) -> Result<Bound, StartError> {
    let tries = if listener.address.port() == 0 { FREE_PORT_TRIES } else { 1 };
    let mut tried = try_bind(listener, threads, buffer);
    for _ in 1..tries {
        if tried.is_ok() {
            break;
        }
        tried = try_bind(listener, threads, buffer);
    }
    tried.map_err(|cause| StartError::Listen { address: listener.address, cause })
}

fn try_bind(listener: &Listener, threads: usize, buffer: usize) -> io::Result<Bound> {
    let mut address = listener.address;
    let mut udp = Vec::new();
    if listener.datagrams() {
        // Alone first: sharing a port would hide that somebody else has it.
        let alone = UdpPort::listen(address, false, buffer)?;
        address = alone.local();
        if threads == 1 {
            udp.push(alone);
        } else {
            drop(alone);
            for _ in 0..threads {
                udp.push(UdpPort::listen(address, true, buffer)?);
            }
        }
    }
    let mut tcp = None;
    if listener.streams() {
        // The same port on both, also where the system chose it.
        let socket = tcp_listener(address)?;
        address = socket.local_addr()?;
        tcp = Some(socket);
    }
    Ok(Bound { address, udp, tcp })
}

fn tcp_listener(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // Connections of an earlier run may linger.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}
