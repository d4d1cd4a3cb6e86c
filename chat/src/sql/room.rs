//! Rooms and direct conversations: what a conversation is of.

use confer_protocol::Timestamp;
use confer_protocol::id::{ConversationId, RoomId, UserId};
use confer_protocol::room::RoomInfo;
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;
use uuid::Uuid;

/// A room and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Room {
    pub info: RoomInfo,
    pub owner: UserId,
    pub created_at: Timestamp,
}

/// The room, if there is one.
pub(crate) async fn find(
    executor: impl PgExecutor<'_>,
    room: RoomId,
) -> sqlx::Result<Option<Room>> {
    let row: Option<(String, Uuid, OffsetDateTime)> =
        sqlx::query_as("SELECT name, owner_id, created_at FROM rooms WHERE id = $1")
            .bind(room.0)
            .fetch_optional(executor)
            .await?;
    Ok(row.map(|(name, owner, created_at)| Room {
        info: RoomInfo { id: room, name },
        owner: UserId(owner),
        created_at: Timestamp(created_at),
    }))
}

/// How many rooms somebody owns.
pub(crate) async fn owned(executor: impl PgExecutor<'_>, owner: UserId) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM rooms WHERE owner_id = $1")
        .bind(owner.0)
        .fetch_one(executor)
        .await
}

/// Makes a conversation with an empty log. Nobody else sees it before the transaction ends.
pub(crate) async fn insert_conversation(
    connection: &mut PgConnection,
    id: ConversationId,
    kind: &'static str,
) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO conversations (id, kind) VALUES ($1, $2)")
        .bind(id.0)
        .bind(kind)
        .execute(connection)
        .await?;
    Ok(())
}

/// Makes the room of a conversation.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    room: &RoomInfo,
    owner: UserId,
) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO rooms (id, name, owner_id) VALUES ($1, $2, $3)")
        .bind(room.id.0)
        .bind(&room.name)
        .bind(owner.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Two users, always in the same order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair(UserId, UserId);

impl Pair {
    /// `None` for somebody with themselves.
    pub(crate) fn new(one: UserId, other: UserId) -> Option<Self> {
        (one != other).then(|| Self(one.min(other), one.max(other)))
    }

    pub(crate) fn users(self) -> [UserId; 2] {
        [self.0, self.1]
    }
}

/// The direct conversation of a pair, if there is one.
pub(crate) async fn find_direct(
    executor: impl PgExecutor<'_>,
    pair: Pair,
) -> sqlx::Result<Option<ConversationId>> {
    let id: Option<Uuid> =
        sqlx::query_scalar("SELECT id FROM direct_conversations WHERE user_a = $1 AND user_b = $2")
            .bind(pair.0.0)
            .bind(pair.1.0)
            .fetch_optional(executor)
            .await?;
    Ok(id.map(ConversationId))
}

/// Makes a conversation the pair's; `false` when somebody else just made another one.
pub(crate) async fn insert_direct(
    connection: &mut PgConnection,
    id: ConversationId,
    pair: Pair,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO direct_conversations (id, user_a, user_b) VALUES ($1, $2, $3)
         ON CONFLICT (user_a, user_b) DO NOTHING",
    )
    .bind(id.0)
    .bind(pair.0.0)
    .bind(pair.1.0)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether accounts knows this user.
pub(crate) async fn user_exists(executor: impl PgExecutor<'_>, user: UserId) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM users WHERE id = $1)")
        .bind(user.0)
        .fetch_one(executor)
        .await
}
