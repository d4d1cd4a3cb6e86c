//! Who on this node watches what, and how far each conversation was delivered.
//!
//! One lock, held for the length of an update and never across an await. Nothing here reads the
//! database: methods answer [`Next::Read`] when somebody must.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use confer_auth::RoomScope;
use confer_bus::{Bus, Subscription};
use confer_protocol::chat::{Change, ConversationEvent, EventSeq};
use confer_protocol::id::{ConversationId, UserId};
use confer_protocol::server::Notice;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::hint::TopicIndex;
use super::{conversation_topic, user_topic};
use crate::stats::Counters;

/// Notices waiting for one feed's reader. Beyond, the feed ends and its client syncs again.
const FEED_CAPACITY: usize = 1024;

/// Room in a feed's queue that only durable events may use: notices that may be lost go first.
const FEED_RESERVE: usize = 256;

/// Events of one conversation kept while those before them are read. Beyond, later ones are read
/// as well.
const EARLY_CAPACITY: usize = 256;

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

struct State {
    bus: Bus,
    counters: Arc<Counters>,
    stop: CancellationToken,
    next_feed: u64,
    feeds: HashMap<FeedId, FeedEntry>,
    feeds_of: HashMap<UserId, HashSet<FeedId>>,
    conversations: HashMap<ConversationId, Watched>,
    listening: HashMap<TopicIndex, Listening>,
}

struct FeedEntry {
    user: UserId,
    scope: RoomScope,
    queue: mpsc::Sender<Arc<Notice>>,
    conversations: HashSet<ConversationId>,
    /// Version of the membership list the feed follows; none until it has read one.
    version: Option<i64>,
    refreshing: bool,
    /// When this user last said to be writing, and where.
    typed: Option<(ConversationId, Instant)>,
}

/// A topic that is listened to and for how many reasons.
struct Listening {
    reasons: usize,
    stop: CancellationToken,
}

/// A conversation that some feed watches.
#[derive(Default)]
struct Watched {
    /// The last event passed on; none until the first reader has joined.
    delivered: Option<EventSeq>,
    /// The last event heard of.
    heard: EventSeq,
    /// Events after a gap.
    early: BTreeMap<EventSeq, Arc<Notice>>,
    is_being_read: bool,
    readers: HashMap<FeedId, Reader>,
}

/// One feed in one conversation.
enum Reader {
    /// Its replay is being read; what comes meanwhile waits here. Without a hole, like delivery.
    Replaying(VecDeque<(EventSeq, Arc<Notice>)>),
    /// Gets what comes after this event, up to which the replay went.
    Live { after: EventSeq },
}

impl Registry {
    /// A registry that listens on `bus` until `stop`.
    pub(crate) fn new(bus: Bus, counters: Arc<Counters>, stop: CancellationToken) -> Self {
        Self {
            state: Mutex::new(State {
                bus,
                counters,
                stop,
                next_feed: 0,
                feeds: HashMap::new(),
                feeds_of: HashMap::new(),
                conversations: HashMap::new(),
                listening: HashMap::new(),
            }),
        }
    }

    /// Opens a feed that watches nothing yet.
    pub(crate) fn open(
        &self,
        user: UserId,
        scope: RoomScope,
    ) -> (FeedId, mpsc::Receiver<Arc<Notice>>, Topics) {
        let (queue, notices) = mpsc::channel(FEED_CAPACITY);
        let mut state = self.lock();
        let id = FeedId(state.next_feed);
        state.next_feed += 1;
        state.feeds.insert(
            id,
            FeedEntry {
                user,
                scope,
                queue,
                conversations: HashSet::new(),
                version: None,
                refreshing: false,
                typed: None,
            },
        );
        state.feeds_of.entry(user).or_default().insert(id);
        let mut topics = Topics::default();
        state.need(user_topic(user), &mut topics);
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
            let Some(entry) = state.feeds.get_mut(&feed) else { break };
            if !entry.conversations.insert(*conversation) {
                continue;
            }
            let watched = state.conversations.entry(*conversation).or_default();
            let is_first = watched.readers.is_empty();
            watched.readers.insert(feed, Reader::Replaying(VecDeque::new()));
            if is_first {
                state.need(conversation_topic(*conversation), &mut topics);
            }
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
        let mut state = self.lock();
        let Some(watched) = state.conversations.get_mut(&conversation) else {
            return Joined::Gone;
        };
        let Some(Reader::Replaying(kept)) = watched.readers.get(&feed) else {
            return Joined::Gone;
        };
        let reaches = match (watched.delivered, kept.front()) {
            // Nothing was passed on here yet, so nothing was missed.
            (None, _) => true,
            (Some(_), Some((first, _))) => replayed.0 + 1 >= first.0,
            (Some(delivered), None) => replayed >= delivered,
        };
        if !reaches {
            return Joined::Behind;
        }
        let reader = watched.readers.insert(feed, Reader::Live { after: replayed });
        let kept = match reader {
            Some(Reader::Replaying(kept)) => kept,
            Some(Reader::Live { .. }) | None => VecDeque::new(),
        };
        let next = if watched.delivered.is_none() {
            watched.delivered = Some(replayed);
            Some(replayed)
        } else {
            None
        };
        for event in replay {
            state.push(feed, Arc::new(Notice::ChatEvent { event: event.clone() }));
        }
        for (event_seq, notice) in kept {
            if event_seq > replayed {
                state.push(feed, notice);
            }
        }
        Joined::Live(match next {
            Some(_) => state.settle(conversation),
            None => Next::Nothing,
        })
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
        watched.heard = watched.heard.max(event_seq);
        if watched.delivered.is_some_and(|delivered| event_seq <= delivered) {
            return Next::Nothing;
        }
        if let Some(event) = event {
            watched.keep_early(event_seq, Arc::new(Notice::ChatEvent { event }));
        }
        state.settle(conversation)
    }

