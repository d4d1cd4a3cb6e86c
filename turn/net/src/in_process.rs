//! The way to this process's media threads and back that passes no socket.
//!
//! The core notices nothing: it is asked before anything is handed over and about everything that
//! comes, with the addresses that would be on the wire. See `confer-inprocess`.

use std::net::SocketAddr;

use confer_inprocess::{RelayEnd, Sent};
use confer_turn_core::{DropReason, Now};

use crate::link::Link;
use crate::relaying::Relaying;
use crate::stats::add;

/// Runs taken between two looks at the sockets.
const RUNS_PER_TURN: usize = quinn_udp::BATCH_SIZE;

/// One thread's way to all media threads. Without media everything goes through sockets.
#[derive(Debug, Default)]
pub(crate) struct InProcess(Option<Box<RelayEnd>>);

impl InProcess {
    /// The thread at the other end of `link` is woken by it.
    pub(crate) fn new(end: Option<RelayEnd>, link: &Link) -> Self {
        if let Some(end) = &end {
            end.set_bell(link.bell());
        }
        Self(end.map(Box::new))
    }

    /// A relayed address is bound.
    pub(crate) fn opened(&self, relayed: SocketAddr) {
        if let Some(end) = &self.0 {
            end.opened(relayed);
        }
    }

    /// A relayed address is about to be closed.
    pub(crate) fn closed(&self, relayed: SocketAddr) {
        if let Some(end) = &self.0 {
            end.closed(relayed);
        }
    }

    /// Hands over a run if `peer` is a media thread.
    pub(crate) fn send(
        &mut self,
        relayed: SocketAddr,
        peer: SocketAddr,
        run: &[u8],
        segment: usize,
    ) -> Sent {
        match &mut self.0 {
            Some(end) => end.send(relayed, peer, run, segment),
            None => Sent::Elsewhere,
        }
    }

    /// Wakes whoever was sent something.
    pub(crate) fn wake(&mut self) {
        if let Some(end) = &mut self.0 {
            end.wake();
        }
    }

    /// Says that this thread will wait; `false` if it must not, because something came.
    pub(crate) fn fall_asleep(&mut self) -> bool {
        self.0.as_mut().is_none_or(|end| end.fall_asleep())
    }

    /// Says that it waits no longer.
    pub(crate) fn awake(&self) {
        if let Some(end) = &self.0 {
            end.awake();
        }
    }
}

impl Relaying {
    /// Takes what media threads sent to relayed addresses, as if it had come through their sockets.
    /// What is left over keeps this thread from falling asleep.
    pub(crate) fn media(&mut self, now: Now) {
        // Out of the way, because taking a packet needs all of the rest.
        let mut way = std::mem::take(&mut self.io.relays.in_process);
        if let Some(end) = &mut way.0 {
            let mut packets = 0;
            let received = end.receive(RUNS_PER_TURN, |relayed, peer, payload| {
                packets += 1;
                self.peer(relayed, peer, payload, now);
            });
            if packets > 0 {
                add(&self.io.counters.in_process_packets, packets);
                self.flush();
            }
            for _ in 0..received.stale {
                self.io.counters.dropped(DropReason::NoAllocation);
            }
        }
        self.io.relays.in_process = way;
    }
}
