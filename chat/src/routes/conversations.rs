use axum::extract::State;
use confer_http::{ApiError, ApiJson, ApiPath, Caller};
use confer_protocol::chat::Conversation;
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::ConversationId;
use confer_protocol::rest::{ConversationList, OpenDirectRequest, Problem};

use super::Context;

/// The caller's conversations, newest change first.
#[utoipa::path(
    get, path = "/v1/conversations", tag = "chat",
    responses(
        (status = 200, description = "The conversations", body = ConversationList),
        (status = 403, description = "The token does not permit reading", body = Problem),
    )
)]
pub(super) async fn list(
    State(context): State<Context>,
    Caller(identity): Caller,
) -> Result<ApiJson<ConversationList>, ApiError> {
    let conversations = context.chat.conversations(&identity).await.map_err(ErrorBody::from)?;
    Ok(ApiJson(ConversationList { conversations }))
}

/// The direct conversation with somebody, made if there is none.
#[utoipa::path(
    post, path = "/v1/conversations", tag = "chat", request_body = OpenDirectRequest,
    responses(
        (status = 200, description = "The conversation", body = Conversation),
        (status = 403, description = "The token does not permit it", body = Problem),
        (status = 404, description = "There is no account with this address", body = Problem),
        (status = 422, description = "The address is the caller's own", body = Problem),
    )
)]
pub(super) async fn open_direct(
    State(context): State<Context>,
    Caller(identity): Caller,
    ApiJson(body): ApiJson<OpenDirectRequest>,
) -> Result<ApiJson<Conversation>, ApiError> {
    if !identity.grants.create {
        // Before the address is looked up: guests learn nothing about who has an account.
        return Err(ErrorBody::from(crate::RoomError::NotGranted).into());
    }
    let other = context.address_book.find_by_email(&body.email).await?.ok_or_else(|| {
        ErrorBody::new(ErrorCode::NotFound, "There is no account with this address.")
            .with_field("email", "is nobody's address here")
    })?;
    let conversation = context.chat.open_direct(&identity, other).await.map_err(ErrorBody::from)?;
    Ok(ApiJson(conversation))
}

/// One conversation.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}", tag = "chat",
    params(("conversation" = String, Path, description = "The conversation's id")),
    responses(
        (status = 200, description = "The conversation", body = Conversation),
        (status = 404, description = "There is no such conversation of the caller's", body = Problem),
    )
)]
pub(super) async fn read(
    State(context): State<Context>,
    Caller(identity): Caller,
    ApiPath(id): ApiPath<ConversationId>,
) -> Result<ApiJson<Conversation>, ApiError> {
    let conversation = context.chat.conversation(&identity, id).await.map_err(ErrorBody::from)?;
    Ok(ApiJson(conversation))
}
