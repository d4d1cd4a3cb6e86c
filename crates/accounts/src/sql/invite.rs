use confer_protocol::Timestamp;
use confer_protocol::id::{RoomId, UserId};
use sqlx::PgExecutor;
use uuid::Uuid;

/// An invite that is made.
#[derive(Debug)]
pub(crate) struct NewInvite {
    pub(crate) code_hash: [u8; 32],
    pub(crate) room: RoomId,
    pub(crate) invited_by: UserId,
    pub(crate) now: Timestamp,
    pub(crate) expires_at: Timestamp,
    pub(crate) max_uses: Option<i32>,
}

pub(crate) async fn insert(executor: impl PgExecutor<'_>, invite: &NewInvite) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO invites (code_hash, room_id, invited_by, created_at, expires_at, max_uses)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(invite.code_hash.as_slice())
    .bind(invite.room.0)
    .bind(invite.invited_by.0)
    .bind(invite.now.0)
    .bind(invite.expires_at.0)
    .bind(invite.max_uses)
    .execute(executor)
    .await?;
    Ok(())
}

/// The room of an invite that still works, and the name of who made it.
pub(crate) async fn find(
    executor: impl PgExecutor<'_>,
    code_hash: [u8; 32],
    now: Timestamp,
) -> sqlx::Result<Option<(RoomId, String)>> {
    let row: Option<(Uuid, String)> = sqlx::query_as(
        "SELECT room_id, name FROM invites JOIN users ON users.id = invited_by
         WHERE code_hash = $1 AND revoked_at IS NULL AND expires_at > $2
           AND (max_uses IS NULL OR uses < max_uses)",
    )
    .bind(code_hash.as_slice())
    .bind(now.0)
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|(room, name)| (RoomId(room), name)))
}

/// Uses an invite once, if it still works. Two at once cannot take the same last use: the second
/// waits for the row and then finds it used up.
pub(crate) async fn take(
    executor: impl PgExecutor<'_>,
    code_hash: [u8; 32],
    now: Timestamp,
) -> sqlx::Result<Option<RoomId>> {
    let room: Option<Uuid> = sqlx::query_scalar(
        "UPDATE invites SET uses = uses + 1
         WHERE code_hash = $1 AND revoked_at IS NULL AND expires_at > $2
           AND (max_uses IS NULL OR uses < max_uses)
         RETURNING room_id",
    )
    .bind(code_hash.as_slice())
    .bind(now.0)
    .fetch_optional(executor)
    .await?;
    Ok(room.map(RoomId))
}

/// The room and the maker of an invite, whether or not it still works.
pub(crate) async fn owner(
    executor: impl PgExecutor<'_>,
    code_hash: [u8; 32],
) -> sqlx::Result<Option<(RoomId, UserId)>> {
    let row: Option<(Uuid, Uuid)> =
        sqlx::query_as("SELECT room_id, invited_by FROM invites WHERE code_hash = $1")
            .bind(code_hash.as_slice())
            .fetch_optional(executor)
            .await?;
    Ok(row.map(|(room, user)| (RoomId(room), UserId(user))))
}

pub(crate) async fn revoke(
    executor: impl PgExecutor<'_>,
    code_hash: [u8; 32],
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE invites SET revoked_at = $2 WHERE code_hash = $1 AND revoked_at IS NULL")
        .bind(code_hash.as_slice())
        .bind(now.0)
        .execute(executor)
        .await?;
    Ok(())
}

/// Removes invites that stopped working.
pub(crate) async fn forget(executor: impl PgExecutor<'_>, now: Timestamp) -> sqlx::Result<u64> {
    let done = sqlx::query("DELETE FROM invites WHERE expires_at < $1")
        .bind(now.0)
        .execute(executor)
        .await?;
    Ok(done.rows_affected())
}
