//! What passes in a stream between a client and a peer (RFC 6062): it counts for the same rates as
//! packets do, but nothing of it may get lost, so who is too fast waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::meter::{Meter, Shares};

/// What the streams of one allocation carried, and the rate they share.
#[derive(Debug)]
pub(crate) struct Carried {
    rate: Meter,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Carried {
    /// Nothing yet, at so many bytes a second; 0 for no limit.
    pub(crate) fn new(bytes_per_second: u64, now: Instant) -> Self {
        let rate = Meter::new(bytes_per_second, now);
        Self { rate, sent: AtomicU64::new(0), received: AtomicU64::new(0) }
    }

    /// Another rate from now on.
    pub(crate) fn set(&self, bytes_per_second: u64) {
        self.rate.set(bytes_per_second);
    }

    /// Bytes of the client and of its peers.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

/// What a stream owes for its bytes, whichever thread carries them.
#[derive(Clone, Debug)]
pub struct Toll {
    carried: Arc<Carried>,
    shares: Shares,
}

impl Toll {
    pub(crate) fn new(carried: Arc<Carried>, shares: Shares) -> Self {
        Self { carried, shares }
    }

    /// Counts bytes of the client; says how long they have to wait.
    pub fn sent(&self, bytes: usize, now: Instant) -> Duration {
        self.carried.sent.fetch_add(bytes as u64, Ordering::Relaxed);
        self.owed(bytes, now)
    }

    /// Counts bytes of the peer; says how long they have to wait.
    pub fn received(&self, bytes: usize, now: Instant) -> Duration {
        self.carried.received.fetch_add(bytes as u64, Ordering::Relaxed);
        self.owed(bytes, now)
    }

    fn owed(&self, bytes: usize, now: Instant) -> Duration {
        self.carried.rate.owe(bytes as u64, now).max(self.shares.owe(bytes, now))
    }
}
