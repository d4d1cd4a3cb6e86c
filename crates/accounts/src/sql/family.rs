use confer_protocol::Timestamp;
use confer_protocol::id::{RoomId, UserId};
use confer_protocol::room::UserInfo;
use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

/// One login on one device, as a refresh finds it.
#[derive(Debug)]
pub(crate) struct Family {
    pub(crate) user: UserInfo,
    pub(crate) room: Option<RoomId>,
    pub(crate) token_hash: Vec<u8>,
    pub(crate) previous_hash: Option<Vec<u8>>,
    pub(crate) rotated_at: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) revoked: bool,
}

/// A login that begins.
#[derive(Debug)]
pub(crate) struct NewFamily {
    pub(crate) id: Uuid,
    pub(crate) user: UserId,
    pub(crate) room: Option<RoomId>,
    pub(crate) token_hash: [u8; 32],
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
}

pub(crate) async fn insert(executor: impl PgExecutor<'_>, family: &NewFamily) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO families (id, user_id, room_id, token_hash, rotated_at, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $5, $6)",
    )
    .bind(family.id)
    .bind(family.user.0)
    .bind(family.room.map(|room| room.0))
    .bind(family.token_hash.as_slice())
    .bind(family.now.0)
    .bind(family.expires_at.0)
    .execute(executor)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    user_id: Uuid,
    name: String,
    guest: bool,
    room_id: Option<Uuid>,
    token_hash: Vec<u8>,
    previous_hash: Option<Vec<u8>>,
    rotated_at: OffsetDateTime,
    expires_at: OffsetDateTime,
    revoked: bool,
}

/// Reads a family and keeps others from it until the transaction ends.
pub(crate) async fn lock(executor: impl PgExecutor<'_>, id: Uuid) -> sqlx::Result<Option<Family>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT user_id, name, guest, room_id, token_hash, previous_hash, rotated_at, expires_at,
                revoked_at IS NOT NULL AS revoked
         FROM families JOIN users ON users.id = user_id
         WHERE families.id = $1 FOR UPDATE OF families",
    )
    .bind(id)
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Family {
        user: UserInfo { id: UserId(row.user_id), name: row.name, guest: row.guest },
        room: row.room_id.map(RoomId),
        token_hash: row.token_hash,
        previous_hash: row.previous_hash,
        rotated_at: row.rotated_at.into(),
        expires_at: row.expires_at.into(),
        revoked: row.revoked,
    }))
}

/// Puts the next token in the place of the last.
pub(crate) async fn rotate(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    token_hash: [u8; 32],
    now: Timestamp,
    expires_at: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "UPDATE families SET previous_hash = token_hash, token_hash = $2, rotated_at = $3,
                expires_at = $4 WHERE id = $1",
    )
    .bind(id)
    .bind(token_hash.as_slice())
    .bind(now.0)
    .bind(expires_at.0)
    .execute(executor)
    .await?;
    Ok(())
}

pub(crate) async fn revoke(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE families SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
        .bind(id)
        .bind(now.0)
        .execute(executor)
        .await?;
    Ok(())
}

pub(crate) async fn revoke_all_of(
    executor: impl PgExecutor<'_>,
    user: UserId,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE families SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL")
        .bind(user.0)
        .bind(now.0)
        .execute(executor)
        .await?;
    Ok(())
}

/// Removes logins nobody can continue any more.
pub(crate) async fn forget(executor: impl PgExecutor<'_>, now: Timestamp) -> sqlx::Result<u64> {
    let done = sqlx::query("DELETE FROM families WHERE expires_at < $1")
        .bind(now.0)
        .execute(executor)
        .await?;
    Ok(done.rows_affected())
}
