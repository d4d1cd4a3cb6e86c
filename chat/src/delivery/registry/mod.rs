//! Who on this node watches what, and how far each conversation was delivered.
//!
//! One lock, held for the length of an update and never across an await. Nothing here reads the
//! database: methods answer [`Next::Read`] when somebody must.

mod state;
#[cfg(test)]
mod tests;
mod watched;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use confer_auth::RoomScope;
use confer_bus::{Bus, Subscription};
use confer_protocol::chat::{ConversationEvent, EventSeq};
use confer_protocol::id::{ConversationId, UserId};
use confer_protocol::server::Notice;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::state::State;
use crate::stats::Counters;

/// Notices waiting for one feed's reader. Beyond, the feed ends and its client syncs again.
const FEED_CAPACITY: usize = 1024;

/// Room in a feed's queue that only durable events may use: notices that may be lost go first.
const FEED_RESERVE: usize = 256;

/// Others are told that somebody is writing at most this often.
const TYPING_INTERVAL: Duration = Duration::from_secs(1);

/// Names a feed on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct FeedId(u64);

/// What is known of somebody who says to be writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typing {
    /// No feed of that user watches the conversation here: the database knows about membership.
    Unknown,
    /// A member, and others were told a moment ago.
    ToldAlready,
    /// A member, and others are to be told.
    News,
}

/// What the caller must do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Next {
    Nothing,
    /// Read the conversation's log from where it was delivered.
    Read,
}

/// Topics that somebody needs since this call and that nobody listened to. The subscriptions keep
/// what is published until somebody reads them; each is to be read until its token is cancelled.
#[derive(Default)]
#[must_use]
pub(crate) struct Topics {
    pub(crate) added: Vec<(Subscription, CancellationToken)>,
}

/// Whether a reader is live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Joined {
    /// Everything after the replay arrives.
    Live(Next),
    /// Others got more than was replayed; replay more.
    Behind,
    /// The feed is gone or no longer watches this.
    Gone,
}

pub(crate) struct Registry {
    state: Mutex<State>,
}

impl Registry {
    /// A registry that listens on `bus` until `stop`.
    pub(crate) fn new(bus: Bus, counters: Arc<Counters>, stop: CancellationToken) -> Self {
        Self { state: Mutex::new(State::new(bus, counters, stop)) }
    }

    /// Opens a feed that watches nothing yet.
    pub(crate) fn open(
        &self,
        user: UserId,
        scope: RoomScope,
    ) -> (FeedId, mpsc::Receiver<Arc<Notice>>, Topics) {
        let (queue, notices) = mpsc::channel(FEED_CAPACITY);
        let mut topics = Topics::default();
        let id = self.lock().open(user, scope, queue, &mut topics);
        (id, notices, topics)
    }

    /// Ends a feed.
    pub(crate) fn close(&self, feed: FeedId) {
        self.lock().close(feed);
    }

    /// Starts watching; events are kept for the feed until it joins.
    pub(crate) fn watch(&self, feed: FeedId, conversations: &[ConversationId]) -> Topics {
        let mut state = self.lock();
        let mut topics = Topics::default();
        for conversation in conversations {
            state.watch(feed, *conversation, &mut topics);
        }
        topics
    }

    /// Makes a reader live whose replay went up to `replayed`, after passing it `replay`.
    pub(crate) fn join(
        &self,
        feed: FeedId,
        conversation: ConversationId,
        replayed: EventSeq,
        replay: &[ConversationEvent],
    ) -> Joined {
        let notices = replay.iter().cloned().map(notice);
        self.lock().join(feed, conversation, replayed, notices)
    }

    /// An event was heard of, with or without its content.
    pub(crate) fn event(
        &self,
        conversation: ConversationId,
        event_seq: EventSeq,
        event: Option<ConversationEvent>,
    ) -> Next {
        let mut state = self.lock();
        let Some(watched) = state.conversations.get_mut(&conversation) else {
            return Next::Nothing;
        };
        watched.hear(event_seq, event.map(notice));
        state.settle(conversation)
    }

    /// Where the log of a watched conversation must be read from, if it still is watched.
    pub(crate) fn delivered(&self, conversation: ConversationId) -> Option<EventSeq> {
        self.lock().conversations.get(&conversation)?.delivered()
    }

    /// Part of a log was read, from where it was delivered.
    pub(crate) fn range(
        &self,
        conversation: ConversationId,
        events: Vec<ConversationEvent>,
    ) -> Next {
        let mut state = self.lock();
        let Some(watched) = state.conversations.get_mut(&conversation) else {
            return Next::Nothing;
        };
        watched.read(events.into_iter().map(|event| (event.event_seq, notice(event))));
        state.settle(conversation)
    }

