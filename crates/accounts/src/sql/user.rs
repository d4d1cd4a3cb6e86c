use confer_protocol::Timestamp;
use confer_protocol::id::UserId;
use confer_protocol::room::UserInfo;
use sqlx::PgExecutor;
use uuid::Uuid;

/// What brought somebody here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Account,
    Guest,
    Subject,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Guest => "guest",
            Self::Subject => "subject",
        }
    }
}

/// Makes a user with a fresh id.
pub(crate) async fn insert(
    executor: impl PgExecutor<'_>,
    name: &str,
    kind: Kind,
    now: Timestamp,
) -> sqlx::Result<UserInfo> {
    let id = Uuid::now_v7();
    sqlx::query("INSERT INTO users (id, name, kind, created_at) VALUES ($1, $2, $3, $4)")
        .bind(id)
        .bind(name)
        .bind(kind.as_str())
        .bind(now.0)
        .execute(executor)
        .await?;
    Ok(UserInfo { id: UserId(id), name: name.to_owned(), guest: kind == Kind::Guest })
}

pub(crate) async fn find(
    executor: impl PgExecutor<'_>,
    id: UserId,
) -> sqlx::Result<Option<UserInfo>> {
    let row: Option<(String, bool)> = sqlx::query_as("SELECT name, guest FROM users WHERE id = $1")
        .bind(id.0)
        .fetch_optional(executor)
        .await?;
    Ok(row.map(|(name, guest)| UserInfo { id, name, guest }))
}

/// Gives somebody another name; a no-op when it is theirs already.
pub(crate) async fn rename(
    executor: impl PgExecutor<'_>,
    id: UserId,
    name: &str,
) -> sqlx::Result<()> {
    sqlx::query("UPDATE users SET name = $2 WHERE id = $1 AND name <> $2")
        .bind(id.0)
        .bind(name)
        .execute(executor)
        .await?;
    Ok(())
}
