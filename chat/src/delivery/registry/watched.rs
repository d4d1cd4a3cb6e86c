//! One watched conversation: how far it was delivered, and who reads it.
//!
//! Events are delivered 1, 2, 3 … to every reader, or not at all. What comes too early waits; what
//! is missing is asked for with [`Next::Read`].

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use confer_protocol::chat::EventSeq;
use confer_protocol::server::Notice;

use super::{FEED_CAPACITY, FeedId, Next};

/// Events kept while those before them are read. Beyond, later ones are read as well.
const EARLY_CAPACITY: usize = 256;

/// A conversation that some feed watches.
#[derive(Default)]
pub(super) struct Watched {
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

/// What happens to a reader that wants to be live.
pub(super) enum Join {
    /// It is, and gets these first.
    Live(Vec<Arc<Notice>>),
    /// Others got more than its replay has.
    Behind,
    /// It does not read this.
    Gone,
}

/// One event on its way to the readers.
pub(super) struct Delivery {
    pub(super) notice: Arc<Notice>,
    /// Whose queues it goes into now.
    pub(super) live: Vec<FeedId>,
    /// Who cannot keep any more.
    pub(super) lost: Vec<FeedId>,
}

impl Watched {
    pub(super) fn delivered(&self) -> Option<EventSeq> {
        self.delivered
    }

    pub(super) fn readers(&self) -> impl Iterator<Item = FeedId> {
        self.readers.keys().copied()
    }

    pub(super) fn is_unread(&self) -> bool {
        self.readers.is_empty()
    }

    /// Keeps events for this feed until it joins.
    pub(super) fn enter(&mut self, feed: FeedId) {
        self.readers.insert(feed, Reader::Replaying(VecDeque::new()));
    }

    pub(super) fn leave(&mut self, feed: FeedId) {
        self.readers.remove(&feed);
    }

    /// Makes a reader live whose replay went up to `replayed`.
    pub(super) fn join(&mut self, feed: FeedId, replayed: EventSeq) -> Join {
        let Some(Reader::Replaying(kept)) = self.readers.get_mut(&feed) else { return Join::Gone };
        let reaches = match (self.delivered, kept.front()) {
            // Nothing was passed on here yet, so nothing was missed.
            (None, _) => true,
            (Some(_), Some((first, _))) => replayed.0 + 1 >= first.0,
            (Some(delivered), None) => replayed >= delivered,
        };
        if !reaches {
            return Join::Behind;
        }
        let kept = std::mem::take(kept);
        self.readers.insert(feed, Reader::Live { after: replayed });
        self.delivered.get_or_insert(replayed);
        let rest = kept.into_iter().filter(|(event_seq, _)| *event_seq > replayed);
        Join::Live(rest.map(|(_, notice)| notice).collect())
    }

    /// An event was heard of, with or without its content.
    pub(super) fn hear(&mut self, event_seq: EventSeq, notice: Option<Arc<Notice>>) {
        self.heard = self.heard.max(event_seq);
        if self.delivered.is_some_and(|delivered| event_seq <= delivered) {
            return;
        }
        if let Some(notice) = notice {
            self.early.insert(event_seq, notice);
            if self.early.len() > EARLY_CAPACITY {
                // `heard` remembers that there is more.
                self.early.pop_last();
            }
        }
    }

    /// Part of the log was read, from where it was delivered.
    pub(super) fn read(&mut self, events: impl IntoIterator<Item = (EventSeq, Arc<Notice>)>) {
        self.is_being_read = false;
        for (event_seq, notice) in events {
            self.heard = self.heard.max(event_seq);
            // They are delivered at once, so their number needs no limit of its own.
            self.early.insert(event_seq, notice);
        }
    }

    /// Reading led nowhere.
    pub(super) fn gave_up(&mut self) {
        self.is_being_read = false;
    }

    /// Takes the next event that follows without a gap.
    pub(super) fn take_next(&mut self) -> Option<Delivery> {
        let following = EventSeq(self.delivered?.0 + 1);
        // What was delivered meanwhile is of no use any more.
        while self.early.first_key_value().is_some_and(|(early, _)| *early < following) {
            self.early.pop_first();
        }
        let notice = self.early.remove(&following)?;
        self.delivered = Some(following);
        let (mut live, mut lost) = (Vec::new(), Vec::new());
        for (feed, reader) in &mut self.readers {
            match reader {
                Reader::Replaying(kept) if kept.len() < FEED_CAPACITY => {
                    kept.push_back((following, Arc::clone(&notice)));
                }
                Reader::Replaying(_) => lost.push(*feed),
                Reader::Live { after } if following > *after => live.push(*feed),
                Reader::Live { .. } => {}
            }
        }
        Some(Delivery { notice, live, lost })
    }

    /// Whether something is missing that nobody reads yet; the caller must.
    pub(super) fn missing(&mut self) -> Next {
        let is_missing = self.delivered.is_some_and(|delivered| self.heard > delivered);
        if is_missing && !self.is_being_read {
            self.is_being_read = true;
            Next::Read
        } else {
            Next::Nothing
        }
    }
}
