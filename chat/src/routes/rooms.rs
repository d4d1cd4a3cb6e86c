use axum::extract::State;
use axum::http::StatusCode;
use confer_http::{ApiError, ApiJson, ApiPath, Caller};
use confer_protocol::error::ErrorBody;
use confer_protocol::id::RoomId;
use confer_protocol::rest::{CreateRoomRequest, Problem, RoomList, RoomSummary};
use confer_protocol::room::RoomInfo;

use super::Context;

/// The caller's rooms, newest change first.
#[utoipa::path(
    get, path = "/v1/rooms", tag = "rooms",
    responses(
        (status = 200, description = "The rooms", body = RoomList),
        (status = 401, description = "No or a refused token", body = Problem),
    )
)]
pub(super) async fn list(
    State(context): State<Context>,
    Caller(identity): Caller,
) -> Result<ApiJson<RoomList>, ApiError> {
    let mut rooms = context.chat.rooms(&identity).await.map_err(ErrorBody::from)?;
    for summary in &mut rooms {
        summary.in_call = context.calls.in_call(summary.room.id);
    }
    Ok(ApiJson(RoomList { rooms }))
}

/// Makes a room, owned by the caller.
#[utoipa::path(
    post, path = "/v1/rooms", tag = "rooms", request_body = CreateRoomRequest,
    responses(
        (status = 201, description = "The room", body = RoomInfo),
        (status = 403, description = "The token does not permit it", body = Problem),
        (status = 409, description = "The caller owns as many rooms as allowed", body = Problem),
        (status = 422, description = "The name cannot be used", body = Problem),
    )
)]
pub(super) async fn create(
    State(context): State<Context>,
    Caller(identity): Caller,
    ApiJson(body): ApiJson<CreateRoomRequest>,
) -> Result<(StatusCode, ApiJson<RoomInfo>), ApiError> {
    let room = context.chat.create_room(&identity, &body.name).await.map_err(ErrorBody::from)?;
    Ok((StatusCode::CREATED, ApiJson(room)))
}

/// One room.
#[utoipa::path(
    get, path = "/v1/rooms/{room}", tag = "rooms",
    params(("room" = String, Path, description = "The room's id")),
    responses(
        (status = 200, description = "The room", body = RoomSummary),
        (status = 404, description = "There is no such room among the caller's", body = Problem),
    )
)]
pub(super) async fn read(
    State(context): State<Context>,
    Caller(identity): Caller,
    ApiPath(room): ApiPath<RoomId>,
) -> Result<ApiJson<RoomSummary>, ApiError> {
    let mut summary = context.chat.room_summary(&identity, room).await.map_err(ErrorBody::from)?;
    summary.in_call = context.calls.in_call(room);
    Ok(ApiJson(summary))
}
