//! The loop between the relay's core and its sockets. It decides nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use confer_turn_core::{Event, FiveTuple, Now, Server, Transport, Verdict};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::handle::Control;
use crate::relay::Relays;
use crate::{Config, Inbound, World};

/// Packets handled before timers and requests get their turn.
const PACKETS_PER_TURN: usize = 64;

pub(crate) struct Driver {
    server: Server,
    relays: Relays,
    listeners: Vec<(SocketAddr, Arc<UdpSocket>)>,
    connections: HashMap<FiveTuple, mpsc::Sender<Vec<u8>>>,
    unix_time: fn() -> u64,
    /// What the core wrote last.
    out: Vec<u8>,
    world: World,
}

impl Driver {
    pub(crate) fn new(
        config: Config,
        listeners: Vec<(SocketAddr, Arc<UdpSocket>)>,
        world: World,
    ) -> Self {
        Self {
            server: Server::new(config.core),
            relays: Relays::new(config.relay, config.relay_ports, world.clone()),
            listeners,
            connections: HashMap::new(),
            unix_time: config.unix_time,
            out: Vec::new(),
            world,
        }
    }

    pub(crate) async fn run(
        mut self,
        mut packets: mpsc::Receiver<Inbound>,
        mut requests: mpsc::Receiver<Control>,
    ) {
        let mut batch = Vec::with_capacity(PACKETS_PER_TURN);
        loop {
            // 1. Drain: closed allocations give their sockets back.
            while let Some(event) = self.server.poll_event() {
                self.apply(event);
            }

            // 2. Wait for exactly one thing.
            let deadline = self.server.poll_timeout().map(Instant::from_std);
            tokio::select! {
                () = self.world.stop.cancelled() => return,
                _ = packets.recv_many(&mut batch, PACKETS_PER_TURN) => {}
                Some(request) = requests.recv() => match request {
                    Control::Kick { user } => { self.server.kick(&user); }
                },
                () = sleep_until(deadline) => {
                    let now = self.now();
                    self.server.handle_timeout(now);
                }
            }

            // 3. Apply it.
            for inbound in batch.drain(..) {
                self.handle(inbound);
            }
        }
    }

    fn handle(&mut self, inbound: Inbound) {
        let now = self.now();
        self.out.clear();
        let (verdict, packet) = match inbound {
            Inbound::Client { tuple, packet } => {
                let Self { server, relays, out, .. } = self;
                let verdict = server.handle_client(tuple, &packet, out, relays, now);
                if let Verdict::Reply { .. } = verdict {
                    return self.send_to_client(&tuple);
                }
                (verdict, packet)
            }
            Inbound::Peer { relayed, peer, packet } => {
                let verdict = self.server.handle_peer(relayed, peer, &packet, &mut self.out, now);
                (verdict, packet)
            }
            Inbound::Connected { tuple, outbound } => {
                self.connections.insert(tuple, outbound);
                return;
            }
            Inbound::Disconnected { tuple } => {
                self.connections.remove(&tuple);
                return self.server.handle_disconnect(&tuple);
            }
        };
        match verdict {
            Verdict::Drop(reason) => self.world.stats.dropped(reason),
            // Clients are answered above; TCP relaying is switched off.
            Verdict::Reply { .. } | Verdict::Connect { .. } | Verdict::Splice(_) => {}
            Verdict::ToClient(tuple) => {
                self.count(packet.len());
                self.send_to_client(&tuple);
            }
            Verdict::ToPeer { relayed, peer, payload, .. } => {
                let payload = packet.get(payload).unwrap_or_default();
                self.count(payload.len());
                let sent = self
                    .relays
                    .socket(relayed)
                    .is_some_and(|socket| socket.try_send_to(payload, peer).is_ok());
                self.sent(sent);
            }
        }
    }

    fn send_to_client(&self, tuple: &FiveTuple) {
        let reply = self.out.as_slice();
        match tuple.transport {
            Transport::Udp | Transport::Dtls => {
                let socket = self.listeners.iter().find(|(bound, _)| *bound == tuple.server);
                self.sent(
                    socket
                        .is_some_and(|(_, socket)| socket.try_send_to(reply, tuple.client).is_ok()),
                );
            }
            Transport::Tcp | Transport::Tls => {
                let queued = self
                    .connections
                    .get(tuple)
                    .is_some_and(|outbound| outbound.try_send(reply.to_vec()).is_ok());
                if !queued {
                    self.world.stats.queue_full.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Allocated { .. } => {
                self.world.stats.allocations_total.fetch_add(1, Ordering::Relaxed);
                tracing::debug!("allocated");
            }
            Event::Closed { reason, traffic, .. } => {
                tracing::debug!(?reason, ?traffic, "allocation closed");
            }
            Event::RelayClosed { relayed } => self.relays.close(relayed),
            Event::Refreshed { .. } | Event::Moved { .. } | Event::ConnectionClosed { .. } => {}
        }
        let allocations = self.server.allocations() as u64;
        self.world.stats.allocations.store(allocations, Ordering::Relaxed);
    }

    fn count(&self, bytes: usize) {
        self.world.stats.relayed_packets.fetch_add(1, Ordering::Relaxed);
        self.world.stats.relayed_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// A datagram that cannot be sent now is lost, whatever the system says: an unreachable peer
    /// is no reason to end anything.
    fn sent(&self, sent: bool) {
        if !sent {
            self.world.stats.send_failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn now(&self) -> Now {
        Now { steady: Instant::now().into_std(), unix: (self.unix_time)() }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
