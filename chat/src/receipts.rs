//! The one writer of receipts on this node.
//!
//! Marks queue up, are merged per member, and are written together: at once after a pause, else
//! after [`crate::Config::receipt_interval`]. Cursors only move up, and `read <= delivered <=
//! last_seq` whatever is asked for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use confer_protocol::chat::{Change, ConversationEvent, MessageSeq, Receipt};
use confer_protocol::id::{ConversationId, UserId};
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::delivery::{Audience, Hints};
use crate::error::{MarkError, is_transient};
use crate::sql::receipt::{self, Advance, Cursors, Locked, Place};
use crate::stats::Counters;

/// Marks waiting to be written. Beyond, clients are told to retry.
const MARK_CAPACITY: usize = 8192;

/// Marks merged into one transaction.
const BATCH_LENGTH: usize = 2000;

/// What a client is told to wait when the queue is full or the database away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often a batch is tried when the database is away; clients say it again anyway.
const ATTEMPTS: u32 = 3;

struct Mark {
    place: Place,
    wanted: Cursors,
    /// Nobody waits for what follows from an own message.
    answer: Option<oneshot::Sender<Result<Receipt, MarkError>>>,
}

/// The way to the receipt writer.
#[derive(Clone)]
pub(crate) struct ReceiptQueue(mpsc::Sender<Mark>);

impl ReceiptQueue {
    /// Moves a member's cursors up and says where they stand then.
    pub(crate) async fn mark(
        &self,
        conversation: ConversationId,
        user: UserId,
        delivered: Option<MessageSeq>,
        read: Option<MessageSeq>,
    ) -> Result<Receipt, MarkError> {
        let (answer, receipt) = oneshot::channel();
        let wanted =
            Cursors { delivered: delivered.unwrap_or_default(), read: read.unwrap_or_default() };
        let unavailable = || MarkError::Unavailable { retry_after: RETRY_AFTER };
        self.0
            .try_send(Mark { place: (conversation, user), wanted, answer: Some(answer) })
            .map_err(|_| unavailable())?;
        receipt.await.unwrap_or_else(|_| Err(unavailable()))
    }

    /// Who writes has read what was there before. May be lost: unread counts skip own messages.
    pub(crate) fn own_message(&self, event: &ConversationEvent) {
        if let Change::MessageSent { message } = &event.change {
            let place = (message.conversation, message.sender.id);
            let wanted = Cursors { delivered: message.seq, read: message.seq };
            let _ = self.0.try_send(Mark { place, wanted, answer: None });
        }
    }
}

/// The task that writes receipts.
pub(crate) struct ReceiptWriter {
    queue: mpsc::Receiver<Mark>,
    pool: PgPool,
    interval: Duration,
    /// In a larger conversation nobody sees how far others are.
    members_shown: u32,
    hints: Hints,
    counters: Arc<Counters>,
}

impl ReceiptWriter {
    pub(crate) fn new(
        pool: PgPool,
        config: &Config,
        hints: Hints,
        counters: Arc<Counters>,
    ) -> (ReceiptQueue, Self) {
        let (sender, queue) = mpsc::channel(MARK_CAPACITY);
        let writer = Self {
            queue,
            pool,
            interval: config.receipt_interval,
            members_shown: u32::from(config.limits.members_shown),
            hints,
            counters,
        };
        (ReceiptQueue(sender), writer)
    }

