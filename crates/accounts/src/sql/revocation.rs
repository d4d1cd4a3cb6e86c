use confer_protocol::Timestamp;
use sqlx::PgExecutor;
use time::OffsetDateTime;
use uuid::Uuid;

/// Refuses access tokens of a family or a user that were issued until `now`.
pub(crate) async fn insert(
    executor: impl PgExecutor<'_>,
    id: Uuid,
    now: Timestamp,
    forget_after: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query(
        "INSERT INTO revocations (id, issued_until, forget_after) VALUES ($1, $2, $3)
         ON CONFLICT (id) DO UPDATE
         SET issued_until = GREATEST(revocations.issued_until, EXCLUDED.issued_until),
             forget_after = GREATEST(revocations.forget_after, EXCLUDED.forget_after)",
    )
    .bind(id)
    .bind(now.0)
    .bind(forget_after.0)
    .execute(executor)
    .await?;
    Ok(())
}

/// All that a token could still run into, newest first.
pub(crate) async fn live(
    executor: impl PgExecutor<'_>,
    now: Timestamp,
    limit: i64,
) -> sqlx::Result<Vec<(Uuid, OffsetDateTime)>> {
    sqlx::query_as(
        "SELECT id, issued_until FROM revocations WHERE forget_after > $1
         ORDER BY forget_after DESC LIMIT $2",
    )
    .bind(now.0)
    .bind(limit)
    .fetch_all(executor)
    .await
}

/// Removes revocations no token can run into any more.
pub(crate) async fn forget(executor: impl PgExecutor<'_>, now: Timestamp) -> sqlx::Result<u64> {
    let done = sqlx::query("DELETE FROM revocations WHERE forget_after < $1")
        .bind(now.0)
        .execute(executor)
        .await?;
    Ok(done.rows_affected())
}
