//! Reading what is stored: history, the log, and lists of conversations.

use std::collections::HashMap;

use confer_auth::Identity;
use confer_protocol::chat::{
    Conversation, EventSeq, HistoryPage, HistoryQuery, Message, MessageSeq,
};
use confer_protocol::id::ConversationId;
use confer_protocol::rest::EventPage;
use uuid::Uuid;

use crate::access::{self, Membership};
use crate::error::{FieldError, ReadError};
use crate::service::{ChatService, read_denied};
use crate::sql;
use crate::sql::conversation::{Entry, ListLimits};
use crate::sql::event::Range;
use crate::sql::message::Page;

impl ChatService {
    /// A page of messages in ascending order: the newest, those before or those after a message.
    ///
    /// # Errors
    /// When the identity is no member or the query breaks a rule.
    pub async fn history(
        &self,
        identity: &Identity,
        conversation: ConversationId,
        query: HistoryQuery,
    ) -> Result<HistoryPage, ReadError> {
        let membership = access::may_read(identity, conversation).map_err(read_denied)?;
        let page = match (query.before, query.after) {
            (Some(_), Some(_)) => {
                return Err(FieldError::new("after", "cannot stand beside before").into());
            }
            (None, Some(after)) => Page::After(after),
            (Some(before), None) => Page::Before(before),
            (None, None) => Page::Before(MessageSeq(u64::MAX)),
        };
        let limits = &self.config.limits;
        let limit = page_length(query.limit, limits.history_page, limits.history_page_most)?;
        self.standing(identity, conversation, membership).await?;

        // One more than a page says whether there is more.
        let mut messages =
            sql::message::page(&self.pool, conversation, page, i64::from(limit) + 1).await?;
        let more = messages.len() > usize::from(limit);
        messages.truncate(usize::from(limit));
        if matches!(page, Page::Before(_)) {
            messages.reverse();
        }
        Ok(HistoryPage { messages, more })
    }

    /// The log of a conversation after an event. A removed member reads it up to the removal.
    ///
    /// # Errors
    /// When the identity is and was no member or the query breaks a rule.
    pub async fn events(
        &self,
        identity: &Identity,
        conversation: ConversationId,
        after: EventSeq,
        limit: Option<u16>,
    ) -> Result<EventPage, ReadError> {
        let membership = access::may_read(identity, conversation).map_err(read_denied)?;
        let most = self.config.limits.events_page;
        let limit = page_length(limit, most, most)?;
        let standing = sql::member::standing(&self.pool, conversation, identity.user_id())
            .await?
            .ok_or(ReadError::NotFound)?;
        let until = match standing.membership {
            Some(member) => member.removed_event.unwrap_or(EventSeq(u64::MAX)),
            None if membership == Membership::NotNeeded => EventSeq(u64::MAX),
            None => return Err(ReadError::NotFound),
        };
        if after > standing.last_event {
            return Err(FieldError::new("after", "lies beyond the log; load it anew").into());
        }
        let range = Range { conversation, after, until };
        let mut events = sql::event::ranges(&self.pool, &[range], i64::from(limit) + 1).await?;
        let more = events.len() > usize::from(limit);
        events.truncate(usize::from(limit));
        Ok(EventPage { events, more })
    }

    /// The identity's conversations, newest change first.
    ///
    /// # Errors
    /// When the token does not permit reading.
    pub async fn conversations(&self, identity: &Identity) -> Result<Vec<Conversation>, ReadError> {
        if !identity.grants.chat_read {
            return Err(ReadError::NotGranted);
        }
        let entries = self.entries(identity, None).await?;
        self.assemble(entries).await
    }

    /// One of the identity's conversations.
    ///
    /// # Errors
    /// When the identity is no member.
    pub async fn conversation(
        &self,
        identity: &Identity,
        id: ConversationId,
    ) -> Result<Conversation, ReadError> {
        access::may_read(identity, id).map_err(read_denied)?;
        let entries = self.entries(identity, Some(id)).await?;
        self.assemble(entries).await?.pop().ok_or(ReadError::NotFound)
    }

    /// What the lists of conversations and of rooms are made from.
    pub(crate) async fn entries(
        &self,
        identity: &Identity,
        only: Option<ConversationId>,
    ) -> sqlx::Result<Vec<Entry>> {
        let limits = ListLimits {
            conversations: i64::from(self.config.limits.conversations_per_feed),
            unread: i64::from(self.config.limits.unread_counted),
        };
        let mut entries =
            sql::conversation::list(&self.pool, identity.user_id(), only, limits).await?;
        entries.retain(|entry| access::scope(&identity.grants, entry.id).is_some());
        Ok(entries)
    }

    pub(crate) async fn newest_messages(
        &self,
        entries: &[Entry],
    ) -> sqlx::Result<HashMap<ConversationId, Message>> {
        let ids: Vec<Uuid> = entries.iter().map(|entry| entry.id.0).collect();
        let newest = sql::message::newest(&self.pool, &ids).await?;
        Ok(newest.into_iter().map(|message| (message.conversation, message)).collect())
    }

    async fn assemble(&self, entries: Vec<Entry>) -> Result<Vec<Conversation>, ReadError> {
        let ids: Vec<Uuid> = entries.iter().map(|entry| entry.id.0).collect();
        let shown = i64::from(self.config.limits.members_shown);
        let mut members = sql::member::of(&self.pool, &ids, shown).await?;
        let mut newest = self.newest_messages(&entries).await?;
        Ok(entries
            .into_iter()
            .map(|entry| Conversation {
                id: entry.id,
                kind: entry.kind,
                title: entry.title,
                members: members.remove(&entry.id).unwrap_or_default(),
                last_seq: entry.last_seq,
                last_event: entry.last_event,
                last_message: newest.remove(&entry.id),
                unread: entry.unread,
            })
            .collect())
    }
}

/// How many rows a page has: what was asked for, if it is between one and the most.
fn page_length(asked: Option<u16>, usual: u16, most: u16) -> Result<u16, FieldError> {
    let limit = asked.unwrap_or(usual);
    if (1..=most).contains(&limit) {
        Ok(limit)
    } else {
        Err(FieldError::new("limit", format!("must be between 1 and {most}")))
    }
}
