//! Stored messages.

use confer_protocol::Timestamp;
use confer_protocol::chat::{Message, MessageSeq};
use confer_protocol::id::{ClientMessageId, ConversationId, MessageId};
use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{from_db, to_db, user};

#[derive(sqlx::FromRow)]
struct MessageRow {
    conversation_id: Uuid,
    seq: i64,
    id: Uuid,
    client_id: Uuid,
    sender_id: Uuid,
    sender_name: Option<String>,
    sender_guest: Option<bool>,
    body: String,
    reply_to: Option<i64>,
    created_at: OffsetDateTime,
}

impl From<MessageRow> for Message {
    fn from(row: MessageRow) -> Self {
        Self {
            id: MessageId(row.id),
            conversation: ConversationId(row.conversation_id),
            seq: MessageSeq(from_db(row.seq)),
            client_id: ClientMessageId(row.client_id),
            sender: user(row.sender_id, row.sender_name, row.sender_guest),
            body: row.body,
            reply_to: row.reply_to.map(|seq| MessageSeq(from_db(seq))),
            created_at: Timestamp(row.created_at),
        }
    }
}

/// Which messages of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// The newest before this one.
    Before(MessageSeq),
    /// The oldest after this one.
    After(MessageSeq),
}

/// At most `limit` messages, in the order they were found: descending for [`Page::Before`].
pub(crate) async fn page(
    executor: impl PgExecutor<'_>,
    conversation: ConversationId,
    page: Page,
    limit: i64,
) -> sqlx::Result<Vec<Message>> {
    let (statement, bound) = match page {
        Page::Before(seq) => (
            "SELECT m.conversation_id, m.seq, m.id, m.client_id, m.sender_id, u.name AS sender_name,
                    u.guest AS sender_guest, m.body, m.reply_to, m.created_at
             FROM messages m
             LEFT JOIN LATERAL (
                 SELECT name, guest FROM users WHERE id = m.sender_id LIMIT 1
             ) u ON true
             WHERE m.conversation_id = $1 AND m.seq < $2 ORDER BY m.seq DESC LIMIT $3",
            seq,
        ),
        Page::After(seq) => (
            "SELECT m.conversation_id, m.seq, m.id, m.client_id, m.sender_id, u.name AS sender_name,
                    u.guest AS sender_guest, m.body, m.reply_to, m.created_at
             FROM messages m
             LEFT JOIN LATERAL (
                 SELECT name, guest FROM users WHERE id = m.sender_id LIMIT 1
             ) u ON true
             WHERE m.conversation_id = $1 AND m.seq > $2 ORDER BY m.seq LIMIT $3",
            seq,
        ),
    };
    let rows: Vec<MessageRow> = sqlx::query_as(statement)
        .bind(conversation.0)
        .bind(to_db(bound.0))
        .bind(limit)
        .fetch_all(executor)
        .await?;
    Ok(rows.into_iter().map(Message::from).collect())
}

/// The newest message of each conversation that has one.
pub(crate) async fn newest(
    executor: impl PgExecutor<'_>,
    conversations: &[Uuid],
) -> sqlx::Result<Vec<Message>> {
    let rows: Vec<MessageRow> = sqlx::query_as(
        "SELECT m.conversation_id, m.seq, m.id, m.client_id, m.sender_id, u.name AS sender_name,
                u.guest AS sender_guest, m.body, m.reply_to, m.created_at
         FROM conversations c
         CROSS JOIN LATERAL (
             SELECT * FROM messages WHERE conversation_id = c.id AND seq = c.last_seq LIMIT 1
         ) m
         LEFT JOIN LATERAL (SELECT name, guest FROM users WHERE id = m.sender_id LIMIT 1) u ON true
         WHERE c.id = ANY($1)",
    )
    .bind(conversations)
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(Message::from).collect())
}