    /// Writes until `stop`, then what is queued by then.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH_LENGTH);
        let mut next_write = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled(), if !self.queue.is_closed() => self.queue.close(),
                taken = self.queue.recv_many(&mut batch, BATCH_LENGTH) => {
                    if taken == 0 {
                        break;
                    }
                    if !self.queue.is_closed() {
                        tokio::select! {
                            () = sleep_until(next_write) => {}
                            () = stop.cancelled() => self.queue.close(),
                        }
                    }
                    while batch.len() < BATCH_LENGTH && let Ok(mark) = self.queue.try_recv() {
                        batch.push(mark);
                    }
                    self.flush(std::mem::take(&mut batch)).await;
                    next_write = Instant::now() + self.interval;
                }
            }
        }
    }

    async fn flush(&self, batch: Vec<Mark>) {
        let wanted = merge(&batch);
        let mut attempt = 1;
        let written = loop {
            match self.write(&wanted).await {
                Ok(written) => break Some(written),
                Err(error) if is_transient(&error) && attempt < ATTEMPTS => attempt += 1,
                Err(error) => {
                    tracing::warn!(%error, marks = batch.len(), "receipts were not written");
                    break None;
                }
            }
        };
        let (standing, advances) = match &written {
            Some((standing, advances)) => (Some(standing), advances.as_slice()),
            None => (None, [].as_slice()),
        };
        for mark in batch {
            let Some(answer) = mark.answer else { continue };
            let result = match standing {
                None => Err(MarkError::Unavailable { retry_after: RETRY_AFTER }),
                Some(standing) => standing
                    .get(&mark.place)
                    .map(|cursors| receipt(mark.place, *cursors))
                    .ok_or(MarkError::NotFound),
            };
            // A client that stopped waiting needs no answer.
            let _ = answer.send(result);
        }
        self.counters.receipts.add(advances.len());
        for advance in advances {
            let audience = if advance.members <= self.members_shown {
                Audience::Everybody
            } else {
                Audience::OwnDevices
            };
            self.hints.receipt(receipt(advance.place, advance.to), audience);
        }
    }

    /// One transaction: where everybody stands after it, and who moved.
    async fn write(
        &self,
        wanted: &BTreeMap<Place, Cursors>,
    ) -> sqlx::Result<(BTreeMap<Place, Cursors>, Vec<Advance>)> {
        let places: Vec<Place> = wanted.keys().copied().collect();
        let mut transaction = self.pool.begin().await?;
        let locked = receipt::lock(&mut transaction, &places).await?;
        let mut standing = BTreeMap::new();
        let mut advances = Vec::new();
        for (place, wanted) in wanted {
            let Some(locked) = locked.get(place) else { continue };
            let to = advanced(*locked, *wanted);
            standing.insert(*place, to);
            if to != locked.cursors {
                let (from, members) = (locked.cursors, locked.members);
                advances.push(Advance { place: *place, from, to, members });
            }
        }
        if advances.is_empty() {
            transaction.rollback().await?;
        } else {
            receipt::advance(&mut transaction, &advances).await?;
            transaction.commit().await?;
        }
        Ok((standing, advances))
    }
}

fn receipt((conversation, user): Place, cursors: Cursors) -> Receipt {
    Receipt { conversation, user, delivered: cursors.delivered, read: cursors.read }
}

/// The furthest anybody asked for each member.
fn merge(batch: &[Mark]) -> BTreeMap<Place, Cursors> {
    let mut merged: BTreeMap<Place, Cursors> = BTreeMap::new();
    for mark in batch {
        let cursors = merged.entry(mark.place).or_default();
        cursors.delivered = cursors.delivered.max(mark.wanted.delivered);
        cursors.read = cursors.read.max(mark.wanted.read);
    }
    merged
}

/// Where cursors stand after a wish: never back, never past the last message, read implies
/// delivered.
fn advanced(locked: Locked, wanted: Cursors) -> Cursors {
    let read = wanted.read.min(locked.last_seq).max(locked.cursors.read);
    let delivered = wanted.delivered.min(locked.last_seq).max(locked.cursors.delivered).max(read);
    Cursors { delivered, read }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursors(delivered: u64, read: u64) -> Cursors {
        Cursors { delivered: MessageSeq(delivered), read: MessageSeq(read) }
    }

    #[test]
    fn reading_implies_delivery_and_nothing_passes_the_last_message() {
        let locked = Locked { cursors: cursors(3, 1), last_seq: MessageSeq(9), members: 2 };
        assert_eq!(advanced(locked, cursors(0, 7)), cursors(7, 7));
        assert_eq!(advanced(locked, cursors(50, 40)), cursors(9, 9));
        assert_eq!(advanced(locked, cursors(2, 0)), cursors(3, 1));
    }

    proptest! {
        #[test]
        fn cursors_only_move_up_and_keep_their_order(
            last in 0..50u64, delivered in 0..50u64, read in 0..50u64,
            wanted_delivered in 0..99u64, wanted_read in 0..99u64,
        ) {
            let delivered = delivered.min(last);
            let read = read.min(delivered);
            let locked =
                Locked { cursors: cursors(delivered, read), last_seq: MessageSeq(last), members: 2 };
            let after = advanced(locked, cursors(wanted_delivered, wanted_read));
            prop_assert!(after.read >= locked.cursors.read);
            prop_assert!(after.delivered >= locked.cursors.delivered);
            prop_assert!(after.read <= after.delivered && after.delivered.0 <= last);
        }
    }
}
