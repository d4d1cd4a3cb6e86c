//! What an operator can watch.

use std::sync::atomic::{AtomicU64, Ordering};

/// How the chat service of this process has fared since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChatStats {
    /// Feeds open now.
    pub feeds: u64,
    /// Messages waiting to be written now.
    pub queued: u64,
    /// Messages made durable.
    pub stored: u64,
    /// Retries answered with a message that was there already.
    pub duplicates: u64,
    /// Messages refused for what they say or who sent them.
    pub refused: u64,
    /// Messages whose senders were told to try again: the queue was full or the database away.
    pub unavailable: u64,
    /// Transactions that wrote messages; `stored` divided by this is the size of a batch.
    pub flushes: u64,
    /// Transactions that were run again because the connection was lost.
    pub repeated_flushes: u64,
    /// Cursors of members that moved.
    pub receipts: u64,
    /// Times a part of a log was read because a hint was missing.
    pub gaps: u64,
    /// Feeds that ended because their readers were too slow.
    pub feeds_cut: u64,
}

/// The same, being counted.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) stored: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) refused: Counter,
    pub(crate) unavailable: Counter,
    pub(crate) flushes: Counter,
    pub(crate) repeated_flushes: Counter,
    pub(crate) receipts: Counter,
    pub(crate) gaps: Counter,
    pub(crate) feeds_cut: Counter,
}

impl Counters {
    pub(crate) fn snapshot(&self, feeds: u64, queued: u64) -> ChatStats {
        ChatStats {
            feeds,
            queued,
            stored: self.stored.value(),
            duplicates: self.duplicates.value(),
            refused: self.refused.value(),
            unavailable: self.unavailable.value(),
            flushes: self.flushes.value(),
            repeated_flushes: self.repeated_flushes.value(),
            receipts: self.receipts.value(),
            gaps: self.gaps.value(),
            feeds_cut: self.feeds_cut.value(),
        }
    }
}

/// Only ever grows.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
