//! The way of a packet through one thread: into the core, and out as the core says.
//!
//! Nothing here allocates, locks or waits for a datagram in ChannelData; packets that follow each
//! other to one destination are gathered into runs ([`crate::run`]).

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use confer_inprocess::Sent;
use confer_turn_core::frame::is_connection_bind;
use confer_turn_core::{
    ConnectionId, DropReason, FiveTuple, Now, Server, Toll, Transport, Verdict,
};
use rtc_dtls::config::HandshakeConfig;
use tokio::net::TcpStream;
use tokio::runtime;
use tokio_util::sync::CancellationToken;

use crate::config::{Limits, Listener};
use crate::dtls::Sessions;
use crate::link::{Inbound, Link};
use crate::queue::{Outbound, Queue, Splice};
use crate::relays::Relays;
use crate::run::{Ready, Run};
use crate::stats::{Counters, add};
use crate::tcp_relay;
use crate::udp::{Fragmentation, UdpPort};

/// One thread's decisions and the sockets that carry them out.
pub(crate) struct Relaying {
    pub(crate) server: Server,
    pub(crate) io: Io,
    to_peers: Run<PeerWay>,
    to_clients: Run<FiveTuple>,
    /// What the core wrote last that belongs to no run.
    out: Vec<u8>,
    /// More happened than relaying: deadlines may be others than before.
    pub(crate) stirred: bool,
}

/// Everything that can be sent on.
pub(crate) struct Io {
    pub(crate) listeners: Vec<UdpPort>,
    /// What may be spoken at each of them.
    pub(crate) speaks: Vec<Speaks>,
    /// Clients over DTLS.
    pub(crate) dtls: RefCell<Sessions>,
    pub(crate) relays: Relays,
    pub(crate) connections: HashMap<FiveTuple, Queue>,
    /// Peers of TCP allocations that wait for a client's data connection.
    pub(crate) waiting: HashMap<ConnectionId, TcpStream>,
    /// Ends those that have one.
    pub(crate) spliced: HashMap<ConnectionId, CancellationToken>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) runtime: runtime::Handle,
    pub(crate) link: Link,
}

/// What may be spoken to a socket for datagrams.
#[derive(Clone, Copy)]
pub(crate) struct Speaks {
    pub(crate) udp: bool,
    pub(crate) dtls: bool,
}

impl Speaks {
    pub(crate) fn of(listener: &Listener) -> Self {
        Self { udp: listener.serves(Transport::Udp), dtls: listener.serves(Transport::Dtls) }
    }
}

/// From which relayed address to which peer, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
struct PeerWay {
    relayed: SocketAddr,
    peer: SocketAddr,
    dont_fragment: bool,
}

impl Relaying {
    pub(crate) fn new(server: Server, io: Io) -> Self {
        Self {
            server,
            io,
            to_peers: Run::new(),
            to_clients: Run::new(),
            out: Vec::new(),
            stirred: true,
        }
    }

    /// Takes one packet of a client.
    pub(crate) fn client(&mut self, tuple: FiveTuple, packet: &[u8], now: Now) {
        let Self { server, io, to_peers, out, stirred, .. } = self;
        out.clear();
        let verdict = server.handle_client(tuple, packet, out, &mut io.relays, now);
        *stirred |= !matches!(verdict, Verdict::ToPeer { .. } | Verdict::Drop(_));
        match verdict {
            Verdict::ToPeer { relayed, peer, payload, dont_fragment } => {
                let payload = packet.get(payload).unwrap_or_default();
                io.counters.relayed(1, payload.len());
                let way = PeerWay { relayed, peer, dont_fragment };
                to_peers.push(way, payload, |run| io.send_to_peer(&run));
            }
            Verdict::Drop(reason) => io.counters.dropped(reason),
            Verdict::Reply { from, to } => {
                let from = from.unwrap_or(tuple.server);
                let client = to.unwrap_or(tuple.client);
                io.send_to_client(FiveTuple { client, server: from, ..tuple }, out, out.len());
                io.refuse_bind(&tuple, packet);
            }
            Verdict::ToClient(other) => io.send_to_client(other, out, out.len()),
            Verdict::Connect { id, relayed, peer } => io.connect(id, relayed, peer),
            Verdict::Splice(id) => {
                let toll = server.toll(id, now.steady);
                if !toll.is_some_and(|toll| io.splice(id, &tuple, out, toll)) {
                    server.handle_connection_closed(id);
                }
            }
        }
    }

