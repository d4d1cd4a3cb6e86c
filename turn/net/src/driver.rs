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
        let (verdict, packet) = match inbound {
            Inbound::Client { tuple, packet } => {
                let verdict = self.server.handle_client(tuple, &packet, &mut self.relays, now);
                if verdict == Verdict::Reply {
                    return self.send_to_client(&tuple);
                }
                (verdict, packet)
            }
            Inbound::Peer { relayed, peer, packet } => {
                (self.server.handle_peer(relayed, peer, &packet, now), packet)
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
            // Only clients are answered, above.
            Verdict::Reply => {}
            Verdict::ToClient(tuple) => {
                self.count(packet.len());
                self.send_to_client(&tuple);
            }
            Verdict::ToPeer { relayed, peer, payload } => {
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
        let reply = self.server.reply();
        match tuple.transport {
            Transport::Udp => {
                let socket = self.listeners.iter().find(|(bound, _)| *bound == tuple.server);
                self.sent(
                    socket
                        .is_some_and(|(_, socket)| socket.try_send_to(reply, tuple.client).is_ok()),
                );
            }
            Transport::Tcp => {
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
            Event::Closed { relayed, reason, bytes: [sent, received], .. } => {
                self.relays.close(relayed);
                tracing::debug!(?reason, sent, received, "allocation closed");
            }
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
