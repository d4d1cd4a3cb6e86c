use confer_protocol::Timestamp;
use confer_protocol::id::UserId;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// Serialises the making of the first key among processes; any number nobody else uses.
const FIRST_KEY_LOCK: i64 = 0x6b65_7931;

pub(crate) async fn insert(
    executor: impl PgExecutor<'_>,
    id: &str,
    secret: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query("INSERT INTO api_keys (id, secret, created_at) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(secret)
        .bind(now.0)
        .execute(executor)
        .await?;
    Ok(())
}

/// Waits for other processes that make the first key; until the end of the transaction.
pub(crate) async fn lock_first(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(FIRST_KEY_LOCK)
        .execute(connection)
        .await?;
    Ok(())
}

/// Whether there ever was a key: one that was revoked was revoked on purpose.
pub(crate) async fn any(executor: impl PgExecutor<'_>) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM api_keys)").fetch_one(executor).await
}

/// Ids and secrets of all keys that work.
pub(crate) async fn live(
    executor: impl PgExecutor<'_>,
    limit: i64,
) -> sqlx::Result<Vec<(String, String)>> {
    sqlx::query_as(
        "SELECT id, secret FROM api_keys WHERE revoked_at IS NULL ORDER BY created_at LIMIT $1",
    )
    .bind(limit)
    .fetch_all(executor)
    .await
}

/// Says whether there was such a key to revoke.
pub(crate) async fn revoke(
    executor: impl PgExecutor<'_>,
    id: &str,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done =
        sqlx::query("UPDATE api_keys SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id)
            .bind(now.0)
            .execute(executor)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Who an application's user is here.
pub(crate) async fn subject(
    executor: impl PgExecutor<'_>,
    key: &str,
    subject: &str,
) -> sqlx::Result<Option<UserId>> {
    let id: Option<Uuid> =
        sqlx::query_scalar("SELECT user_id FROM subjects WHERE key_id = $1 AND subject = $2")
            .bind(key)
            .bind(subject)
            .fetch_optional(executor)
            .await?;
    Ok(id.map(UserId))
}

/// Remembers who an application's user is here. Says whether nobody else was faster.
pub(crate) async fn insert_subject(
    executor: impl PgExecutor<'_>,
    key: &str,
    subject: &str,
    user: UserId,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO subjects (key_id, subject, user_id) VALUES ($1, $2, $3)
         ON CONFLICT (key_id, subject) DO NOTHING",
    )
    .bind(key)
    .bind(subject)
    .bind(user.0)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}
