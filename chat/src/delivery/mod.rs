//! How stored changes reach those who watch.
//!
//! After a commit a [`hint`] goes over the bus. Each node keeps, in its [`registry`], how far every
//! watched conversation was delivered: the next event is passed on, a later one makes a task read
//! the range between, an earlier one is dropped. The [`sweep`] compares heads with the database, so
//! that a lost hint costs a second and nothing else. [`catch_up`] starts a feed: it registers
//! first, reads the log after the client's cursors, and joins both ends without a hole.

mod catch_up;
mod feed;
mod hint;
mod registry;
mod sweep;

use std::sync::Arc;

use confer_bus::{Bus, Signal};
use confer_protocol::chat::EventSeq;
use confer_protocol::id::{ConversationId, Epoch, UserId};
use confer_protocol::server::Notice;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use feed::Feed;
pub(crate) use hint::{Audience, Hints};
pub(crate) use registry::Typing;

use crate::config::Config;
use crate::delivery::hint::Hint;
use crate::delivery::registry::{FeedId, Next, Registry, Topics};
use crate::sql;
use crate::sql::event::Range;
use crate::stats::Counters;

/// Events read at once to close a gap.
const READ_LENGTH: i64 = 500;

/// Reads that close nothing before a gap is left to the sweep.
const EMPTY_READS: u32 = 3;

/// Everything about getting stored changes to feeds on this node.
pub(crate) struct Delivery {
    pool: PgPool,
    epoch: Epoch,
    config: Config,
    registry: Registry,
    hints: Hints,
    counters: Arc<Counters>,
    /// Woken to sweep at once.
    sweep_now: Notify,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Delivery {
    pub(crate) fn start(
        pool: PgPool,
        bus: Bus,
        epoch: Epoch,
        config: Config,
        counters: Arc<Counters>,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let hints = Hints::new(bus.clone(), epoch);
        let delivery = Arc::new(Self {
            pool,
            epoch,
            config,
            registry: Registry::new(bus, Arc::clone(&counters), stop.clone()),
            hints,
            counters,
            sweep_now: Notify::new(),
            tasks: tasks.clone(),
            stop,
        });
        tasks.spawn(sweep::run(Arc::clone(&delivery)));
        delivery
    }

    pub(crate) fn hints(&self) -> &Hints {
        &self.hints
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What the feeds of this node know of a user who says to be writing.
    pub(crate) fn typing(&self, conversation: ConversationId, user: UserId) -> Typing {
        self.registry.typing(conversation, user, Instant::now())
    }

    /// How many feeds are open on this node.
    pub(crate) fn feeds(&self) -> usize {
        self.registry.feeds()
    }

    /// Reads the topics that the registry began to listen to.
    fn follow(self: &Arc<Self>, topics: Topics) {
        for (mut subscription, stop) in topics.added {
            let delivery = Arc::clone(self);
            self.tasks.spawn(async move {
                loop {
                    tokio::select! {
                        () = stop.cancelled() => break,
                        signal = subscription.next() => delivery.signal(signal),
                    }
                }
            });
        }
    }

    fn signal(self: &Arc<Self>, signal: Signal) {
        match signal {
            Signal::Lagged => self.sweep_now.notify_one(),
            Signal::Message(bytes) => match hint::read(&bytes, self.epoch) {
                Some(hint) => self.hint(hint),
                None => tracing::debug!("a hint of another kind or epoch was ignored"),
            },
        }
    }

    fn hint(self: &Arc<Self>, hint: Hint) {
        match hint {
            Hint::Event { event } => {
                let (conversation, event_seq) = (event.conversation, event.event_seq);
                let next = self.registry.event(conversation, event_seq, Some(event));
                self.act(conversation, next);
            }
            Hint::Head { conversation, event_seq } => self.head(conversation, event_seq),
            Hint::Receipt { receipt, audience } => {
                let to = |user| audience == Audience::Everybody || user == receipt.user;
                self.registry.pass_on(receipt.conversation, to, Notice::ChatReceipt { receipt });
            }
            Hint::Typing { conversation, user } => {
                let notice = Notice::ChatTyping { conversation, user };
                self.registry.pass_on(conversation, |reader| reader != user, notice);
            }
            Hint::Memberships { user, version } => self.memberships(user, version),
        }
    }

    /// The log of a conversation ends here, says the database or another node.
    fn head(self: &Arc<Self>, conversation: ConversationId, event_seq: EventSeq) {
        let next = self.registry.event(conversation, event_seq, None);
        self.act(conversation, next);
    }

    fn act(self: &Arc<Self>, conversation: ConversationId, next: Next) {
        match next {
            Next::Nothing => {}
            Next::Read => {
                self.counters.gaps.add(1);
                let delivery = Arc::clone(self);
                let stop = self.stop.clone();
                self.tasks.spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = delivery.close_gap(conversation) => {}
                    }
                });
            }
        }
    }

    /// Reads a watched conversation's log from where it was delivered. One at a time for each
    /// conversation: the registry asks for it only while none runs.
    async fn close_gap(&self, conversation: ConversationId) {
        let mut empty_reads = 0;
        while let Some(after) = self.registry.delivered(conversation) {
            let range = Range::after(conversation, after);
            let events = match sql::event::ranges(&self.pool, &[range], READ_LENGTH).await {
                Ok(events) => events,
                Err(error) => {
                    tracing::warn!(%error, conversation.id = %conversation, "a gap stays open");
                    break;
                }
            };
            if events.is_empty() {
                empty_reads += 1;
            }
            match self.registry.range(conversation, events) {
                Next::Nothing => return,
                Next::Read if empty_reads >= EMPTY_READS => break,
                Next::Read => {}
            }
        }
        self.registry.gave_up(conversation);
    }

    /// A user's conversations changed; feeds of that user follow.
    fn memberships(self: &Arc<Self>, user: UserId, version: i64) {
        for feed in self.registry.outdated_feeds(user, version) {
            self.refresh(feed);
        }
    }

    fn refresh(self: &Arc<Self>, feed: FeedId) {
        let delivery = Arc::clone(self);
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                result = catch_up::follow_memberships(&delivery, feed) => {
                    if let Err(error) = result {
                        tracing::warn!(%error, "a feed does not know its new conversations yet");
                    }
                    delivery.registry.refreshed(feed);
                }
            }
        });
    }

    /// Ends a feed and stops listening to what only it needed.
    fn close(&self, feed: FeedId) {
        self.registry.close(feed);
    }
}
