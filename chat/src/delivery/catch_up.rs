//! From a client's cursors to live events, without a hole and without an event twice.
//!
//! Register, then read, then join: what is committed before the read is in it, what is committed
//! after is kept by the registry, and joining cuts one end off against the other.

use std::collections::HashMap;
use std::sync::Arc;

use confer_auth::Identity;
use confer_protocol::chat::{
    CatchUp, ConversationCursor, ConversationEvent, EventSeq, Receipt, Synced,
};
use confer_protocol::id::{ConversationId, Epoch};
use uuid::Uuid;

use super::registry::{FeedId, Joined};
use super::{Delivery, Feed};
use crate::access;
use crate::error::ReadError;
use crate::sql;
use crate::sql::event::Range;
use crate::sql::member::Belonging;

/// Events of all conversations in one answer; the rest is asked for again.
const EVENTS_PER_SYNC: usize = 2000;

/// How many events somebody who was removed is shown up to the removal; longer ago, only that.
const REMOVED_READS: u64 = 100;

/// Conversations read in one statement.
const CONVERSATIONS_PER_READ: usize = 20;

impl Delivery {
    /// Everything after the cursors, and a feed of what comes after that.
    pub(crate) async fn sync(
        self: &Arc<Self>,
        identity: &Identity,
        chat_epoch: Option<Epoch>,
        cursors: &[ConversationCursor],
    ) -> Result<(Synced, Feed), ReadError> {
        let (id, notices, topics) =
            self.registry.open(identity.user_id(), identity.grants.rooms.clone());
        // Closes itself on every way out.
        let feed = Feed { id, notices, delivery: Arc::clone(self) };
        self.follow(topics);

        let limit = i64::from(self.config.limits.conversations_per_feed);
        let (belongings, version) =
            sql::member::belongings(&self.pool, identity.user_id(), limit).await?;
        let covered: Vec<Belonging> = belongings
            .into_iter()
            .filter(|belonging| access::scope(&identity.grants, belonging.conversation).is_some())
            .collect();
        let active: Vec<ConversationId> = covered
            .iter()
            .filter(|belonging| belonging.membership.is_active())
            .map(|belonging| belonging.conversation)
            .collect();
        self.follow(self.registry.watch(id, &active));
        self.registry.follows(id, version);

        // Cursors of another epoch name a conversation and say nothing about it.
        let is_current = chat_epoch.is_none_or(|epoch| epoch == self.epoch);
        let cursors: HashMap<ConversationId, Option<EventSeq>> = cursors
            .iter()
            .map(|cursor| (cursor.conversation, is_current.then_some(cursor.event_seq)))
            .collect();
        let replays = self.replay(&covered, &cursors).await?;
        let receipts = self.receipts(identity, &active).await?;
        let conversations = self.join_all(id, replays, receipts).await?;
        Ok((Synced { chat_epoch: self.epoch, conversations }, feed))
    }

    /// Reads what each conversation's cursor lacks.
    async fn replay(
        &self,
        covered: &[Belonging],
        cursors: &HashMap<ConversationId, Option<EventSeq>>,
    ) -> sqlx::Result<Vec<Replay>> {
        let ids: Vec<Uuid> = covered.iter().map(|belonging| belonging.conversation.0).collect();
        let heads: HashMap<ConversationId, EventSeq> =
            sql::conversation::heads(&self.pool, &ids).await?.into_iter().collect();
        let mut replays = Vec::with_capacity(covered.len());
        for belonging in covered {
            let Some(head) = heads.get(&belonging.conversation) else { continue };
            let cursor = cursors.get(&belonging.conversation).copied();
            let (end, lacks) = match belonging.membership.removed_event {
                None => {
                    let behind = self.config.limits.events_behind;
                    (*head, lacks(cursor.flatten(), *head, behind))
                }
                Some(removed) => match (cursor, lacks_after_removal(cursor.flatten(), removed)) {
                    // The client never knew it, or knows that it was left.
                    (None, _) | (_, Lacks::Nothing) => continue,
                    (Some(_), lacks) => (removed, lacks),
                },
            };
            replays.push(Replay {
                conversation: belonging.conversation,
                is_active: belonging.membership.is_active(),
                lacks,
                end,
                events: Vec::new(),
                more: false,
            });
        }
        self.read_events(&mut replays).await?;
        Ok(replays)
    }

    async fn read_events(&self, replays: &mut [Replay]) -> sqlx::Result<()> {
        let page = usize::from(self.config.limits.events_page);
        let mut total = 0;
        let mut lacking: Vec<&mut Replay> =
            replays.iter_mut().filter(|replay| matches!(replay.lacks, Lacks::After(_))).collect();
        for some in lacking.chunks_mut(CONVERSATIONS_PER_READ) {
            if total >= EVENTS_PER_SYNC {
                for replay in some {
                    replay.more = true;
                }
                continue;
            }
            let ranges: Vec<Range> = some.iter().filter_map(|replay| replay.range()).collect();
            // One more than a page says whether there is more.
            let limit = i64::from(self.config.limits.events_page) + 1;
            let mut read: HashMap<ConversationId, Vec<ConversationEvent>> = HashMap::new();
            for event in sql::event::ranges(&self.pool, &ranges, limit).await? {
                read.entry(event.conversation).or_default().push(event);
            }
            for replay in some {
                let mut events = read.remove(&replay.conversation).unwrap_or_default();
                replay.more = events.len() > page;
                events.truncate(page);
                // A client that fetches the rest itself is live from the head on all the same.
                if let Some(last) = events.last()
                    && !replay.more
                {
                    replay.end = last.event_seq;
                }
                total += events.len();
                replay.events = events;
            }
        }
        Ok(())
    }

