//! Who belongs to which conversation.

use std::collections::HashMap;

use confer_protocol::chat::{EventSeq, Member, MessageSeq, Receipt};
use confer_protocol::id::{ConversationId, UserId};
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::append::Head;
use super::{from_db, to_db, user};

/// A conversation as it concerns one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) last_event: EventSeq,
    pub(crate) membership: Option<MembershipRow>,
}

/// One user's membership, present or past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MembershipRow {
    pub(crate) joined_event: EventSeq,
    pub(crate) removed_event: Option<EventSeq>,
}

impl MembershipRow {
    pub(crate) fn is_active(&self) -> bool {
        self.removed_event.is_none()
    }
}

#[derive(sqlx::FromRow)]
struct StandingRow {
    last_event: i64,
    joined_event: Option<i64>,
    removed_event: Option<i64>,
}

/// How a user stands to a conversation; `None` when there is no such conversation.
pub(crate) async fn standing(
    executor: impl PgExecutor<'_>,
    conversation: ConversationId,
    user: UserId,
) -> sqlx::Result<Option<Standing>> {
    let row: Option<StandingRow> = sqlx::query_as(
        "SELECT c.last_event, p.joined_event, p.removed_event
         FROM conversations c
         LEFT JOIN members p ON p.conversation_id = c.id AND p.user_id = $2
         WHERE c.id = $1",
    )
    .bind(conversation.0)
    .bind(user.0)
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Standing {
        last_event: EventSeq(from_db(row.last_event)),
        membership: row.joined_event.map(|joined| MembershipRow {
            joined_event: EventSeq(from_db(joined)),
            removed_event: row.removed_event.map(|event| EventSeq(from_db(event))),
        }),
    }))
}

/// One conversation in a user's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Belonging {
    pub(crate) conversation: ConversationId,
    pub(crate) membership: MembershipRow,
}

#[derive(sqlx::FromRow)]
struct BelongingRow {
    conversation_id: Option<Uuid>,
    joined_event: Option<i64>,
    removed_event: Option<i64>,
    version: i64,
}

/// A user's conversations, newest change first, and the version of that list.
pub(crate) async fn belongings(
    executor: impl PgExecutor<'_>,
    user: UserId,
    limit: i64,
) -> sqlx::Result<(Vec<Belonging>, i64)> {
    // One statement, so that list and version are of one moment; the version comes without a list.
    let rows: Vec<BelongingRow> = sqlx::query_as(
        "SELECT l.conversation_id, l.joined_event, l.removed_event,
                COALESCE(v.memberships, 0) AS version
         FROM (SELECT 1) AS one
         LEFT JOIN chat_users v ON v.user_id = $1
         LEFT JOIN LATERAL (
             SELECT p.conversation_id, p.joined_event, p.removed_event
             FROM members p JOIN conversations c ON c.id = p.conversation_id
             WHERE p.user_id = $1
             ORDER BY p.removed_event IS NOT NULL, c.head_at DESC LIMIT $2
         ) l ON true",
    )
    .bind(user.0)
    .bind(limit)
    .fetch_all(executor)
    .await?;
    let version = rows.first().map_or(0, |row| row.version);
    let list = rows
        .into_iter()
        .filter_map(|row| {
            Some(Belonging {
                conversation: ConversationId(row.conversation_id?),
                membership: MembershipRow {
                    joined_event: EventSeq(from_db(row.joined_event?)),
                    removed_event: row.removed_event.map(|event| EventSeq(from_db(event))),
                },
            })
        })
        .collect();
    Ok((list, version))
}

/// The versions of the membership lists of these users; none for those who never had any.
pub(crate) async fn versions(
    executor: impl PgExecutor<'_>,
    users: &[Uuid],
) -> sqlx::Result<Vec<(UserId, i64)>> {
    let rows: Vec<(Uuid, i64)> =
        sqlx::query_as("SELECT user_id, memberships FROM chat_users WHERE user_id = ANY($1)")
            .bind(users)
            .fetch_all(executor)
            .await?;
    Ok(rows.into_iter().map(|(user, version)| (UserId(user), version)).collect())
}

#[derive(sqlx::FromRow)]
struct MemberRow {
    conversation_id: Uuid,
    user_id: Uuid,
    name: Option<String>,
    guest: Option<bool>,
    delivered_seq: i64,
    read_seq: i64,
}

