//! A media thread's end.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::Sent;
use crate::end::End;
use crate::ring::Head;
use crate::table::{Announced, Relayed};

/// A media thread's end: it has addresses that clients are told.
#[derive(Debug)]
pub struct MediaEnd {
    thread: usize,
    end: End,
    relayed: Arc<Relayed>,
    announced: Arc<Announced>,
}

impl MediaEnd {
    pub(crate) fn new(
        thread: usize,
        end: End,
        (relayed, announced): (Arc<Relayed>, Arc<Announced>),
    ) -> Self {
        Self { thread, end, relayed, announced }
    }

    /// Says how this thread is woken when it waits, and at which addresses it is reached. To be
    /// called once, before it waits.
    pub fn announce(&self, addresses: &[SocketAddr], bell: impl Fn() + Send + Sync + 'static) {
        self.end.set_bell(Box::new(bell));
        self.announced.set(self.thread, addresses);
    }

    /// Hands over a run of datagrams of `segment` bytes each, of which the last may be shorter, if
    /// `destination` is a relayed address of this process.
    pub fn send(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        run: &[u8],
        segment: usize,
    ) -> Sent {
        let Some((thread, ticket)) = self.relayed.holder(destination) else {
            return Sent::Elsewhere;
        };
        let Ok(segment) = u16::try_from(segment) else { return Sent::Elsewhere };
        let head = Head { from: source, to: destination, ticket, segment };
        self.end.send(thread, &head, run)
    }

    /// Wakes the relaying threads that something was handed to, if they sleep.
    pub fn wake(&mut self) {
        self.end.wake();
    }

    /// Takes up to `most` runs; gives each datagram with its source, which is a relayed address,
    /// and the address it was sent to. Says whether there may be more.
    pub fn receive(
        &mut self,
        most: usize,
        mut each: impl FnMut(SocketAddr, SocketAddr, &mut [u8]),
    ) -> bool {
        self.end.receive(most, |head, run| {
            for datagram in run.chunks_mut(usize::from(head.segment).max(1)) {
                each(head.from, head.to, datagram);
            }
        })
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
