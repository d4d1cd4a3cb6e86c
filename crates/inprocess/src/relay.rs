//! A relaying thread's end.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::Sent;
use crate::end::End;
use crate::ring::Head;
use crate::table::{Announced, Relayed};

/// A relaying thread's end: it has the relayed addresses.
#[derive(Debug)]
pub struct RelayEnd {
    thread: usize,
    end: End,
    relayed: Arc<Relayed>,
    announced: Arc<Announced>,
}

/// What one look at the rings brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// There may be more.
    pub has_more: bool,
    /// Datagrams for relayed addresses whose holder, for whom they were, is gone.
    pub stale: u64,
}

impl RelayEnd {
    pub(crate) fn new(
        thread: usize,
        end: End,
        (relayed, announced): (Arc<Relayed>, Arc<Announced>),
    ) -> Self {
        Self { thread, end, relayed, announced }
    }

    /// Says how this thread is woken when it waits. To be called once, before it does.
    pub fn set_bell(&self, bell: impl Fn() + Send + Sync + 'static) {
        self.end.set_bell(Box::new(bell));
    }

    /// A relayed address was opened here; its socket is bound.
    pub fn opened(&self, relayed: SocketAddr) {
        self.relayed.open(relayed, self.thread);
    }

    /// A relayed address of this thread ends; its socket is not closed yet.
    pub fn closed(&self, relayed: SocketAddr) {
        self.relayed.close(relayed, self.thread);
    }

    /// Hands over a run of datagrams of `segment` bytes each, of which the last may be shorter,
    /// from a relayed address of this thread, if `peer` is a media thread of this process.
    pub fn send(
        &mut self,
        relayed: SocketAddr,
        peer: SocketAddr,
        run: &[u8],
        segment: usize,
    ) -> Sent {
        let Some(shard) = self.announced.thread(peer) else { return Sent::Elsewhere };
        let Ok(segment) = u16::try_from(segment) else { return Sent::Elsewhere };
        let head = Head { from: relayed, to: peer, ticket: 0, segment };
        self.end.send(shard, &head, run)
    }

    /// Wakes the media threads that something was handed to, if they sleep.
    pub fn wake(&mut self) {
        self.end.wake();
    }

    /// Takes up to `most` runs; gives each datagram with the relayed address it is for and the
    /// address it is from.
    pub fn receive(
        &mut self,
        most: usize,
        mut each: impl FnMut(SocketAddr, SocketAddr, &mut [u8]),
    ) -> Received {
        let Self { thread, end, relayed, .. } = self;
        let mut stale = 0;
        let has_more = end.receive(most, |head, run| {
            let datagrams = run.chunks_mut(usize::from(head.segment).max(1));
            if relayed.holder(head.to) == Some((*thread, head.ticket)) {
                datagrams.for_each(|datagram| each(head.to, head.from, datagram));
            } else {
                stale += datagrams.len() as u64;
            }
        });
        Received { has_more, stale }
    }

    /// Says that this thread will wait for its bell; `false` if it must not, because something came.
    #[must_use = "a thread that must not sleep misses what came"]
    pub fn fall_asleep(&mut self) -> bool {
        self.end.fall_asleep()
    }

    /// Says that this thread waits no longer.
    pub fn awake(&self) {
        self.end.awake();
    }
}

impl Drop for RelayEnd {
    /// A thread that ends has no relayed addresses, however it ends.
    fn drop(&mut self) {
        self.relayed.close_all(self.thread);
    }
}
