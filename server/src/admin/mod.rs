//! The operator's routes, for the relay: who uses it, who must go, whom it reaches.
//!
//! They are answered on a socket in the data directory, which only this user can open, and over
//! HTTP to whoever has the token that the first start made (`secrets/admin-token`).

mod carried;
pub(crate) mod command;
mod events;
mod policy;
mod routes;
mod socket;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use confer_auth::Secret;
use confer_http::ApiError;
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_turn_net::TurnHandle;
use tokio::sync::watch;

use crate::secrets;
pub(crate) use policy::Policies;
pub(crate) use routes::openapi;
pub(crate) use socket::{SocketError, listen};

/// What the routes look at.
#[derive(Clone)]
pub(crate) struct Admin {
    pub(crate) relay: TurnHandle,
    /// Those in force.
    pub(crate) policies: watch::Receiver<Policies>,
}

impl Admin {
    /// The routes, for a place where only the operator comes.
    pub(crate) fn routes(&self) -> Router {
        Router::new()
            .route("/v1/admin/turn/sessions", get(routes::sessions))
            .route("/v1/admin/turn/kick", post(routes::kick))
            .route("/v1/admin/turn/check-policy", get(routes::check_policy))
            .route("/v1/admin/turn/drain", post(routes::drain))
            .route("/v1/admin/turn/events", get(events::events))
            .with_state(self.clone())
    }

    /// The same for the port that everybody reaches.
    pub(crate) fn guarded(&self, token: &Secret) -> Router {
        self.routes().layer(from_fn_with_state(secrets::text(token), known))
    }
}

async fn known(State(token): State<String>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if given.is_some_and(|given| crate::metrics::equal(given.as_bytes(), token.as_bytes())) {
        return next.run(request).await;
    }
    let message = "Operators only: send the content of secrets/admin-token in the server's data \
                   directory as `Authorization: Bearer`, or use `confer turn` on its machine.";
    ApiError::from(ErrorBody::new(ErrorCode::Unauthenticated, message)).into_response()
}
