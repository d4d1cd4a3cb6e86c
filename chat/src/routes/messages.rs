use axum::extract::State;
use axum::http::StatusCode;
use confer_http::{ApiError, ApiJson, ApiPath, ApiQuery, Caller};
use confer_protocol::chat::{
    EventSeq, HistoryPage, HistoryQuery, NewMessage, Receipt, SendReceipt,
};
use confer_protocol::error::ErrorBody;
use confer_protocol::id::ConversationId;
use confer_protocol::rest::{EventPage, MarkRequest, Problem};
use serde::Deserialize;

use super::Context;

/// A page of messages in ascending order: the newest, or those before or after a message.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/messages", tag = "chat",
    params(
        ("conversation" = String, Path, description = "The conversation's id"),
        ("before" = Option<u64>, Query, description = "The newest before this seq"),
        ("after" = Option<u64>, Query, description = "The oldest after this seq"),
        ("limit" = Option<u16>, Query, description = "At most this many, 1 to 200, usually 50"),
    ),
    responses(
        (status = 200, description = "The page", body = HistoryPage),
        (status = 404, description = "There is no such conversation of the caller's", body = Problem),
        (status = 422, description = "A parameter cannot be used", body = Problem),
    )
)]
pub(super) async fn history(
    State(context): State<Context>,
    Caller(identity): Caller,
    ApiPath(id): ApiPath<ConversationId>,
    ApiQuery(query): ApiQuery<HistoryQuery>,
) -> Result<ApiJson<HistoryPage>, ApiError> {
    let page = context.chat.history(&identity, id, query).await.map_err(ErrorBody::from)?;
    Ok(ApiJson(page))
}

/// Stores a message. A retry with the same `client_id` is answered with the stored one's number.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation}/messages", tag = "chat",
    request_body = NewMessage,
    params(("conversation" = String, Path, description = "The conversation's id")),
    responses(
        (status = 201, description = "It is durable", body = SendReceipt),
        (status = 200, description = "It was stored before", body = SendReceipt),
        (status = 403, description = "The token does not permit writing", body = Problem),
        (status = 404, description = "There is no such conversation of the caller's", body = Problem),
        (status = 422, description = "A field cannot be used", body = Problem),
        (status = 503, description = "Send it again with the same client_id", body = Problem),
    )
)]
pub(super) async fn send(
    State(context): State<Context>,
    Caller(identity): Caller,
    ApiPath(id): ApiPath<ConversationId>,
    ApiJson(message): ApiJson<NewMessage>,
) -> Result<(StatusCode, ApiJson<SendReceipt>), ApiError> {
    let receipt = context.chat.send(&identity, id, message).await.map_err(ErrorBody::from)?;
    let status = if receipt.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, ApiJson(receipt)))
}

/// Where to read a log from.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct EventsQuery {
    after: EventSeq,
    limit: Option<u16>,
}

/// The durable changes after a cursor, in order.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation}/events", tag = "chat",
    params(
        ("conversation" = String, Path, description = "The conversation's id"),
        ("after" = u64, Query, description = "The last event_seq that is known; 0 for none"),
        ("limit" = Option<u16>, Query, description = "At most this many, 1 to 300"),
    ),
    responses(
        (status = 200, description = "The page", body = EventPage),
        (status = 404, description = "There is no such conversation of the caller's", body = Problem),
        (status = 422, description = "A parameter cannot be used", body = Problem),
    )
)]
pub(super) async fn events(
    State(context): State<Context>,
    Caller(identity): Caller,
    ApiPath(id): ApiPath<ConversationId>,
    ApiQuery(query): ApiQuery<EventsQuery>,
) -> Result<ApiJson<EventPage>, ApiError> {
    let page = context.chat.events(&identity, id, query.after, query.limit).await;
    Ok(ApiJson(page.map_err(ErrorBody::from)?))
}

/// Says how far the caller is. Lower values than known ones are no error and change nothing.
#[utoipa::path(
    put, path = "/v1/conversations/{conversation}/receipt", tag = "chat",
    request_body = MarkRequest,
    params(("conversation" = String, Path, description = "The conversation's id")),
    responses(
        (status = 200, description = "Where the caller stands now", body = Receipt),
        (status = 404, description = "There is no such conversation of the caller's", body = Problem),
        (status = 503, description = "Say it again", body = Problem),
    )
)]
pub(super) async fn mark(
    State(context): State<Context>,
    Caller(identity): Caller,
    ApiPath(id): ApiPath<ConversationId>,
    ApiJson(body): ApiJson<MarkRequest>,
) -> Result<ApiJson<Receipt>, ApiError> {
    let receipt = context.chat.mark(&identity, id, body.delivered, body.read).await;
    Ok(ApiJson(receipt.map_err(ErrorBody::from)?))
}
