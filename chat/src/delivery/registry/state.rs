//! What the registry's lock protects.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use confer_auth::RoomScope;
use confer_bus::Bus;
use confer_protocol::chat::{Change, EventSeq};
use confer_protocol::id::{ConversationId, UserId};
use confer_protocol::server::Notice;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::hint::TopicIndex;
use super::watched::{Join, Watched};
use super::{FeedId, Joined, Next, Topics};
use crate::stats::Counters;

pub(super) struct State {
    bus: Bus,
    counters: Arc<Counters>,
    stop: CancellationToken,
    next_feed: u64,
    pub(super) feeds: HashMap<FeedId, FeedEntry>,
    pub(super) feeds_of: HashMap<UserId, HashSet<FeedId>>,
    pub(super) conversations: HashMap<ConversationId, Watched>,
    listening: HashMap<TopicIndex, Listening>,
}

pub(super) struct FeedEntry {
    pub(super) user: UserId,
    pub(super) scope: RoomScope,
    pub(super) queue: mpsc::Sender<Arc<Notice>>,
    pub(super) conversations: HashSet<ConversationId>,
    /// Version of the membership list the feed follows; none until it has read one.
    pub(super) version: Option<i64>,
    pub(super) is_refreshing: bool,
    /// When this user last said to be writing, and where.
    pub(super) typed: Option<(ConversationId, Instant)>,
}

/// A topic that is listened to and for how many reasons.
struct Listening {
    reasons: usize,
    stop: CancellationToken,
}

impl State {
    pub(super) fn new(bus: Bus, counters: Arc<Counters>, stop: CancellationToken) -> Self {
        Self {
            bus,
            counters,
            stop,
            next_feed: 0,
            feeds: HashMap::new(),
            feeds_of: HashMap::new(),
            conversations: HashMap::new(),
            listening: HashMap::new(),
        }
    }

    pub(super) fn open(
        &mut self,
        user: UserId,
        scope: RoomScope,
        queue: mpsc::Sender<Arc<Notice>>,
        topics: &mut Topics,
    ) -> FeedId {
        let id = FeedId(self.next_feed);
        self.next_feed += 1;
        let entry = FeedEntry {
            user,
            scope,
            queue,
            conversations: HashSet::new(),
            version: None,
            is_refreshing: false,
            typed: None,
        };
        self.feeds.insert(id, entry);
        self.feeds_of.entry(user).or_default().insert(id);
        self.need(TopicIndex::of(user.0), topics);
        id
    }

    pub(super) fn watch(
        &mut self,
        feed: FeedId,
        conversation: ConversationId,
        topics: &mut Topics,
    ) {
        let Some(entry) = self.feeds.get_mut(&feed) else { return };
        if !entry.conversations.insert(conversation) {
            return;
        }
        let watched = self.conversations.entry(conversation).or_default();
        let is_first = watched.is_unread();
        watched.enter(feed);
        if is_first {
            self.need(TopicIndex::of(conversation.0), topics);
        }
    }

    pub(super) fn join(
        &mut self,
        feed: FeedId,
        conversation: ConversationId,
        replayed: EventSeq,
        replay: impl Iterator<Item = Arc<Notice>>,
    ) -> Joined {
        let Some(watched) = self.conversations.get_mut(&conversation) else {
            return Joined::Gone;
        };
        match watched.join(feed, replayed) {
            Join::Gone => Joined::Gone,
            Join::Behind => Joined::Behind,
            Join::Live(kept) => {
                for notice in replay.chain(kept) {
                    self.push(feed, conversation, &notice);
                }
                Joined::Live(self.settle(conversation))
            }
        }
    }

    /// Passes on what follows without a gap, and says whether something is missing.
    pub(super) fn settle(&mut self, conversation: ConversationId) -> Next {
        while let Some(delivery) =
            self.conversations.get_mut(&conversation).and_then(Watched::take_next)
        {
            for feed in delivery.live {
                self.push(feed, conversation, &delivery.notice);
            }
            for feed in delivery.lost {
                self.cut(feed);
            }
        }
        self.conversations.get_mut(&conversation).map_or(Next::Nothing, Watched::missing)
    }

    /// Queues an event for a feed; a feed whose queue is full ends.
    fn push(&mut self, feed: FeedId, conversation: ConversationId, notice: &Arc<Notice>) {
        let Some(entry) = self.feeds.get_mut(&feed) else { return };
        if entry.queue.try_send(Arc::clone(notice)).is_err() {
            self.cut(feed);
            return;
        }
        if let Notice::ChatEvent { event } = notice.as_ref()
            && event.change == (Change::MemberRemoved { user: entry.user })
            && entry.conversations.remove(&conversation)
        {
            // The removal is the last a removed member gets to see. Somebody who was added again
            // meanwhile is found to be a member by the next look at the list.
            entry.version = entry.version.map(|_| 0);
            self.leave(feed, conversation);
        }
    }

    /// Ends a feed whose reader is too slow.
    fn cut(&mut self, feed: FeedId) {
        if self.feeds.contains_key(&feed) {
            self.counters.feeds_cut.add(1);
            self.close(feed);
        }
    }

    pub(super) fn close(&mut self, feed: FeedId) {
        let Some(entry) = self.feeds.remove(&feed) else { return };
        for conversation in entry.conversations {
            self.leave(feed, conversation);
        }
        if let Some(feeds) = self.feeds_of.get_mut(&entry.user) {
            feeds.remove(&feed);
            if feeds.is_empty() {
                self.feeds_of.remove(&entry.user);
            }
        }
        self.need_no_more(TopicIndex::of(entry.user.0));
    }

    fn leave(&mut self, feed: FeedId, conversation: ConversationId) {
        if let Some(watched) = self.conversations.get_mut(&conversation) {
            watched.leave(feed);
            if watched.is_unread() {
                self.conversations.remove(&conversation);
                self.need_no_more(TopicIndex::of(conversation.0));
            }
        }
    }

    /// Subscribes under the lock: whoever finds a topic listened to may rely on it at once.
    fn need(&mut self, topic: TopicIndex, topics: &mut Topics) {
        if let Some(listening) = self.listening.get_mut(&topic) {
            listening.reasons += 1;
            return;
        }
        let stop = self.stop.child_token();
        topics.added.push((self.bus.subscribe(&topic.topic()), stop.clone()));
        self.listening.insert(topic, Listening { reasons: 1, stop });
    }

    fn need_no_more(&mut self, topic: TopicIndex) {
        if let Some(listening) = self.listening.get_mut(&topic) {
            listening.reasons -= 1;
            if listening.reasons == 0
                && let Some(unheard) = self.listening.remove(&topic)
            {
                unheard.stop.cancel();
            }
        }
    }
}
