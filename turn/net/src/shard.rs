//! One relaying thread: its sockets, its core, and the loop between them.
//!
//! A client stays with the thread that the kernel (for datagrams, by SO_REUSEPORT) or the acceptor
//! (for streams) chose. What one thread handed out and a client shows on another five-tuple
//! carries the thread's number ([`confer_turn_core::owner`]): such a datagram is handed over whole,
//! answered by the owner through its own socket of the same address, and if the client then has
//! an allocation there, later datagrams of the same five-tuple follow (`lives_at`). This copies;
//! only clients that moved or used a reservation pay for it.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use confer_turn_core::frame::stream_frame_length;
use confer_turn_core::{CloseReason, DropReason, Event, FiveTuple, Now, Transport};
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use tokio::sync::broadcast;

use crate::alarm::Alarm;
use crate::certificate::CertificateStore;
use crate::config::Limits;
use crate::dtls::is_dtls;
use crate::inbox::Inbox;
use crate::link::{Control, Inbound, Link, LinkEnd};
use crate::relaying::Relaying;
use crate::relays::RELAY_TOKEN;
use crate::stats::add;

/// Marks the bell among what a thread waits for; smaller numbers are listeners.
pub(crate) const BELL_TOKEN: u64 = u64::MAX;
/// Marks the alarm.
pub(crate) const ALARM_TOKEN: u64 = u64::MAX - 1;
/// Sockets looked at per waiting.
const EVENTS_PER_WAIT: usize = 256;
/// News of connections taken between two looks at the sockets.
const INBOUND_PER_TURN: usize = 64;
/// How soon news are offered again that another thread had no room for.
const NEWS_RETRY: Duration = Duration::from_millis(10);
/// News for other threads that wait for room. Beyond it, no further client is taken over: it asks
/// again.
const UNSENT_CAPACITY: usize = 1024;
/// How old the wall time may be: it is compared in whole seconds.
const WALL_TIME_AGE: Duration = Duration::from_millis(100);

/// One relaying thread's belongings.
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) relaying: Relaying,
    pub(crate) epoll: Arc<OwnedFd>,
    pub(crate) alarm: Alarm,
    pub(crate) end: LinkEnd,
    /// The ways to all threads, this one's among them.
    pub(crate) links: Arc<[Link]>,
    pub(crate) events: broadcast::Sender<Event>,
    pub(crate) unix_time: fn() -> u64,
    /// The wall time that was read last, and when.
    pub(crate) read_unix: Option<(u64, Instant)>,
    /// What clients over DTLS are shown.
    pub(crate) certificates: Option<Arc<CertificateStore>>,
    pub(crate) limits: Limits,
    pub(crate) inbox: Inbox,
    /// Clients whose datagrams arrive here and whose allocations are on another thread.
    pub(crate) lives_at: HashMap<FiveTuple, usize>,
    /// The reverse: where the datagrams of allocations here arrive.
    pub(crate) arrives_at: HashMap<FiveTuple, usize>,
    /// How many refusals the counters have been told of.
    pub(crate) refusals_told: u64,
    /// News for other threads that had no room.
    pub(crate) unsent: Vec<(usize, FiveTuple)>,
}

