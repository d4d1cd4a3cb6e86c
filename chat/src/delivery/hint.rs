//! What nodes tell each other after a commit. Every hint may be lost.

use bytes::Bytes;
use confer_bus::{Bus, Topic};
use confer_protocol::chat::{Change, ConversationEvent, EventSeq, Receipt};
use confer_protocol::id::{ConversationId, Epoch, UserId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Topics that conversations and users are spread over.
const TOPICS: u8 = 128;

/// A larger body is not carried along; whoever watches reads it from the log.
const INLINE_BODY_BYTES: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "hint", rename_all = "snake_case")]
pub(crate) enum Hint {
    /// A conversation's log grew by this.
    Event {
        event: ConversationEvent,
    },
    /// A conversation's log grew up to here.
    Head {
        conversation: ConversationId,
        event_seq: EventSeq,
    },
    Receipt {
        receipt: Receipt,
        audience: Audience,
    },
    Typing {
        conversation: ConversationId,
        user: UserId,
    },
    /// The list of a user's conversations has this version now.
    Memberships {
        user: UserId,
        version: i64,
    },
}

/// Who may see something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Audience {
    Everybody,
    /// The user's own.
    OwnDevices,
}

impl Hint {
    fn topic(&self) -> TopicIndex {
        match self {
            Self::Event { event } => TopicIndex::of(event.conversation.0),
            Self::Head { conversation, .. } | Self::Typing { conversation, .. } => {
                TopicIndex::of(conversation.0)
            }
            Self::Receipt { receipt, .. } => TopicIndex::of(receipt.conversation.0),
            Self::Memberships { user, .. } => TopicIndex::of(user.0),
        }
    }
}

/// A hint and the epoch its numbers are of.
#[derive(Serialize, Deserialize)]
struct Envelope {
    epoch: Epoch,
    #[serde(flatten)]
    hint: Hint,
}

/// Which of the topics something is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TopicIndex(u8);

impl TopicIndex {
    /// UUIDs end in random bits, in version 4 and in version 7.
    pub(crate) fn of(id: Uuid) -> Self {
        let [.., last] = *id.as_bytes();
        Self(last % TOPICS)
    }

    pub(crate) fn topic(self) -> Topic {
        Topic::new(format!("chat.{}", self.0))
    }
}

/// Sends hints. Never waits.
#[derive(Clone)]
pub(crate) struct Hints {
    bus: Bus,
    epoch: Epoch,
}

impl Hints {
    pub(crate) fn new(bus: Bus, epoch: Epoch) -> Self {
        Self { bus, epoch }
    }

    pub(crate) fn event(&self, event: ConversationEvent) {
        let body_bytes = match &event.change {
            Change::MessageSent { message } => message.body.len(),
            Change::MemberAdded { .. } | Change::MemberRemoved { .. } => 0,
        };
        self.publish(if body_bytes <= INLINE_BODY_BYTES {
            Hint::Event { event }
        } else {
            Hint::Head { conversation: event.conversation, event_seq: event.event_seq }
        });
    }

    pub(crate) fn receipt(&self, receipt: Receipt, audience: Audience) {
        self.publish(Hint::Receipt { receipt, audience });
    }

    pub(crate) fn typing(&self, conversation: ConversationId, user: UserId) {
        self.publish(Hint::Typing { conversation, user });
    }

    pub(crate) fn memberships(&self, user: UserId, version: i64) {
        self.publish(Hint::Memberships { user, version });
    }

    fn publish(&self, hint: Hint) {
        let topic = hint.topic().topic();
        if !self.bus.reaches_anybody(&topic) {
            return;
        }
        match serde_json::to_vec(&Envelope { epoch: self.epoch, hint }) {
            Ok(bytes) => self.bus.publish(&topic, Bytes::from(bytes)),
            Err(error) => tracing::error!(%error, "a hint could not be written as JSON"),
        }
    }
}

/// Reads a hint, unless a newer version wrote it or its numbers are of another epoch.
pub(crate) fn read(bytes: &[u8], epoch: Epoch) -> Option<Hint> {
    let envelope: Envelope = serde_json::from_slice(bytes).ok()?;
    (envelope.epoch == epoch).then_some(envelope.hint)
}

#[cfg(test)]
mod tests {
    use confer_protocol::chat::MessageSeq;

    use super::*;

    const EPOCH: Epoch = Epoch(Uuid::from_u128(1));

    #[test]
    fn hints_of_another_epoch_or_of_a_newer_version_are_passed_over() {
        let receipt = Receipt {
            conversation: ConversationId(Uuid::from_u128(2)),
            user: UserId(Uuid::from_u128(3)),
            delivered: MessageSeq(5),
            read: MessageSeq(4),
        };
        let hint = Hint::Receipt { receipt, audience: Audience::Everybody };
        let envelope = Envelope { epoch: EPOCH, hint: hint.clone() };
        let bytes = serde_json::to_vec(&envelope).expect("JSON");
        assert_eq!(read(&bytes, EPOCH), Some(hint));
        assert_eq!(read(&bytes, Epoch(Uuid::nil())), None);
        let newer = String::from_utf8(bytes).expect("JSON").replace("receipt", "reaction");
        assert_eq!(read(newer.as_bytes(), EPOCH), None);
        assert_eq!(read(b"", EPOCH), None);
    }
}
