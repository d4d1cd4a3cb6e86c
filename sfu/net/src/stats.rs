//! What is counted at the socket, and how counters leave the thread.

use std::sync::{Mutex, PoisonError};

use confer_sfu_core::stats::ShardStats;

/// Everything one shard counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSnapshot {
    pub shard: ShardStats,
    pub socket: SocketStats,
    pub in_process: InProcessStats,
}

/// What one socket counts. Counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketStats {
    pub datagrams_received: u64,
    pub bytes_received: u64,
    /// Calls of `recvmmsg` that brought something.
    pub receive_calls: u64,
    /// Reads that failed. The datagram is lost, the socket is not.
    pub receive_errors: u64,
    pub datagrams_sent: u64,
    pub bytes_sent: u64,
    /// Calls of `sendmsg`. With segmentation there are fewer than datagrams.
    pub send_calls: u64,
    /// Datagrams lost because the kernel's buffer was full.
    pub send_buffer_full: u64,
    /// Datagrams lost for another reason: no route, a firewall rule, too long for the interface.
    pub send_errors: u64,
    /// Runs the kernel refused to segment and that went out one by one.
    pub segmentation_refused: u64,
    /// Whether runs are handed to the kernel whole.
    pub segmentation: bool,
}

/// What passes between this thread and the relay of the same process without a socket, in
/// datagrams. Counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InProcessStats {
    pub received: u64,
    pub sent: u64,
    /// Lost because the way to a relaying thread was full.
    pub full: u64,
}

/// The place where a media thread leaves its counters for others, a few times a second.
#[derive(Debug, Default)]
pub(crate) struct Published(Mutex<ShardSnapshot>);

impl Published {
    pub(crate) fn write(&self, snapshot: ShardSnapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    pub(crate) fn read(&self) -> ShardSnapshot {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