    async fn receipts(
        &self,
        identity: &Identity,
        active: &[ConversationId],
    ) -> sqlx::Result<HashMap<ConversationId, Vec<Receipt>>> {
        let ids: Vec<Uuid> = active.iter().map(|id| id.0).collect();
        let most = i32::from(self.config.limits.members_shown);
        let mut receipts: HashMap<ConversationId, Vec<Receipt>> = HashMap::new();
        for receipt in sql::member::receipts(&self.pool, &ids, identity.user_id(), most).await? {
            receipts.entry(receipt.conversation).or_default().push(receipt);
        }
        Ok(receipts)
    }

    /// Makes each conversation live where its replay ends.
    async fn join_all(
        self: &Arc<Self>,
        feed: FeedId,
        replays: Vec<Replay>,
        mut receipts: HashMap<ConversationId, Vec<Receipt>>,
    ) -> sqlx::Result<Vec<CatchUp>> {
        let mut conversations = Vec::with_capacity(replays.len());
        for mut replay in replays {
            if replay.is_active {
                self.join(feed, &mut replay).await?;
            }
            conversations.push(CatchUp {
                conversation: replay.conversation,
                reset: replay.lacks == Lacks::Everything,
                events: replay.events,
                more: replay.more,
                receipts: receipts.remove(&replay.conversation).unwrap_or_default(),
            });
        }
        Ok(conversations)
    }

    async fn join(self: &Arc<Self>, feed: FeedId, replay: &mut Replay) -> sqlx::Result<()> {
        loop {
            match self.registry.join(feed, replay.conversation, replay.end, &[]) {
                Joined::Live(next) => {
                    self.act(replay.conversation, next);
                    return Ok(());
                }
                Joined::Gone => return Ok(()),
                Joined::Behind => {
                    let range = Range::after(replay.conversation, replay.end);
                    let limit = i64::from(self.config.limits.events_page);
                    let events = sql::event::ranges(&self.pool, &[range], limit).await?;
                    if let Some(last) = events.last() {
                        replay.end = last.event_seq;
                    }
                    // A client that loads everything or the rest loads these as well.
                    if replay.lacks != Lacks::Everything && !replay.more {
                        replay.events.extend(events);
                    }
                }
            }
        }
    }
}

/// Lets a feed watch the conversations its user was added to since it looked.
pub(super) async fn follow_memberships(delivery: &Arc<Delivery>, feed: FeedId) -> sqlx::Result<()> {
    let Some((user, scope)) = delivery.registry.feed(feed) else { return Ok(()) };
    let grants = confer_auth::Grants { rooms: scope, ..confer_auth::Grants::default() };
    let limit = i64::from(delivery.config.limits.conversations_per_feed);
    let (belongings, version) = sql::member::belongings(&delivery.pool, user, limit).await?;
    for belonging in belongings {
        let conversation = belonging.conversation;
        if !belonging.membership.is_active()
            || access::scope(&grants, conversation).is_none()
            || delivery.registry.is_watching(feed, conversation)
        {
            continue;
        }
        delivery.follow(delivery.registry.watch(feed, &[conversation]));
        // From the event that added the user, which tells the client that there is something new.
        let mut replayed = EventSeq(belonging.membership.joined_event.0.saturating_sub(1));
        let mut replay = Vec::new();
        loop {
            let range = Range::after(conversation, replayed);
            let page = i64::from(delivery.config.limits.events_page);
            let events = sql::event::ranges(&delivery.pool, &[range], page).await?;
            if let Some(last) = events.last() {
                replayed = last.event_seq;
            }
            replay.extend(events);
            match delivery.registry.join(feed, conversation, replayed, &replay) {
                Joined::Live(next) => {
                    delivery.act(conversation, next);
                    break;
                }
                Joined::Gone => break,
                Joined::Behind => {}
            }
        }
    }
    delivery.registry.follows(feed, version);
    Ok(())
}

/// One conversation of a sync.
#[derive(Debug)]
struct Replay {
    conversation: ConversationId,
    is_active: bool,
    lacks: Lacks,
    /// Where the client stands after the answer.
    end: EventSeq,
    events: Vec<ConversationEvent>,
    more: bool,
}

impl Replay {
    fn range(&self) -> Option<Range> {
        match self.lacks {
            Lacks::After(after) => {
                Some(Range { conversation: self.conversation, after, until: self.until() })
            }
            Lacks::Nothing | Lacks::Everything => None,
        }
    }

    /// A removed member reads up to the removal; others read what is there when the statement runs.
    fn until(&self) -> EventSeq {
        if self.is_active { EventSeq(u64::MAX) } else { self.end }
    }
}

/// What a client does not have of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lacks {
    Nothing,
    After(EventSeq),
    /// The client loads it anew.
    Everything,
}

fn lacks(cursor: Option<EventSeq>, head: EventSeq, behind: u64) -> Lacks {
    match cursor {
        None => Lacks::Everything,
        Some(cursor) if cursor > head || head.0 - cursor.0 > behind => Lacks::Everything,
        Some(cursor) if cursor == head => Lacks::Nothing,
        Some(cursor) => Lacks::After(cursor),
    }
}

/// Somebody who was removed cannot load anew: the removal itself is all that matters then.
fn lacks_after_removal(cursor: Option<EventSeq>, removed: EventSeq) -> Lacks {
    match cursor {
        Some(cursor) if cursor == removed => Lacks::Nothing,
        Some(cursor) if cursor < removed && removed.0 - cursor.0 < REMOVED_READS => {
            Lacks::After(cursor)
        }
        Some(_) | None => Lacks::After(EventSeq(removed.0.saturating_sub(1))),
    }
}
