use axum::extract::State;
use axum::http::StatusCode;
use confer_http::{ApiError, ApiJson, ApiPath, Caller};
use confer_protocol::error::ErrorBody;
use confer_protocol::id::RoomId;
use confer_protocol::rest::{CreateInviteRequest, Invite, InvitePreview, Problem};
use confer_protocol::room::RoomInfo;

use super::Context;
use super::guard::Address;
use crate::rate_limit::Scope;

/// Makes an invite link's code, which is shown only now.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/invites", tag = "invites", request_body = CreateInviteRequest,
    params(("room" = String, Path, description = "The room's id")),
    responses(
        (status = 201, description = "The code", body = Invite),
        (status = 403, description = "The caller may not invite", body = Problem),
        (status = 404, description = "There is no such room", body = Problem),
        (status = 422, description = "A field cannot be used", body = Problem),
    )
)]
pub(super) async fn create(
    State(context): State<Context>,
    Caller(identity): Caller,
    ApiPath(room): ApiPath<RoomId>,
    ApiJson(body): ApiJson<CreateInviteRequest>,
) -> Result<(StatusCode, ApiJson<Invite>), ApiError> {
    let invite = context.accounts.create_invite(&identity, room, &body).await;
    Ok((StatusCode::CREATED, ApiJson(invite.map_err(ErrorBody::from)?)))
}

/// What the person behind a link may know before joining.
#[utoipa::path(
    get, path = "/v1/invites/{code}", tag = "invites",
    params(("code" = String, Path, description = "The link's secret part")),
    responses(
        (status = 200, description = "Where it leads", body = InvitePreview),
        (status = 404, description = "The invite does not work", body = Problem),
        (status = 429, description = "Too many attempts", body = Problem),
    )
)]
pub(super) async fn preview(
    State(context): State<Context>,
    address: Address,
    ApiPath(code): ApiPath<String>,
) -> Result<ApiJson<InvitePreview>, ApiError> {
    address.limit(&context, Scope::Invite)?;
    let preview = context.accounts.preview_invite(&code).await;
    Ok(ApiJson(preview.map_err(ErrorBody::from)?))
}

/// Makes the caller's account a member of the room.
#[utoipa::path(
    post, path = "/v1/invites/{code}/accept", tag = "invites",
    params(("code" = String, Path, description = "The link's secret part")),
    responses(
        (status = 200, description = "The room", body = RoomInfo),
        (status = 403, description = "The caller has no account", body = Problem),
        (status = 404, description = "The invite does not work", body = Problem),
        (status = 429, description = "Too many attempts", body = Problem),
    )
)]
pub(super) async fn accept(
    State(context): State<Context>,
    address: Address,
    Caller(identity): Caller,
    ApiPath(code): ApiPath<String>,
) -> Result<ApiJson<RoomInfo>, ApiError> {
    address.limit(&context, Scope::Invite)?;
    let room = context.accounts.accept_invite(&identity, &code).await;
    Ok(ApiJson(room.map_err(ErrorBody::from)?))
}

/// Makes an invite stop working.
#[utoipa::path(
    delete, path = "/v1/invites/{code}", tag = "invites",
    params(("code" = String, Path, description = "The link's secret part")),
    responses(
        (status = 204, description = "It works no more"),
        (status = 403, description = "The caller may not invite", body = Problem),
        (status = 404, description = "There is no such invite", body = Problem),
    )
)]
pub(super) async fn revoke(
    State(context): State<Context>,
    Caller(identity): Caller,
    ApiPath(code): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let revoked = context.accounts.revoke_invite(&identity, &code).await;
    revoked.map_err(ErrorBody::from)?;
    Ok(StatusCode::NO_CONTENT)
}