/// The members of each conversation, longest first, at most `limit` of each.
pub(crate) async fn of(
    executor: impl PgExecutor<'_>,
    conversations: &[Uuid],
    limit: i64,
) -> sqlx::Result<HashMap<ConversationId, Vec<Member>>> {
    let rows: Vec<MemberRow> = sqlx::query_as(
        "SELECT p.conversation_id, p.user_id, u.name, u.guest, p.delivered_seq, p.read_seq
         FROM UNNEST($1::uuid[]) AS k (id)
         CROSS JOIN LATERAL (
             SELECT * FROM members
             WHERE conversation_id = k.id AND removed_event IS NULL
             ORDER BY joined_event, user_id LIMIT $2
         ) p
         LEFT JOIN LATERAL (SELECT name, guest FROM users WHERE id = p.user_id LIMIT 1) u ON true
         ORDER BY p.conversation_id, p.joined_event, p.user_id",
    )
    .bind(conversations)
    .bind(limit)
    .fetch_all(executor)
    .await?;
    let mut members: HashMap<ConversationId, Vec<Member>> = HashMap::new();
    for row in rows {
        members.entry(ConversationId(row.conversation_id)).or_default().push(Member {
            user: user(row.user_id, row.name, row.guest),
            delivered: MessageSeq(from_db(row.delivered_seq)),
            read: MessageSeq(from_db(row.read_seq)),
        });
    }
    Ok(members)
}

/// Where the members of each conversation stand; only `reader`'s own cursor where there are more
/// than `most` members.
pub(crate) async fn receipts(
    executor: impl PgExecutor<'_>,
    conversations: &[Uuid],
    reader: UserId,
    most: i32,
) -> sqlx::Result<Vec<Receipt>> {
    let rows: Vec<(Uuid, Uuid, i64, i64)> = sqlx::query_as(
        "SELECT p.conversation_id, p.user_id, p.delivered_seq, p.read_seq
         FROM conversations c
         JOIN members p ON p.conversation_id = c.id AND p.removed_event IS NULL
         WHERE c.id = ANY($1) AND (p.user_id = $2 OR c.members <= $3)
         ORDER BY p.conversation_id, p.user_id",
    )
    .bind(conversations)
    .bind(reader.0)
    .bind(most)
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|(conversation, user, delivered, read)| Receipt {
            conversation: ConversationId(conversation),
            user: UserId(user),
            delivered: MessageSeq(from_db(delivered)),
            read: MessageSeq(from_db(read)),
        })
        .collect())
}

/// How many members a conversation has.
pub(crate) async fn count(
    executor: impl PgExecutor<'_>,
    conversation: ConversationId,
) -> sqlx::Result<i32> {
    sqlx::query_scalar("SELECT members FROM conversations WHERE id = $1")
        .bind(conversation.0)
        .fetch_one(executor)
        .await
}

/// What a member is in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Owner,
    Member,
}

/// Makes somebody a member from `head` on. The caller holds the lock and appends the event.
///
/// Somebody who was a member before keeps the cursors: the messages in between are unread.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
    role: Role,
    head: Head,
) -> sqlx::Result<()> {
    let role = match role {
        Role::Owner => "owner",
        Role::Member => "member",
    };
    sqlx::query(
        "INSERT INTO members (conversation_id, user_id, role, joined_seq, joined_event,
                              delivered_seq, read_seq)
         VALUES ($1, $2, $3, $4, $5, $4, $4)
         ON CONFLICT (conversation_id, user_id) DO UPDATE
         SET removed_event = NULL, joined_event = EXCLUDED.joined_event",
    )
    .bind(conversation.0)
    .bind(user.0)
    .bind(role)
    .bind(to_db(head.last_seq.0))
    .bind(to_db(head.last_event.0))
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a membership with this event. The caller holds the lock and appends it.
pub(crate) async fn remove(
    connection: &mut PgConnection,
    conversation: ConversationId,
    user: UserId,
    event: EventSeq,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE members SET removed_event = $3 WHERE conversation_id = $1 AND user_id = $2",
    )
    .bind(conversation.0)
    .bind(user.0)
    .bind(to_db(event.0))
    .execute(connection)
    .await?;
    Ok(())
}

/// Says that these users' lists changed, and which version they have now. Call it last: it locks
/// their rows, in order.
pub(crate) async fn touch(
    connection: &mut PgConnection,
    users: &mut [UserId],
) -> sqlx::Result<Vec<(UserId, i64)>> {
    users.sort_unstable();
    let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
    let rows: Vec<(Uuid, i64)> = sqlx::query_as(
        "INSERT INTO chat_users AS v (user_id, memberships)
         SELECT id, 1 FROM UNNEST($1::uuid[]) WITH ORDINALITY AS k (id, place) ORDER BY place
         ON CONFLICT (user_id) DO UPDATE SET memberships = v.memberships + 1
         RETURNING user_id, memberships",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|(user, version)| (UserId(user), version)).collect())
}
