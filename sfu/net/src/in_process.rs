//! The way to this process's relay and back that passes no socket.
//!
//! The shard notices nothing: addresses are those that would be on the wire. See `confer-inprocess`.

use std::net::SocketAddr;
use std::sync::Arc;

use confer_inprocess::{MOST_BYTES, MediaEnd, Sent};
use confer_sfu_core::io::Transmit;

use crate::command_queue::CommandQueue;
use crate::stats::InProcessStats;

/// Runs taken between two looks at the socket: as many as one receive call takes messages.
const RUNS_PER_TURN: usize = quinn_udp::BATCH_SIZE;

/// One media thread's way to all threads of the relay. Without a relay nothing comes and everything
/// goes through the socket.
pub(crate) struct InProcess {
    end: Option<MediaEnd>,
    port: u16,
    pub(crate) stats: InProcessStats,
}

impl InProcess {
    /// Tells the relay that this thread receives at `candidates`, which have `port`, and is woken
    /// like for a command.
    pub(crate) fn new(
        end: Option<MediaEnd>,
        candidates: &[SocketAddr],
        port: u16,
        commands: &Arc<CommandQueue>,
    ) -> Self {
        if let Some(end) = &end {
            let commands = Arc::clone(commands);
            end.announce(candidates, move || commands.ring());
        }
        Self { end, port, stats: InProcessStats::default() }
    }

    /// Gives each datagram with its source and the address it was sent to. Says whether there is
    /// probably more.
    pub(crate) fn receive(
        &mut self,
        mut each: impl FnMut(SocketAddr, SocketAddr, &mut [u8]),
    ) -> bool {
        let Self { end, stats, .. } = self;
        let Some(end) = end else { return false };
        end.receive(RUNS_PER_TURN, |source, local, datagram| {
            stats.received += 1;
            each(source, local, datagram);
        })
    }

    /// Hands over what is for a relayed address of this process; `false` when it is not.
    pub(crate) fn send(&mut self, transmit: &Transmit<'_>) -> bool {
        let Some(end) = &mut self.end else { return false };
        let source = SocketAddr::new(transmit.source, self.port);
        let segment = transmit.segment_size.unwrap_or(transmit.bytes.len()).max(1);
        let longest = segment * (MOST_BYTES / segment).max(1);
        for run in transmit.bytes.chunks(longest) {
            let datagrams = run.len().div_ceil(segment) as u64;
            match end.send(source, transmit.destination, run, segment) {
                Sent::Handed => self.stats.sent += datagrams,
                Sent::Full => self.stats.full += datagrams,
                // All of it, or the rest of a run whose destination ended meanwhile.
                Sent::Elsewhere => return false,
            }
        }
        true
    }

    /// Wakes whoever was sent something.
    pub(crate) fn wake(&mut self) {
        if let Some(end) = &mut self.end {
            end.wake();
        }
    }

    /// Says that this thread will wait; `false` if it must not, because something came.
    pub(crate) fn fall_asleep(&mut self) -> bool {
        self.end.as_mut().is_none_or(MediaEnd::fall_asleep)
    }

    /// Says that it waits no longer.
    pub(crate) fn awake(&self) {
        if let Some(end) = &self.end {
            end.awake();
        }
    }
}
