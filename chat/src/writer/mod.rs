//! The one writer of messages on this node.
//!
//! Sends queue up and are written together: at once when the writer is idle, otherwise everything
//! that queued during the previous flush. One flush is one transaction:
//!
//! 1. lock the conversations, sorted by id, FOR NO KEY UPDATE: numbers are then given out in the
//!    order of commits, and a rollback leaves no hole;
//! 2. look up client ids and memberships, in a **new** statement, which sees what the previous
//!    holder of the lock committed;
//! 3. number what survives, see [`batch`], and write messages, events and heads;
//! 4. commit; then answer; then hint.
//!
//! When the connection is lost, even during the commit, the batch is run again: the look-up finds
//! what was committed. When the database refuses the batch, each message is tried alone, so that
//! one cannot fail its neighbours.

mod batch;

use std::sync::Arc;
use std::time::Duration;

use confer_protocol::chat::{ConversationEvent, NewMessage, SendReceipt};
use confer_protocol::id::ConversationId;
use confer_protocol::room::UserInfo;
use sqlx::{Connection, PgConnection, PgPool};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::access::Membership;
use crate::delivery::Hints;
use crate::error::{SendError, is_transient};
use crate::receipts::ReceiptQueue;
use crate::sql;
use crate::stats::Counters;
use crate::writer::batch::Outcome;

/// Sends waiting for the writer. Beyond, senders are told to retry.
pub(crate) const SEND_CAPACITY: usize = 8192;

/// Messages of one transaction.
const BATCH_LENGTH: usize = 1000;

/// What a sender is told to wait when the queue is full or the database away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Pause after a failed attempt; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A checked message on its way into a batch.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) conversation: ConversationId,
    pub(crate) sender: UserInfo,
    pub(crate) membership: Membership,
    pub(crate) message: NewMessage,
}

struct Queued {
    outgoing: Outgoing,
    answer: oneshot::Sender<Result<SendReceipt, SendError>>,
}

/// The way to the writer.
#[derive(Clone)]
pub(crate) struct SendQueue {
    sender: mpsc::Sender<Queued>,
    counters: Arc<Counters>,
}

impl SendQueue {
    /// Queues a message and waits until it is durable or refused.
    pub(crate) async fn send(&self, outgoing: Outgoing) -> Result<SendReceipt, SendError> {
        let (answer, receipt) = oneshot::channel();
        self.sender.try_send(Queued { outgoing, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.counters.unavailable.add(1);
                SendError::Unavailable { retry_after: RETRY_AFTER }
            }
            mpsc::error::TrySendError::Closed(_) => SendError::Stopping,
        })?;
        receipt.await.unwrap_or(Err(SendError::Stopping))
    }

    /// How many messages wait.
    pub(crate) fn length(&self) -> usize {
        SEND_CAPACITY - self.sender.capacity()
    }
}

/// The task that owns the writing connection.
pub(crate) struct Writer {
    queue: mpsc::Receiver<Queued>,
    pool: PgPool,
    patience: Duration,
    hints: Hints,
    receipts: ReceiptQueue,
    counters: Arc<Counters>,
    connection: Option<PgConnection>,
}

impl Writer {
    pub(crate) fn new(
        pool: PgPool,
        patience: Duration,
        hints: Hints,
        receipts: ReceiptQueue,
        counters: Arc<Counters>,
    ) -> (SendQueue, Self) {
        let (sender, queue) = mpsc::channel(SEND_CAPACITY);
        let send_queue = SendQueue { sender, counters: Arc::clone(&counters) };
        (send_queue, Self { queue, pool, patience, hints, receipts, counters, connection: None })
    }