impl Shard {
    /// Runs until the bell says stop.
    pub(crate) fn run(mut self) {
        let mut ready = Vec::with_capacity(EVENTS_PER_WAIT);
        let mut deadline = None;
        while !self.end.bell.is_stopping() {
            // 1. Wait for exactly one thing: datagrams, news, or the next deadline.
            if std::mem::take(&mut self.relaying.stirred) || !self.unsent.is_empty() {
                deadline = self.deadline();
            }
            self.alarm.set(deadline);
            let is_free = self.relaying.io.relays.in_process.fall_asleep();
            let timeout = (!is_free).then(Timespec::default);
            ready.clear();
            // An interrupted wait is a short one.
            let _waited = epoll::wait(&self.epoll, spare_capacity(&mut ready), timeout.as_ref());
            self.relaying.io.relays.in_process.awake();
            let now = self.now();

            // 2. Relay what has arrived.
            for event in &ready {
                let (flags, token) = (event.flags, event.data.u64());
                match usize::try_from(token & (RELAY_TOKEN - 1)) {
                    _ if token == BELL_TOKEN => self.take_news(now),
                    _ if token == ALARM_TOKEN => self.alarm.rang(),
                    Ok(place) if token & RELAY_TOKEN != 0 => {
                        if flags.contains(epoll::EventFlags::ERR) {
                            self.relaying.icmp(place, now);
                        }
                        self.read_relay(place, now);
                    }
                    Ok(index) => self.read_listener(index, now),
                    Err(_) => {}
                }
            }
            self.relaying.media(now);

            // 3. Tell the time to whoever asked to be told.
            if deadline.is_some_and(|deadline| deadline <= now.steady) {
                self.tell_the_time(now);
            }

            // 4. Carry out what happened, and tell others.
            self.drain_events(now);
            self.count_refusals();
            self.tell_others();
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let handshakes = self.relaying.io.dtls.borrow().poll_timeout();
        let retry = (!self.unsent.is_empty()).then(|| Instant::now() + NEWS_RETRY);
        [self.relaying.server.poll_timeout(), handshakes, retry].into_iter().flatten().min()
    }

    fn tell_the_time(&mut self, now: Now) {
        self.relaying.stirred = true;
        if self.relaying.server.poll_timeout().is_some_and(|at| at <= now.steady) {
            self.relaying.server.handle_timeout(now);
        }
        if self.relaying.io.dtls.borrow().poll_timeout().is_some_and(|at| at <= now.steady) {
            self.relaying.dtls_tick(&self.limits, now);
        }
    }

    fn read_listener(&mut self, index: usize, now: Now) {
        // Where clients live is told before they are answered, and they send after that.
        if self.links.len() > 1 && self.end.bell.is_rung() {
            self.take_news(now);
        }
        let io = &self.relaying.io;
        let (Some(port), Some(speaks)) = (io.listeners.get(index), io.speaks.get(index).copied())
        else {
            return;
        };
        let certificates = self.certificates.as_ref().filter(|_| speaks.dtls);
        let dtls = certificates.and_then(|certificates| certificates.dtls());
        let count = port.receive(&mut self.inbox);
        for at in 0..count {
            let Some(port) = self.relaying.io.listeners.get(index) else { return };
            let Some(message) = self.inbox.message(at, port.local()) else { continue };
            let (client, server) = (message.source, message.local);
            let tuple = FiveTuple { client, server, transport: Transport::Udp };
            for datagram in self.inbox.datagrams(message) {
                if is_dtls(datagram) && speaks.dtls {
                    if let Some(config) = &dtls {
                        let tuple = FiveTuple { transport: Transport::Dtls, ..tuple };
                        self.relaying.dtls(tuple, datagram, config, now);
                    }
                    continue;
                }
                if !speaks.udp {
                    self.relaying.io.counters.dropped(DropReason::NotTurn);
                    continue;
                }
                let Some(thread) = self.elsewhere(&tuple, datagram, now) else {
                    self.relaying.client(tuple, datagram, now);
                    continue;
                };
                self.hand_over(thread, tuple, datagram);
            }
        }
        self.relaying.flush();
    }

    fn read_relay(&mut self, place: usize, now: Now) {
        let Some((relayed, port)) = self.relaying.io.relays.at(place) else { return };
        let count = port.receive(&mut self.inbox);
        for at in 0..count {
            let Some((_, port)) = self.relaying.io.relays.at(place) else { return };
            let Some(message) = self.inbox.message(at, port.local()) else { continue };
            for datagram in self.inbox.datagrams(message) {
                self.relaying.peer(relayed, message.source, datagram, now);
            }
        }
        self.relaying.flush();
    }

    fn take_news(&mut self, now: Now) {
        self.relaying.stirred = true;
        self.end.bell.rearm();
        while let Ok(request) = self.end.control.try_recv() {
            self.obey(request, now);
        }
        for _ in 0..INBOUND_PER_TURN {
            let Ok(inbound) = self.end.inbound.try_recv() else { return };
            self.take(inbound, now);
        }
        // There may be more; sockets get their turn first.
        self.end.bell.ring();
    }

    fn take(&mut self, inbound: Inbound, now: Now) {
        let relaying = &mut self.relaying;
        match inbound {
            Inbound::Connected { tuple, outbound } => {
                relaying.io.connections.insert(tuple, outbound);
            }
            Inbound::Frames { tuple, frames } => {
                let mut rest = frames.as_slice();
                while let Ok(Some(length)) = stream_frame_length(rest)
                    && let Some((frame, after)) = rest.split_at_checked(length)
                {
                    relaying.client(tuple, frame, now);
                    rest = after;
                }
                relaying.flush();
                relaying.io.link.pool.give(frames);
            }
            Inbound::Disconnected { tuple } => {
                relaying.io.connections.remove(&tuple);
                relaying.server.handle_disconnect(&tuple, now.steady);
            }
            Inbound::PeerIncoming { relayed, peer, stream } => {
                relaying.incoming(relayed, peer, stream, now);
            }
            Inbound::PeerConnected { id, outcome } => relaying.connected(id, outcome, now),
            Inbound::HandedOver { from, tuple, packet } => {
                self.take_over(from, tuple, &packet, now);
            }
            Inbound::LivesAt { tuple, thread } => {
                self.lives_at.insert(tuple, thread);
            }
            Inbound::LivesNoMore { tuple } => {
                self.lives_at.remove(&tuple);
            }
        }
    }

    fn obey(&mut self, request: Control, now: Now) {
        let server = &mut self.relaying.server;
        match request {
            // Whoever asked may have gone meanwhile.
            Control::Kick { user, until, ended } => {
                let count = match until {
                    Some(until) => server.revoke(&user, until, now),
                    None => server.kick(&user, now.steady),
                };
                let _gone = ended.send(count);
            }
            Control::Sessions { found } => {
                let _gone = found.send(server.sessions(now.steady));
            }
            Control::Drain => server.drain(),
            Control::Reconfigure { core } => server.reconfigure(*core),
        }
    }

    /// The other thread that this datagram is for.
    fn elsewhere(&self, tuple: &FiveTuple, datagram: &[u8], now: Now) -> Option<usize> {
        if self.links.len() == 1 {
            return None;
        }
        if let Some(thread) = self.lives_at.get(tuple) {
            return Some(*thread);
        }
        if !matches!(datagram.first(), Some(0)) || self.relaying.server.holds(tuple) {
            return None;
        }
        let owner = self.relaying.server.owner_elsewhere(tuple.client, datagram, now)?;
        Some(usize::from(owner)).filter(|thread| *thread < self.links.len())
    }

    fn hand_over(&self, thread: usize, tuple: FiveTuple, datagram: &[u8]) {
        let handed = Inbound::HandedOver { from: self.index, tuple, packet: datagram.to_vec() };
        let counters = &self.relaying.io.counters;
        if self.links.get(thread).is_some_and(|link| link.try_send(handed)) {
            add(&counters.handed_over, 1);
        } else {
            add(&counters.queue_full, 1);
        }
    }

    /// Takes a datagram that arrived on another thread. If it makes an allocation, the client's
    /// next datagrams must already follow when the answer reaches it; so they are sent for first,
    /// and sent away again if there is none.
    fn take_over(&mut self, from: usize, tuple: FiveTuple, packet: &[u8], now: Now) {
        if !self.arrives_at.contains_key(&tuple) {
            if self.unsent.len() >= UNSENT_CAPACITY {
                return add(&self.relaying.io.counters.queue_full, 1);
            }
            let news = Inbound::LivesAt { tuple, thread: self.index };
            // Sent away a moment ago and not told yet: told later, it would undo this.
            let untold = self.unsent.iter().position(|(_, gone)| *gone == tuple);
            let told = match untold {
                Some(at) => self.unsent.swap_remove(at).0 == from,
                None => self.links.get(from).is_some_and(|link| link.try_send(news)),
            };
            if told {
                self.arrives_at.insert(tuple, from);
            }
        }
        self.relaying.client(tuple, packet, now);
        self.relaying.flush();
        if !self.relaying.server.holds(&tuple) {
            self.goes(tuple);
        }
    }

    fn drain_events(&mut self, now: Now) {
        while let Some(event) = self.relaying.server.poll_event() {
            let io = &mut self.relaying.io;
            match &event {
                Event::Allocated { tuple, .. } => {
                    io.counters.allocated(tuple.transport);
                    io.holds(tuple, true);
                }
                Event::Refreshed { .. } => {}
                Event::Moved { from, to } => {
                    io.holds(from, false);
                    io.holds(to, true);
                    self.goes(*from);
                }
                Event::Closed { tuple, reason, since, traffic, .. } => {
                    let lived = now.steady.saturating_duration_since(*since);
                    io.counters.closed(*reason, lived, traffic);
                    io.holds(tuple, false);
                    tracing::debug!(?reason, ?traffic, "allocation closed");
                    // Who is to go has no use for a connection.
                    if *reason == CloseReason::Kicked {
                        self.relaying.close(tuple, now.steady);
                    }
                    self.goes(*tuple);
                }
                Event::RelayClosed { relayed } => {
                    io.relays.close(*relayed);
                    continue;
                }
                Event::ConnectionClosed { id } => {
                    io.waiting.remove(id);
                    if let Some(stop) = io.spliced.remove(id) {
                        stop.cancel();
                    }
                    continue;
                }
            }
            let allocations = self.relaying.server.allocations() as u64;
            self.relaying.io.counters.allocations.store(allocations, Ordering::Relaxed);
            // Nobody may be listening.
            let _unheard = self.events.send(event);
        }
    }

    fn count_refusals(&mut self) {
        let refusals = self.relaying.server.refusals();
        if refusals.total() != self.refusals_told {
            self.refusals_told = refusals.total();
            self.relaying.io.counters.refused(refusals);
        }
    }

    /// An allocation is no longer on this five-tuple.
    fn goes(&mut self, tuple: FiveTuple) {
        if let Some(thread) = self.arrives_at.remove(&tuple) {
            self.unsent.push((thread, tuple));
        }
    }

    fn tell_others(&mut self) {
        let links = &self.links;
        self.unsent.retain(|(thread, tuple)| {
            let news = Inbound::LivesNoMore { tuple: *tuple };
            links.get(*thread).is_some_and(|link| !link.try_send(news))
        });
    }

    fn now(&mut self) -> Now {
        let steady = Instant::now();
        let fresh = self.read_unix.filter(|(_, at)| steady.duration_since(*at) < WALL_TIME_AGE);
        let (unix, _) =
            *self.read_unix.insert(fresh.unwrap_or_else(|| ((self.unix_time)(), steady)));
        Now { steady, unix }
    }
}
