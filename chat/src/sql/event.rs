//! The log of each conversation.

use confer_protocol::Timestamp;
use confer_protocol::chat::{Change, ConversationEvent, EventSeq, Message, MessageSeq};
use confer_protocol::id::{ClientMessageId, ConversationId, MessageId, UserId};
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{from_db, to_db, user};

#[derive(sqlx::FromRow)]
struct EventRow {
    conversation_id: Uuid,
    event_seq: i64,
    kind: String,
    user_id: Option<Uuid>,
    user_name: Option<String>,
    user_guest: Option<bool>,
    seq: Option<i64>,
    id: Option<Uuid>,
    client_id: Option<Uuid>,
    body: Option<String>,
    reply_to: Option<i64>,
    created_at: Option<OffsetDateTime>,
}

/// A row whose kind this version does not know or whose parts are not there.
fn unreadable(row: &EventRow) -> sqlx::Error {
    sqlx::Error::Decode(
        format!("event {} of conversation {} is unreadable", row.event_seq, row.conversation_id)
            .into(),
    )
}

impl TryFrom<EventRow> for ConversationEvent {
    type Error = sqlx::Error;

    fn try_from(row: EventRow) -> Result<Self, Self::Error> {
        let conversation = ConversationId(row.conversation_id);
        let about = row.user_id.ok_or_else(|| unreadable(&row))?;
        let change = match row.kind.as_str() {
            "message_sent" => match (row.seq, row.id, row.client_id, row.created_at) {
                (Some(seq), Some(id), Some(client_id), Some(created_at)) => Change::MessageSent {
                    message: Message {
                        id: MessageId(id),
                        conversation,
                        seq: MessageSeq(from_db(seq)),
                        client_id: ClientMessageId(client_id),
                        sender: user(about, row.user_name, row.user_guest),
                        body: row.body.unwrap_or_default(),
                        reply_to: row.reply_to.map(|seq| MessageSeq(from_db(seq))),
                        created_at: Timestamp(created_at),
                    },
                },
                _ => return Err(unreadable(&row)),
            },
            "member_added" => {
                Change::MemberAdded { user: user(about, row.user_name, row.user_guest) }
            }
            "member_removed" => Change::MemberRemoved { user: UserId(about) },
            _ => return Err(unreadable(&row)),
        };
        Ok(Self { conversation, event_seq: EventSeq(from_db(row.event_seq)), change })
    }
}

/// Part of one conversation's log: after one event, up to and including another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) conversation: ConversationId,
    pub(crate) after: EventSeq,
    pub(crate) until: EventSeq,
}

impl Range {
    /// Everything after an event.
    pub(crate) fn after(conversation: ConversationId, after: EventSeq) -> Self {
        Self { conversation, after, until: EventSeq(u64::MAX) }
    }
}

/// At most `limit` events of each range, in order within each.
pub(crate) async fn ranges(
    executor: impl PgExecutor<'_>,
    ranges: &[Range],
    limit: i64,
) -> sqlx::Result<Vec<ConversationEvent>> {
    let rows: Vec<EventRow> = sqlx::query_as(
        "SELECT e.conversation_id, e.event_seq, e.kind, e.user_id, u.name AS user_name,
                u.guest AS user_guest, e.seq, m.id, m.client_id, m.body, m.reply_to, m.created_at
         FROM UNNEST($1::uuid[], $2::bigint[], $3::bigint[])
              AS r (conversation_id, after_event, until_event)
         CROSS JOIN LATERAL (
             SELECT * FROM events e
             WHERE e.conversation_id = r.conversation_id
               AND e.event_seq > r.after_event AND e.event_seq <= r.until_event
             ORDER BY e.event_seq LIMIT $4
         ) e
         LEFT JOIN LATERAL (
             SELECT * FROM messages
             WHERE conversation_id = e.conversation_id AND seq = e.seq LIMIT 1
         ) m ON true
         LEFT JOIN LATERAL (SELECT name, guest FROM users WHERE id = e.user_id LIMIT 1) u ON true
         ORDER BY e.conversation_id, e.event_seq",
    )
    .bind(ranges.iter().map(|range| range.conversation.0).collect::<Vec<Uuid>>())
    .bind(ranges.iter().map(|range| to_db(range.after.0)).collect::<Vec<i64>>())
    .bind(ranges.iter().map(|range| to_db(range.until.0)).collect::<Vec<i64>>())
    .bind(limit)
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(ConversationEvent::try_from).collect()
}

/// A change of who is in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MemberChange {
    Added,
    Removed,
}

/// Appends a change of membership. The caller holds the lock on the conversation.
pub(crate) async fn append_member_change(
    connection: &mut PgConnection,
    conversation: ConversationId,
    event_seq: EventSeq,
    change: MemberChange,
    user: UserId,
) -> sqlx::Result<()> {
    let (kind, difference) = match change {
        MemberChange::Added => ("member_added", 1_i32),
        MemberChange::Removed => ("member_removed", -1),
    };
    sqlx::query(
        "WITH logged AS (
             INSERT INTO events (conversation_id, event_seq, kind, user_id)
             VALUES ($1, $2, $3, $4)
         )
         UPDATE conversations SET last_event = $2, members = members + $5, head_at = now()
         WHERE id = $1",
    )
    .bind(conversation.0)
    .bind(to_db(event_seq.0))
    .bind(kind)
    .bind(user.0)
    .bind(difference)
    .execute(connection)
    .await?;
    Ok(())
}
