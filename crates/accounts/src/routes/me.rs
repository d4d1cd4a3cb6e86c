use axum::extract::State;
use confer_http::{ApiError, ApiJson, Caller};
use confer_protocol::error::ErrorBody;
use confer_protocol::rest::{Me, Problem};

use super::Context;

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