    /// Reading led nowhere; the sweep asks again.
    pub(crate) fn gave_up(&self, conversation: ConversationId) {
        if let Some(watched) = self.lock().conversations.get_mut(&conversation) {
            watched.gave_up();
        }
    }

    /// The database's log ends before what was delivered: its numbers are given out anew, and
    /// whoever watches must start over.
    pub(crate) fn went_back(&self, conversation: ConversationId) {
        let mut state = self.lock();
        let readers: Vec<FeedId> = state
            .conversations
            .get(&conversation)
            .map(|watched| watched.readers().collect())
            .unwrap_or_default();
        for feed in readers {
            state.close(feed);
        }
    }

    /// Passes something on that may be lost, to the readers of some users.
    pub(crate) fn pass_on(
        &self,
        conversation: ConversationId,
        to: impl Fn(UserId) -> bool,
        notice: Notice,
    ) {
        let state = self.lock();
        let Some(watched) = state.conversations.get(&conversation) else { return };
        let notice = Arc::new(notice);
        for feed in watched.readers() {
            if let Some(entry) = state.feeds.get(&feed)
                && to(entry.user)
                && entry.queue.capacity() > FEED_RESERVE
            {
                // A reader that is going away misses nothing.
                let _ = entry.queue.try_send(Arc::clone(&notice));
            }
        }
    }

    /// Watched conversations and how far each was delivered.
    pub(crate) fn heads(&self) -> Vec<(ConversationId, EventSeq)> {
        self.lock()
            .conversations
            .iter()
            .filter_map(|(id, watched)| Some((*id, watched.delivered()?)))
            .collect()
    }

    /// Users with feeds here.
    pub(crate) fn users(&self) -> Vec<UserId> {
        self.lock().feeds_of.keys().copied().collect()
    }

    /// Feeds of a user that follow an older list and are not reading a newer one; each is to be
    /// refreshed by the caller.
    pub(crate) fn outdated_feeds(&self, user: UserId, version: i64) -> Vec<FeedId> {
        let mut state = self.lock();
        let feeds = state.feeds_of.get(&user).cloned().unwrap_or_default();
        let mut outdated = Vec::new();
        for id in feeds {
            if let Some(entry) = state.feeds.get_mut(&id)
                && !entry.is_refreshing
                && entry.version.is_some_and(|known| known < version)
            {
                entry.is_refreshing = true;
                outdated.push(id);
            }
        }
        outdated
    }

    /// A refresh is over, well or not.
    pub(crate) fn refreshed(&self, feed: FeedId) {
        if let Some(entry) = self.lock().feeds.get_mut(&feed) {
            entry.is_refreshing = false;
        }
    }

    /// Which version of the membership list a feed follows now.
    pub(crate) fn follows(&self, feed: FeedId, version: i64) {
        if let Some(entry) = self.lock().feeds.get_mut(&feed) {
            entry.version = Some(version);
        }
    }

    /// Whose feed this is, and which rooms its token covers.
    pub(crate) fn feed(&self, feed: FeedId) -> Option<(UserId, RoomScope)> {
        self.lock().feeds.get(&feed).map(|entry| (entry.user, entry.scope.clone()))
    }

    pub(crate) fn is_watching(&self, feed: FeedId, conversation: ConversationId) -> bool {
        self.lock()
            .feeds
            .get(&feed)
            .is_some_and(|entry| entry.conversations.contains(&conversation))
    }

    /// Whether a user who says to be writing is known to be a member here, and whether others
    /// should be told.
    pub(crate) fn typing(
        &self,
        conversation: ConversationId,
        user: UserId,
        now: Instant,
    ) -> Typing {
        let mut state = self.lock();
        let feeds = state.feeds_of.get(&user).cloned().unwrap_or_default();
        let mut typing = Typing::Unknown;
        for feed in feeds {
            if let Some(entry) = state.feeds.get_mut(&feed)
                && entry.conversations.contains(&conversation)
            {
                let is_news = entry.typed.is_none_or(|(place, at)| {
                    place != conversation || now.duration_since(at) >= TYPING_INTERVAL
                });
                if !is_news {
                    return Typing::ToldAlready;
                }
                entry.typed = Some((conversation, now));
                typing = Typing::News;
            }
        }
        typing
    }

    pub(crate) fn feeds(&self) -> usize {
        self.lock().feeds.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn notice(event: ConversationEvent) -> Arc<Notice> {
    Arc::new(Notice::ChatEvent { event })
}
