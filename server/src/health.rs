//! Whether the process lives, and whether it should get new work.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use confer_sfu_net::SfuHandle;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// A database that takes longer than this to say yes is not ready for users either.
const DATABASE_PATIENCE: Duration = Duration::from_secs(2);

/// What readiness depends on.
#[derive(Clone)]
pub(crate) struct Health {
    /// `None` where nothing is kept.
    pub(crate) pool: Option<PgPool>,
    pub(crate) sfu: Option<SfuHandle>,
    /// Set as soon as draining begins.
    pub(crate) stopping: CancellationToken,
}

/// `GET /healthz`: the process answers. Restart it when it does not.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: new users may come. While this is 503, send them to another node.
pub(crate) async fn ready(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.stopping.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n");
    }
    if health.sfu.as_ref().is_some_and(|sfu| !sfu.is_alive()) {
        return (StatusCode::SERVICE_UNAVAILABLE, "media\n");
    }
    let Some(pool) = &health.pool else { return (StatusCode::OK, "ready\n") };
    let asked = sqlx::query("SELECT 1").execute(pool);
    match tokio::time::timeout(DATABASE_PATIENCE, asked).await {
        Ok(Ok(_)) => (StatusCode::OK, "ready\n"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "database\n")
        }
        Err(_) => {
            tracing::warn!("not ready: the database answers slowly");
            (StatusCode::SERVICE_UNAVAILABLE, "database\n")
        }
    }
}
