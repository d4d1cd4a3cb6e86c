use confer_protocol::Timestamp;
use confer_protocol::id::UserId;
use confer_protocol::room::UserInfo;
use sqlx::PgExecutor;
use uuid::Uuid;

/// An account as a login finds it.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) user: UserInfo,
    pub(crate) password_hash: String,
}

/// Gives a user an email address and a password. Says whether the address was free.
pub(crate) async fn insert(
    executor: impl PgExecutor<'_>,
    user: UserId,
    email: &str,
    password_hash: &str,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "INSERT INTO credentials (user_id, email, password_hash, password_changed_at)
         VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(user.0)
    .bind(email)
    .bind(password_hash)
    .bind(now.0)
    .execute(executor)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(crate) async fn find_by_email(
    executor: impl PgExecutor<'_>,
    email: &str,
) -> sqlx::Result<Option<Account>> {
    let row: Option<(Uuid, String, String)> = sqlx::query_as(
        "SELECT id, name, password_hash FROM credentials JOIN users ON id = user_id
         WHERE lower(email) = lower($1)",
    )
    .bind(email)
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|(id, name, password_hash)| Account {
        user: UserInfo { id: UserId(id), name, guest: false },
        password_hash,
    }))
}

pub(crate) async fn email_of(
    executor: impl PgExecutor<'_>,
    user: UserId,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar("SELECT email FROM credentials WHERE user_id = $1")
        .bind(user.0)
        .fetch_optional(executor)
        .await
}

/// The same password, hashed at today's cost.
pub(crate) async fn rehash(
    executor: impl PgExecutor<'_>,
    user: UserId,
    old_hash: &str,
    new_hash: &str,
) -> sqlx::Result<()> {
    // Unless it was changed meanwhile.
    sqlx::query(
        "UPDATE credentials SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2",
    )
    .bind(user.0)
    .bind(old_hash)
    .bind(new_hash)
    .execute(executor)
    .await?;
    Ok(())
}