    /// Takes one datagram of a client over DTLS: most often a frame comes out of it.
    pub(crate) fn dtls(
        &mut self,
        tuple: FiveTuple,
        datagram: &[u8],
        config: &Arc<HandshakeConfig>,
        now: Now,
    ) {
        self.stirred = true;
        // A hello is answered from the same budget as a stranger's request.
        let admits = || self.server.admits_stranger(tuple.client.ip(), now.steady);
        let brought = self.io.dtls.borrow_mut().take(tuple, datagram, config, admits, now);
        if brought.replaced {
            self.server.handle_disconnect(&tuple, now.steady);
        }
        for answer in &brought.answers {
            self.io.send_datagram(&tuple, answer);
        }
        for frame in &brought.frames {
            self.client(tuple, frame, now);
        }
        let counters = &self.io.counters;
        add(&counters.dtls_failed, brought.failed);
        add(&counters.dtls_refused, u64::from(brought.refused));
        if let Some(reason) = brought.dropped {
            counters.dropped(reason);
        }
        if brought.closed {
            self.server.handle_disconnect(&tuple, now.steady);
        }
        self.io.count_sessions();
    }

    /// Looks after clients over DTLS when it is time.
    pub(crate) fn dtls_tick(&mut self, limits: &Limits, now: Now) {
        let holds = |tuple: &FiveTuple| self.server.holds(tuple);
        let due = self.io.dtls.borrow_mut().tick(limits, holds, now.steady);
        for (tuple, datagram) in due.out {
            self.io.send_datagram(&tuple, &datagram);
        }
        for tuple in due.gone {
            self.server.handle_disconnect(&tuple, now.steady);
        }
        add(&self.io.counters.dtls_failed, due.failed);
        self.io.count_sessions();
    }

    /// Closes a client's connection, after what is queued for it was sent.
    pub(crate) fn close(&mut self, tuple: &FiveTuple, now: Instant) {
        match tuple.transport {
            Transport::Udp => {}
            // The connection ends with its queue.
            Transport::Tcp | Transport::Tls => drop(self.io.connections.remove(tuple)),
            Transport::Dtls => {
                let goodbye = self.io.dtls.borrow_mut().close(tuple, now);
                for datagram in &goodbye {
                    self.io.send_datagram(tuple, datagram);
                }
                self.io.count_sessions();
            }
        }
    }

    /// Takes one packet that arrived on a relayed address.
    pub(crate) fn peer(&mut self, relayed: SocketAddr, peer: SocketAddr, payload: &[u8], now: Now) {
        let Self { server, io, to_clients, .. } = self;
        let frames = to_clients.buffer();
        let begin = frames.len();
        match server.handle_peer(relayed, peer, payload, frames, now) {
            Verdict::ToClient(tuple) => {
                io.counters.relayed(1, payload.len());
                to_clients.written(tuple, begin, |run| {
                    io.send_to_client(run.to, run.bytes, run.segment);
                });
            }
            verdict => {
                frames.truncate(begin);
                io.drop(&verdict);
            }
        }
    }

    /// Sends what was gathered.
    pub(crate) fn flush(&mut self) {
        let Self { io, to_peers, to_clients, .. } = self;
        to_peers.flush(|run| io.send_to_peer(&run));
        to_clients.flush(|run| io.send_to_client(run.to, run.bytes, run.segment));
        io.relays.in_process.wake();
    }

    /// Takes what the network says about packets that went from a relayed address.
    pub(crate) fn icmp(&mut self, place: usize, now: Now) {
        let Self { server, io, out, .. } = self;
        let Some((relayed, port)) = io.relays.at(place) else { return };
        while let Some(report) = crate::icmp::next(&port.fd()) {
            let Some(report) = report else { continue };
            out.clear();
            match server.handle_icmp(relayed, report.peer, report.kind, report.data, out, now) {
                Verdict::ToClient(tuple) => io.send_to_client(tuple, out, out.len()),
                verdict => io.drop(&verdict),
            }
        }
    }

    /// A peer connected to a relayed TCP address.
    pub(crate) fn incoming(
        &mut self,
        relayed: SocketAddr,
        peer: SocketAddr,
        stream: TcpStream,
        now: Now,
    ) {
        let Self { server, io, out, .. } = self;
        out.clear();
        match server.handle_incoming(relayed, peer, out, now) {
            Some((id, tuple)) => {
                io.waiting.insert(id, stream);
                io.send_to_client(tuple, out, out.len());
            }
            None => io.counters.dropped(DropReason::NotPermitted),
        }
    }

    /// A peer was connected to, or not.
    pub(crate) fn connected(
        &mut self,
        id: ConnectionId,
        outcome: Result<TcpStream, confer_turn_core::ConnectFailure>,
        now: Now,
    ) {
        let Self { server, io, out, .. } = self;
        out.clear();
        let (stream, outcome) = match outcome {
            Ok(stream) => (Some(stream), Ok(())),
            Err(failure) => (None, Err(failure)),
        };
        match server.handle_connected(id, outcome, out, now) {
            Verdict::ToClient(tuple) => {
                io.waiting.extend(stream.map(|stream| (id, stream)));
                io.send_to_client(tuple, out, out.len());
            }
            verdict => io.drop(&verdict),
        }
    }
}

