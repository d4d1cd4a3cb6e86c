//! Every statement of the chat service, a file per noun. One dialect: Postgres, 15 or later.
//!
//! Statements are checked by running them: each has a test on a real server. Callers pass a
//! connection when they are inside a transaction and the pool when they are not.
//!
//! What a few rows need of a large table they fetch with `LATERAL (… LIMIT 1)`: a probe by key for
//! each, where a plain join leaves the planner free to read the whole table instead.

pub(crate) mod append;
pub(crate) mod conversation;
pub(crate) mod event;
pub(crate) mod member;
pub(crate) mod message;
pub(crate) mod receipt;
pub(crate) mod room;

use confer_protocol::id::{Epoch, UserId};
use confer_protocol::room::UserInfo;
use sqlx::PgExecutor;
use uuid::Uuid;

/// The epoch of this database's numbers.
pub(crate) async fn epoch(executor: impl PgExecutor<'_>) -> sqlx::Result<Epoch> {
    sqlx::query_scalar("SELECT epoch FROM chat_epoch").fetch_one(executor).await.map(Epoch)
}

/// Numbers are stored as `bigint`; none of ours reaches its limit, and a larger one of a client's
/// means "the end".
pub(crate) fn to_db(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The schema starts every number at zero.
pub(crate) fn from_db(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Somebody's row in `users`, which accounts owns and chat only joins. It may be gone.
pub(crate) fn user(id: Uuid, name: Option<String>, guest: Option<bool>) -> UserInfo {
    UserInfo { id: UserId(id), name: name.unwrap_or_default(), guest: guest.unwrap_or(false) }
}