    /// Where the log of a watched conversation must be read from, if it still is watched.
    pub(crate) fn delivered(&self, conversation: ConversationId) -> Option<EventSeq> {
        self.lock().conversations.get(&conversation)?.delivered
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
        for event in events {
            let event_seq = event.event_seq;
            watched.heard = watched.heard.max(event_seq);
            // The early ones settle after these, whatever their number.
            watched.early.insert(event_seq, Arc::new(Notice::ChatEvent { event }));
        }
        watched.is_being_read = false;
        state.settle(conversation)
    }

    /// Reading led nowhere; the sweep asks again.
    pub(crate) fn gave_up(&self, conversation: ConversationId) {
        if let Some(watched) = self.lock().conversations.get_mut(&conversation) {
            watched.is_being_read = false;
        }
    }

    /// The database's log ends before what was delivered: its numbers are given out anew, and
    /// whoever watches must start over.
    pub(crate) fn went_back(&self, conversation: ConversationId) {
        let mut state = self.lock();
        let readers: Vec<FeedId> = state
            .conversations
            .get(&conversation)
            .map(|watched| watched.readers.keys().copied().collect())
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
        for feed in watched.readers.keys() {
            if let Some(entry) = state.feeds.get(feed)
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
            .filter_map(|(id, watched)| Some((*id, watched.delivered?)))
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
                && !entry.refreshing
                && entry.version.is_some_and(|known| known < version)
            {
                entry.refreshing = true;
                outdated.push(id);
            }
        }
        outdated
    }

    /// A refresh is over, well or not.
    pub(crate) fn refreshed(&self, feed: FeedId) {
        if let Some(entry) = self.lock().feeds.get_mut(&feed) {
            entry.refreshing = false;
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

impl Watched {
    fn keep_early(&mut self, event_seq: EventSeq, notice: Arc<Notice>) {
        self.early.insert(event_seq, notice);
        if self.early.len() > EARLY_CAPACITY {
            // `heard` remembers that there is more.
            self.early.pop_last();
        }
    }
}

impl State {
    /// Passes on what follows without a gap, and says whether something is missing.
    fn settle(&mut self, conversation: ConversationId) -> Next {
        loop {
            let Some(watched) = self.conversations.get_mut(&conversation) else {
                return Next::Nothing;
            };
            let Some(delivered) = watched.delivered else { return Next::Nothing };
            let following = EventSeq(delivered.0 + 1);
            watched.early = watched.early.split_off(&following);
            let Some(notice) = watched.early.remove(&following) else {
                let is_missing = watched.heard > delivered;
                if is_missing && !watched.is_being_read {
                    watched.is_being_read = true;
                    return Next::Read;
                }
                return Next::Nothing;
            };
            watched.delivered = Some(following);
            self.deliver(conversation, following, &notice);
        }
    }

    fn deliver(&mut self, conversation: ConversationId, event_seq: EventSeq, notice: &Arc<Notice>) {
        let Some(watched) = self.conversations.get_mut(&conversation) else { return };
        let mut lost = Vec::new();
        for (feed, reader) in &mut watched.readers {
            match reader {
                Reader::Replaying(kept) => {
                    if kept.len() < FEED_CAPACITY {
                        kept.push_back((event_seq, Arc::clone(notice)));
                    } else {
                        lost.push(*feed);
                    }
                }
                Reader::Live { after } if event_seq > *after => {
                    let queued = self
                        .feeds
                        .get(feed)
                        .is_some_and(|entry| entry.queue.try_send(Arc::clone(notice)).is_ok());
                    if !queued {
                        lost.push(*feed);
                    }
                }
                Reader::Live { .. } => {}
            }
        }
        self.counters.feeds_cut.add(lost.len());
        for feed in lost {
            self.close(feed);
        }
        if let Notice::ChatEvent { event } = notice.as_ref()
            && let Change::MemberRemoved { user } = event.change
        {
            // The removal is the last a removed member gets to see.
            for feed in self.feeds_of.get(&user).cloned().unwrap_or_default() {
                self.unwatch(feed, conversation);
            }
        }
    }

    fn push(&mut self, feed: FeedId, notice: Arc<Notice>) {
        let queued =
            self.feeds.get(&feed).is_some_and(|entry| entry.queue.try_send(notice).is_ok());
        if !queued && self.feeds.contains_key(&feed) {
            self.counters.feeds_cut.add(1);
            self.close(feed);
        }
    }

    fn close(&mut self, feed: FeedId) {
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
        self.need_no_more(user_topic(entry.user));
    }

    fn unwatch(&mut self, feed: FeedId, conversation: ConversationId) {
        if let Some(entry) = self.feeds.get_mut(&feed)
            && entry.conversations.remove(&conversation)
        {
            self.leave(feed, conversation);
        }
    }

    fn leave(&mut self, feed: FeedId, conversation: ConversationId) {
        if let Some(watched) = self.conversations.get_mut(&conversation) {
            watched.readers.remove(&feed);
            if watched.readers.is_empty() {
                self.conversations.remove(&conversation);
                self.need_no_more(conversation_topic(conversation));
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