    /// Writes until `stop`, then what is queued by then.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut batch = Vec::with_capacity(BATCH_LENGTH);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled(), if !self.queue.is_closed() => self.queue.close(),
                taken = self.queue.recv_many(&mut batch, BATCH_LENGTH) => {
                    if taken == 0 {
                        break;
                    }
                    self.flush(std::mem::take(&mut batch)).await;
                }
            }
        }
        if let Some(connection) = self.connection.take() {
            // A connection that cannot be closed politely is closed all the same.
            let _ = connection.close().await;
        }
    }

    /// Writes one batch and answers every sender in it.
    async fn flush(&mut self, batch: Vec<Queued>) {
        let (outgoing, answers): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|queued| (queued.outgoing, queued.answer)).unzip();
        let outcomes = match self.write_patiently(&outgoing).await {
            Ok(outcomes) => outcomes,
            Err(WriteError::Refused) if outgoing.len() > 1 => self.write_singly(&outgoing).await,
            Err(error) => outgoing.iter().map(|_| error.outcome()).collect(),
        };
        let mut events = Vec::new();
        for ((outcome, answer), outgoing) in outcomes.into_iter().zip(answers).zip(&outgoing) {
            if let Outcome::Stored(receipt) = &outcome
                && !receipt.duplicate
            {
                events.push(batch::event(outgoing, receipt));
            }
            match &outcome {
                Outcome::Stored(receipt) if receipt.duplicate => self.counters.duplicates.add(1),
                Outcome::Stored(_) => self.counters.stored.add(1),
                Outcome::NoSuchConversation | Outcome::UnknownReply | Outcome::Refused => {
                    self.counters.refused.add(1);
                }
                Outcome::Away => self.counters.unavailable.add(1),
            }
            // A sender that stopped waiting asks again with the same client id.
            let _ = answer.send(outcome.into_answer());
        }
        self.announce(events);
    }

    /// Hints to everybody who watches, and moves the senders' own cursors.
    fn announce(&self, events: Vec<ConversationEvent>) {
        for event in events {
            self.receipts.own_message(&event);
            self.hints.event(event);
        }
    }

    /// A refused batch, message by message.
    async fn write_singly(&mut self, outgoing: &[Outgoing]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(outgoing.len());
        for single in outgoing {
            match self.write_patiently(std::slice::from_ref(single)).await {
                Ok(outcome) => outcomes.extend(outcome),
                Err(error) => outcomes.push(error.outcome()),
            }
        }
        outcomes
    }

    /// Tries again while the database is away.
    async fn write_patiently(&mut self, outgoing: &[Outgoing]) -> Result<Vec<Outcome>, WriteError> {
        let deadline = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.write(outgoing).await {
                Ok(outcomes) => return Ok(outcomes),
                Err(error) if !is_transient(&error) => {
                    tracing::error!(%error, messages = outgoing.len(), "messages were refused");
                    // A statement that failed leaves its transaction open.
                    self.connection = None;
                    return Err(WriteError::Refused);
                }
                Err(error) => {
                    self.connection = None;
                    if Instant::now() + pause > deadline {
                        tracing::warn!(%error, messages = outgoing.len(), "messages were given up");
                        return Err(WriteError::Away);
                    }
                    tracing::debug!(%error, messages = outgoing.len(), "writing is tried again");
                    self.counters.repeated_flushes.add(1);
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// One transaction.
    async fn write(&mut self, outgoing: &[Outgoing]) -> sqlx::Result<Vec<Outcome>> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            empty => {
                // Out of the pool, whose check before every use would cost a round trip per flush.
                let mut fresh = self.pool.acquire().await?.detach();
                sql::append::prepare_connection(&mut fresh).await?;
                empty.insert(fresh)
            }
        };
        let keys: Vec<_> = outgoing.iter().map(batch::key).collect();
        let mut conversations: Vec<_> = keys.iter().map(|key| key.conversation.0).collect();
        conversations.sort_unstable();
        conversations.dedup();

        let mut transaction = connection.begin().await?;
        let heads = sql::append::lock(&mut transaction, &conversations).await?;
        let (found, now) = sql::append::look_up(&mut transaction, &keys).await?;
        let plan = batch::number(outgoing, &heads, &found, now);
        if plan.messages.is_empty() {
            transaction.rollback().await?;
        } else {
            sql::append::append(&mut transaction, &plan.messages, &plan.heads).await?;
            transaction.commit().await?;
            self.counters.flushes.add(1);
        }
        Ok(plan.outcomes)
    }
}

/// Why a batch was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteError {
    Refused,
    Away,
}

impl WriteError {
    fn outcome(self) -> Outcome {
        match self {
            Self::Refused => Outcome::Refused,
            Self::Away => Outcome::Away,
        }
    }
}
