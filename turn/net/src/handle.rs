use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use confer_turn_core::DropReason;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Inbound;

/// The way to the relay for other parts.
#[derive(Clone, Debug)]
pub struct TurnHandle {
    control: mpsc::Sender<Control>,
    stats: Arc<Stats>,
    listening: Arc<[SocketAddr]>,
}

/// A request of another part.
#[derive(Debug)]
pub(crate) enum Control {
    Kick { user: String },
}

impl TurnHandle {
    pub(crate) fn new(
        control: mpsc::Sender<Control>,
        stats: Arc<Stats>,
        listening: Vec<SocketAddr>,
    ) -> Self {
        Self { control, stats, listening: listening.into() }
    }

    /// The addresses that were bound, in the order of the configuration.
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Ends every allocation of an identity, whose right to relay ended.
    pub async fn kick(&self, user: &str) {
        // A relay that is gone holds no allocation.
        let _ = self.control.send(Control::Kick { user: user.to_owned() }).await;
    }

    /// The counters now.
    pub fn stats(&self) -> StatsSnapshot {
        self.stats.snapshot()
    }
}

/// Keeps the relay running; [`Running::stop`] ends it.
#[derive(Debug)]
pub struct Running {
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Running {
    pub(crate) fn new(tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { tasks, stop }
    }

    /// Closes every socket and waits until its tasks are gone.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What the relay counts.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    pub(crate) allocations: AtomicU64,
    pub(crate) allocations_total: AtomicU64,
    pub(crate) relayed_packets: AtomicU64,
    pub(crate) relayed_bytes: AtomicU64,
    pub(crate) queue_full: AtomicU64,
    pub(crate) send_failed: AtomicU64,
    dropped: Mutex<BTreeMap<DropReason, u64>>,
}

/// The counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Allocations now.
    pub allocations: u64,
    pub allocations_total: u64,
    pub relayed_packets: u64,
    pub relayed_bytes: u64,
    /// Packets lost because the driver's or a client's queue was full.
    pub queue_full: u64,
    /// Packets the system refused to send; loss to both ends.
    pub send_failed: u64,
    pub dropped: BTreeMap<DropReason, u64>,
}

impl Stats {
    pub(crate) fn queued(&self, sent: Result<(), TrySendError<Inbound>>) {
        if sent.is_err() {
            self.queue_full.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn dropped(&self, reason: DropReason) {
        let mut dropped = self.dropped.lock().unwrap_or_else(PoisonError::into_inner);
        *dropped.entry(reason).or_default() += 1;
    }

    fn snapshot(&self) -> StatsSnapshot {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StatsSnapshot {
            allocations: load(&self.allocations),
            allocations_total: load(&self.allocations_total),
            relayed_packets: load(&self.relayed_packets),
            relayed_bytes: load(&self.relayed_bytes),
            queue_full: load(&self.queue_full),
            send_failed: load(&self.send_failed),
            dropped: self.dropped.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
