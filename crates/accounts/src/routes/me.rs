use axum::extract::State;
use axum::response::Response;
use confer_auth::RoomScope;
use confer_http::{ApiError, ApiJson, ApiPath, Caller};
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::UserId;
use confer_protocol::rest::{Me, Problem};

use super::{Context, cookie};

/// The caller, with what only the caller may see.
#[utoipa::path(
    get, path = "/v1/me", tag = "identity",
    responses(
        (status = 200, description = "The caller", body = Me),
        (status = 401, description = "No or a refused token", body = Problem),
    )
)]
pub(super) async fn me(
    State(context): State<Context>,
    Caller(identity): Caller,
) -> Result<ApiJson<Me>, ApiError> {
    let email = context.accounts.email_of(identity.user_id()).await.map_err(ErrorBody::from)?;
    Ok(ApiJson(Me { user: identity.user, email }))
}

/// Ends every login of the caller, on all devices: what to do when one was lost.
#[utoipa::path(
    delete, path = "/v1/me/sessions", tag = "identity",
    responses(
        (status = 204, description = "The caller is logged out everywhere, here as well"),
        (status = 401, description = "No or a refused token", body = Problem),
    )
)]
pub(super) async fn end_own(
    State(context): State<Context>,
    Caller(identity): Caller,
) -> Result<Response, ApiError> {
    context.accounts.revoke_user(identity.user_id()).await.map_err(ErrorBody::from)?;
    Ok(cookie::forget(&context))
}

/// Ends everything somebody holds, for a back end whose token moderates all rooms.
#[utoipa::path(
    delete, path = "/v1/users/{user}/sessions", tag = "identity",
    params(("user" = String, Path, description = "The user's id")),
    responses(
        (status = 204, description = "All tokens of that user made until now are refused"),
        (status = 401, description = "No or a refused token", body = Problem),
        (status = 403, description = "The token does not moderate all rooms", body = Problem),
    )
)]
pub(super) async fn end_of(
    State(context): State<Context>,
    Caller(identity): Caller,
    ApiPath(user): ApiPath<UserId>,
) -> Result<Response, ApiError> {
    if identity.grants.rooms != RoomScope::All || !identity.grants.moderate {
        let message = "This needs a token that may moderate all rooms.";
        return Err(ErrorBody::new(ErrorCode::Forbidden, message).into());
    }
    context.accounts.revoke_user(user).await.map_err(ErrorBody::from)?;
    Ok(cookie::no_content())
}
