//! What becomes of each message of a batch. Pure: everything it needs was read under the lock.

use std::collections::HashMap;

use confer_protocol::Timestamp;
use confer_protocol::chat::{
    Change, ConversationEvent, EventSeq, Message, MessageSeq, SendReceipt,
};
use confer_protocol::id::{ConversationId, MessageId};
use time::OffsetDateTime;
use uuid::{NoContext, Uuid};

use super::{Outgoing, RETRY_AFTER};
use crate::access::Membership;
use crate::error::{FieldError, SendError};
use crate::sql::append::{Found, Head, Key, Numbered, Stored};

/// What became of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Stored(SendReceipt),
    NoSuchConversation,
    UnknownReply,
    /// The database refused it.
    Refused,
    /// The database was away for too long.
    Away,
}

impl Outcome {
    pub(super) fn into_answer(self) -> Result<SendReceipt, SendError> {
        match self {
            Self::Stored(receipt) => Ok(receipt),
            Self::NoSuchConversation => Err(SendError::NotFound),
            Self::UnknownReply => {
                Err(FieldError::new("reply_to", "must name a message of this conversation").into())
            }
            Self::Refused => Err(SendError::Refused),
            Self::Away => Err(SendError::Unavailable { retry_after: RETRY_AFTER }),
        }
    }
}

/// What a batch writes and answers.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) messages: Vec<Numbered<'a>>,
    /// The new heads of the conversations that grow.
    pub(super) heads: Vec<(ConversationId, Head)>,
    /// One for each message of the batch, in its order.
    pub(super) outcomes: Vec<Outcome>,
}

pub(super) fn key(outgoing: &Outgoing) -> Key {
    Key {
        conversation: outgoing.conversation,
        sender: outgoing.sender.id,
        client_id: outgoing.message.client_id,
    }
}

/// Numbers the messages that are new and allowed, in the order they came.
///
/// A known client id is answered from its row first, whatever else the retry says: the promise was
/// given already.
pub(super) fn number<'a>(
    outgoing: &'a [Outgoing],
    heads: &HashMap<ConversationId, Head>,
    found: &[Found],
    now: OffsetDateTime,
) -> Plan<'a> {
    let mut growing: HashMap<ConversationId, Head> = HashMap::new();
    let mut in_batch: HashMap<Key, Stored> = HashMap::new();
    let mut plan = Plan { messages: Vec::new(), heads: Vec::new(), outcomes: Vec::new() };
    for (outgoing, found) in outgoing.iter().zip(found) {
        let key = key(outgoing);
        let known = found.stored.or_else(|| in_batch.get(&key).copied());
        let outcome = if let Some(stored) = known {
            Outcome::Stored(receipt(stored, true))
        } else if let Some(head) = heads.get(&key.conversation)
            && (found.is_member || outgoing.membership == Membership::NotNeeded)
        {
            let head = growing.get(&key.conversation).unwrap_or(head);
            if outgoing.message.reply_to.is_some_and(|seq| seq > head.last_seq) {
                Outcome::UnknownReply
            } else {
                let head = Head {
                    last_seq: MessageSeq(head.last_seq.0 + 1),
                    last_event: EventSeq(head.last_event.0 + 1),
                };
                let stored = Stored {
                    id: message_id(now),
                    seq: head.last_seq,
                    event_seq: head.last_event,
                    created_at: now,
                };
                growing.insert(key.conversation, head);
                in_batch.insert(key, stored);
                plan.messages.push(Numbered {
                    key,
                    stored,
                    body: &outgoing.message.body,
                    reply_to: outgoing.message.reply_to,
                });
                Outcome::Stored(receipt(stored, false))
            }
        } else {
            Outcome::NoSuchConversation
        };
        plan.outcomes.push(outcome);
    }
    plan.heads.extend(growing);
    plan.heads.sort_unstable_by_key(|(conversation, _)| *conversation);
    plan
}

fn receipt(stored: Stored, duplicate: bool) -> SendReceipt {
    SendReceipt {
        id: stored.id,
        seq: stored.seq,
        event_seq: stored.event_seq,
        created_at: Timestamp(stored.created_at),
        duplicate,
    }
}

/// A UUIDv7 (RFC 9562, section 5.7) at the database's time: its index grows at one end.
fn message_id(now: OffsetDateTime) -> MessageId {
    let seconds = u64::try_from(now.unix_timestamp()).unwrap_or(0);
    MessageId(Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, seconds, now.nanosecond())))
}

/// The event a new message is.
pub(super) fn event(outgoing: &Outgoing, receipt: &SendReceipt) -> ConversationEvent {
    ConversationEvent {
        conversation: outgoing.conversation,
        event_seq: receipt.event_seq,
        change: Change::MessageSent {
            message: Message {
                id: receipt.id,
                conversation: outgoing.conversation,
                seq: receipt.seq,
                client_id: outgoing.message.client_id,
                sender: outgoing.sender.clone(),
                body: outgoing.message.body.clone(),
                reply_to: outgoing.message.reply_to,
                created_at: receipt.created_at,
            },
        },
    }
}

#[cfg(test)]
mod tests;
