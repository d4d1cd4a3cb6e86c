//! The handle everything goes through, and the tasks behind it.

use std::sync::Arc;

use confer_auth::Identity;
use confer_bus::Bus;
use confer_protocol::chat::{
    ConversationCursor, MessageSeq, NewMessage, Receipt, SendReceipt, Synced,
};
use confer_protocol::id::{ConversationId, Epoch};
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::access::{self, Denied, Membership};
use crate::config::Config;
use crate::delivery::{Delivery, Feed, Hints, Typing};
use crate::error::{FieldError, MarkError, ReadError, SendError, StartError};
use crate::receipts::{ReceiptQueue, ReceiptWriter};
use crate::stats::{ChatStats, Counters};
use crate::writer::{Outgoing, SendQueue, Writer};
use crate::{message, sql};

/// Cursors a client may send in one sync: more than a feed follows is of no use.
const CURSORS_PER_SYNC: usize = 10_000;

/// Chat: one per process, cloned by whoever uses it.
#[derive(Clone)]
pub struct ChatService {
    pub(crate) pool: PgPool,
    pub(crate) config: Arc<Config>,
    sends: SendQueue,
    receipts: ReceiptQueue,
    delivery: Arc<Delivery>,
    counters: Arc<Counters>,
}

/// The tasks of a [`ChatService`]. They end when this is dropped, politely after
/// [`Running::stop`].
pub struct Running {
    tasks: TaskTracker,
    writers: CancellationToken,
    feeds: CancellationToken,
    _stop_on_drop: [DropGuard; 2],
}

impl ChatService {
    /// Starts the writers, the sweep and the feeds. The migrations have been applied before.
    ///
    /// # Errors
    /// When the database cannot be read or lacks the tables.
    pub async fn start(
        pool: PgPool,
        bus: Bus,
        config: Config,
    ) -> Result<(Self, Running), StartError> {
        let epoch = sql::epoch(&pool).await?;
        let tasks = TaskTracker::new();
        let writers = CancellationToken::new();
        let feeds = CancellationToken::new();

        let counters = Arc::<Counters>::default();
        let hints = Hints::new(bus.clone(), epoch);
        let (receipts, receipt_writer) =
            ReceiptWriter::new(pool.clone(), &config, hints.clone(), Arc::clone(&counters));
        let (sends, writer) = Writer::new(
            pool.clone(),
            config.write_patience,
            hints,
            receipts.clone(),
            Arc::clone(&counters),
        );
        tasks.spawn(writer.run(writers.clone()));
        tasks.spawn(receipt_writer.run(writers.clone()));
        let delivery = Delivery::start(
            pool.clone(),
            bus,
            epoch,
            config.clone(),
            Arc::clone(&counters),
            tasks.clone(),
            feeds.clone(),
        );

        let service = Self { pool, config: Arc::new(config), sends, receipts, delivery, counters };
        let running = Running {
            tasks,
            _stop_on_drop: [writers.clone().drop_guard(), feeds.clone().drop_guard()],
            writers,
            feeds,
        };
        Ok((service, running))
    }

    /// Stores a message and answers with its number, the same number however often it is sent.
    ///
    /// # Errors
    /// In every case the message may be sent again with the same client id; a send that was
    /// abandoned or answered [`SendError::Unavailable`] may have been stored.
    pub async fn send(
        &self,
        identity: &Identity,
        conversation: ConversationId,
        message: NewMessage,
    ) -> Result<SendReceipt, SendError> {
        let membership =
            access::may_write(identity, conversation).map_err(|denied| match denied {
                Denied::NotGranted => SendError::NotGranted,
                Denied::OutOfScope => SendError::NotFound,
            })?;
        message::check(&message, &self.config.limits)?;
        let sender = identity.user.clone();
        self.sends.send(Outgoing { conversation, sender, membership, message }).await
    }

    /// Says how far a member is. Lower values than known ones are no error and change nothing.
    ///
    /// # Errors
    /// When the identity is no member or the database is away.
    pub async fn mark(
        &self,
        identity: &Identity,
        conversation: ConversationId,
        delivered: Option<MessageSeq>,
        read: Option<MessageSeq>,
    ) -> Result<Receipt, MarkError> {
        access::may_read(identity, conversation).map_err(|denied| match denied {
            Denied::NotGranted => MarkError::NotGranted,
            Denied::OutOfScope => MarkError::NotFound,
        })?;
        self.receipts.mark(conversation, identity.user_id(), delivered, read).await
    }

    /// Tells others that this user is writing. May be lost, is never stored.
    ///
    /// # Errors
    /// When the identity is no member.
    pub async fn typing(
        &self,
        identity: &Identity,
        conversation: ConversationId,
    ) -> Result<(), ReadError> {
        let membership = access::may_write(identity, conversation).map_err(read_denied)?;
        match self.delivery.typing(conversation, identity.user_id()) {
            Typing::ToldAlready => return Ok(()),
            // Only members' feeds watch: no question to the database.
            Typing::News => {}
            Typing::Unknown => {
                self.standing(identity, conversation, membership).await?;
            }
        }
        self.hints().typing(conversation, identity.user_id());
        Ok(())
    }

    /// Everything after the cursors, and a feed of what happens from then on.
    ///
    /// A conversation without a cursor, with one of another epoch or one too far behind is answered
    /// with `reset`; one with `more` has a hole up to what the feed brings, to be read with
    /// [`ChatService::events`].
    ///
    /// # Errors
    /// When the token does not permit reading or the database is away.
    pub async fn sync(
        &self,
        identity: &Identity,
        chat_epoch: Option<Epoch>,
        cursors: Vec<ConversationCursor>,
    ) -> Result<(Synced, Feed), ReadError> {
        if !identity.grants.chat_read {
            return Err(ReadError::NotGranted);
        }
        if cursors.len() > CURSORS_PER_SYNC {
            let problem = format!("must be at most {CURSORS_PER_SYNC}");
            return Err(FieldError::new("cursors", problem).into());
        }
        self.delivery.sync(identity, chat_epoch, &cursors).await
    }

    /// The epoch all numbers are of.
    pub fn epoch(&self) -> Epoch {
        self.delivery.epoch()
    }

    /// How the service of this process has fared.
    pub fn stats(&self) -> ChatStats {
        self.counters.snapshot(self.delivery.feeds() as u64, self.sends.length() as u64)
    }

    pub(crate) fn hints(&self) -> &Hints {
        self.delivery.hints()
    }

    /// How an identity whose token covers the conversation stands to it.
    pub(crate) async fn standing(
        &self,
        identity: &Identity,
        conversation: ConversationId,
        membership: Membership,
    ) -> Result<sql::member::Standing, ReadError> {
        let standing = sql::member::standing(&self.pool, conversation, identity.user_id())
            .await?
            .ok_or(ReadError::NotFound)?;
        let is_member = standing.membership.is_some_and(|member| member.is_active());
        if is_member || membership == Membership::NotNeeded {
            Ok(standing)
        } else {
            Err(ReadError::NotFound)
        }
    }
}

impl Running {
    /// Takes nothing new, writes what is queued, ends the feeds, and waits for all of it.
    pub async fn stop(self) {
        self.writers.cancel();
        self.feeds.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

pub(crate) fn read_denied(denied: Denied) -> ReadError {
    match denied {
        Denied::NotGranted => ReadError::NotGranted,
        Denied::OutOfScope => ReadError::NotFound,
    }
}
