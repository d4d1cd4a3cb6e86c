//! The routes under `/v1` that are about identity and invites.

mod auth;
mod cookie;
mod guard;
mod invites;
mod me;

use std::sync::Arc;

use axum::Router;
use axum::routing::{delete, get, post};
use utoipa::OpenApi;

use crate::service::Accounts;

/// How the refresh cookie is set, and who may use it.
#[derive(Clone, Debug, Default)]
pub struct CookieConfig {
    /// Whether browsers send the cookie over TLS only. Default: no, for a first look on localhost.
    pub secure: bool,
    /// Origins besides the server's own whose pages may log in, such as `https://app.example.org`.
    /// Default: none.
    pub origins: Vec<String>,
}

/// What every handler gets.
#[derive(Clone)]
struct Context {
    accounts: Accounts,
    cookies: Arc<CookieConfig>,
}

/// The routes, to be merged into the server's router behind its authentication layer.
pub fn routes(accounts: Accounts, cookies: CookieConfig) -> Router {
    Router::new()
        .route("/v1/auth/register", post(auth::register))
        .route("/v1/auth/login", post(auth::login))
        .route("/v1/auth/refresh", post(auth::refresh))
        .route("/v1/auth/logout", post(auth::logout))
        .route("/v1/auth/guest", post(auth::guest))
        .route("/v1/me", get(me::me))
        .route("/v1/me/sessions", delete(me::end_own))
        .route("/v1/users/{user}/sessions", delete(me::end_of))
        .route("/v1/rooms/{room}/invites", post(invites::create))
        .route("/v1/invites/{code}", get(invites::preview).delete(invites::revoke))
        .route("/v1/invites/{code}/accept", post(invites::accept))
        .with_state(Context { accounts, cookies: Arc::new(cookies) })
}

/// These routes, described.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    paths(
        auth::register,
        auth::login,
        auth::refresh,
        auth::logout,
        auth::guest,
        me::me,
        me::end_own,
        me::end_of,
        invites::create,
        invites::preview,
        invites::revoke,
        invites::accept,
    ),
    tags((name = "identity", description = "Accounts, logins and guests."),
         (name = "invites", description = "Links that let somebody into a room."))
)]
struct Document;
