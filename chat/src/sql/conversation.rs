//! Conversations as their members see them.

use confer_protocol::chat::{ConversationKind, EventSeq, MessageSeq};
use confer_protocol::id::{ConversationId, UserId};
use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

use super::from_db;

/// A conversation in somebody's list, without its members and messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: ConversationId,
    pub(crate) kind: ConversationKind,
    /// The room's name, or the other person's.
    pub(crate) title: String,
    pub(crate) owner: Option<UserId>,
    pub(crate) last_seq: MessageSeq,
    pub(crate) last_event: EventSeq,
    pub(crate) unread: u64,
    pub(crate) created_at: OffsetDateTime,
}

#[derive(sqlx::FromRow)]
struct EntryRow {
    id: Uuid,
    kind: String,
    title: Option<String>,
    owner_id: Option<Uuid>,
    last_seq: i64,
    last_event: i64,
    unread: i64,
    created_at: OffsetDateTime,
}

impl TryFrom<EntryRow> for Entry {
    type Error = sqlx::Error;

    fn try_from(row: EntryRow) -> Result<Self, Self::Error> {
        let kind = match row.kind.as_str() {
            "direct" => ConversationKind::Direct,
            "room" => ConversationKind::Room,
            other => {
                return Err(sqlx::Error::Decode(
                    format!("conversation {} is of unknown kind {other}", row.id).into(),
                ));
            }
        };
        Ok(Self {
            id: ConversationId(row.id),
            kind,
            title: row.title.unwrap_or_default(),
            owner: row.owner_id.map(UserId),
            last_seq: MessageSeq(from_db(row.last_seq)),
            last_event: EventSeq(from_db(row.last_event)),
            unread: from_db(row.unread),
            created_at: row.created_at,
        })
    }
}

/// How much of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListLimits {
    pub(crate) conversations: i64,
    pub(crate) unread: i64,
}

/// The conversations `user` is a member of, newest change first; only one of them if it is named.
pub(crate) async fn list(
    executor: impl PgExecutor<'_>,
    user: UserId,
    only: Option<ConversationId>,
    limits: ListLimits,
) -> sqlx::Result<Vec<Entry>> {
    let rows: Vec<EntryRow> = sqlx::query_as(
        "SELECT c.id, c.kind, COALESCE(r.name, o.name) AS title, r.owner_id, c.last_seq,
                c.last_event, c.created_at, n.unread
         FROM members p
         JOIN conversations c ON c.id = p.conversation_id
         LEFT JOIN rooms r ON r.id = c.id
         LEFT JOIN direct_conversations d ON d.id = c.id
         LEFT JOIN users o
              ON o.id = CASE WHEN d.user_a = p.user_id THEN d.user_b ELSE d.user_a END
         CROSS JOIN LATERAL (
             SELECT count(*) AS unread FROM (
                 SELECT FROM messages m
                 WHERE m.conversation_id = c.id AND m.seq > p.read_seq AND m.sender_id <> p.user_id
                 LIMIT $4
             ) AS counted
         ) n
         WHERE p.user_id = $1 AND p.removed_event IS NULL AND ($2::uuid IS NULL OR c.id = $2)
         ORDER BY c.head_at DESC, c.id LIMIT $3",
    )
    .bind(user.0)
    .bind(only.map(|id| id.0))
    .bind(limits.conversations)
    .bind(limits.unread)
    .fetch_all(executor)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// Where the logs of these conversations end.
pub(crate) async fn heads(
    executor: impl PgExecutor<'_>,
    conversations: &[Uuid],
) -> sqlx::Result<Vec<(ConversationId, EventSeq)>> {
    let rows: Vec<(Uuid, i64)> =
        sqlx::query_as("SELECT id, last_event FROM conversations WHERE id = ANY($1)")
            .bind(conversations)
            .fetch_all(executor)
            .await?;
    Ok(rows.into_iter().map(|(id, head)| (ConversationId(id), EventSeq(from_db(head)))).collect())
}