impl Io {
    /// Notes whether a client's connection has an allocation.
    pub(crate) fn holds(&self, tuple: &FiveTuple, holds: bool) {
        if let Some(queue) = self.connections.get(tuple) {
            queue.hold(holds);
        }
    }

    fn count_sessions(&self) {
        let open = self.dtls.borrow().open() as u64;
        self.counters.dtls_open.store(open, Ordering::Relaxed);
    }

    fn send_to_peer(&mut self, run: &Ready<'_, PeerWay>) {
        let PeerWay { relayed, peer, .. } = run.to;
        match self.relays.in_process.send(relayed, peer, run.bytes, run.segment) {
            Sent::Handed => return add(&self.counters.in_process_packets, run.count as u64),
            Sent::Full => return add(&self.counters.in_process_full, run.count as u64),
            Sent::Elsewhere => {}
        }
        let Some(port) = self.relays.udp(run.to.relayed) else { return };
        // One setting of the whole socket, so it holds for this call only.
        let fragile =
            run.to.dont_fragment && port.set_fragmentation(Fragmentation::Forbidden).is_ok();
        let lost = port.send(run.to.peer, None, run.bytes, run.segment);
        if fragile {
            // What failed here would be told by the next packet's loss.
            let _allowed = port.set_fragmentation(Fragmentation::Allowed);
        }
        self.lost(lost);
    }

    /// Sends frames: over UDP a run of `segment` bytes each, on streams one after the other.
    fn send_to_client(&self, tuple: FiveTuple, frames: &[u8], segment: usize) {
        match tuple.transport {
            Transport::Dtls => {
                for frame in frames.chunks(segment.max(1)) {
                    let sealed = self.dtls.borrow_mut().seal(&tuple, frame, Instant::now());
                    match sealed {
                        Some(datagram) => self.send_datagram(&tuple, &datagram),
                        None => self.lost(1),
                    }
                }
            }
            Transport::Udp => {
                let lost = self.listener(tuple.server).map_or(1, |port| {
                    port.send(tuple.client, Some(tuple.server.ip()), frames, segment)
                });
                self.lost(lost);
            }
            Transport::Tcp | Transport::Tls => {
                let queue = self.connections.get(&tuple);
                if !queue.is_some_and(|queue| queue.frames(frames)) {
                    let packets = frames.len().div_ceil(segment.max(1));
                    add(&self.counters.queue_full, packets as u64);
                }
            }
        }
    }

    fn send_datagram(&self, tuple: &FiveTuple, datagram: &[u8]) {
        let lost = self.listener(tuple.server).map_or(1, |port| {
            port.send(tuple.client, Some(tuple.server.ip()), datagram, datagram.len())
        });
        self.lost(lost);
    }

    /// The socket that sends from an address of ours.
    fn listener(&self, server: SocketAddr) -> Option<&UdpPort> {
        let exact = self.listeners.iter().find(|port| port.local() == server);
        exact.or_else(|| {
            self.listeners.iter().find(|port| {
                let local = port.local();
                local.ip().is_unspecified()
                    && local.port() == server.port()
                    && local.is_ipv4() == server.is_ipv4()
            })
        })
    }

    fn connect(&self, id: ConnectionId, relayed: SocketAddr, peer: SocketAddr) {
        let Some(local) = self.relays.tcp_local(relayed) else { return };
        let link = self.link.clone();
        self.runtime.spawn(async move {
            let outcome = tcp_relay::connect(local, peer).await;
            link.send(Inbound::PeerConnected { id, outcome }).await;
        });
    }

    /// Gives a peer's connection to the client's data connection.
    fn splice(&mut self, id: ConnectionId, data: &FiveTuple, answer: &[u8], toll: Toll) -> bool {
        let Some(peer) = self.waiting.remove(&id) else { return false };
        let Some(queue) = self.connections.get(data) else { return false };
        let stop = CancellationToken::new();
        let (answer, counters) = (answer.to_vec(), Arc::clone(&self.counters));
        let splice = Splice { answer, peer, stop: stop.clone(), toll, counters };
        let queued = queue.push(Outbound::Splice(Box::new(splice)));
        if queued {
            self.spliced.insert(id, stop);
        }
        queued
    }

    /// Lets a connection go on that waits for what becomes of its ConnectionBind. Where there is no
    /// room for that, there is none for the refusal either.
    fn refuse_bind(&self, tuple: &FiveTuple, packet: &[u8]) {
        if tuple.transport.is_stream()
            && is_connection_bind(packet)
            && let Some(queue) = self.connections.get(tuple)
        {
            queue.push(Outbound::BindRefused);
        }
    }

    fn drop(&self, verdict: &Verdict) {
        if let Verdict::Drop(reason) = verdict {
            self.counters.dropped(*reason);
        }
    }

    fn lost(&self, packets: u64) {
        if packets > 0 {
            add(&self.counters.send_failed, packets);
        }
    }
}
