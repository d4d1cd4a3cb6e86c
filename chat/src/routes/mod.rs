//! The routes under `/v1` that are about rooms and conversations: the same operations as on the
//! WebSocket, through the same code.

mod conversations;
mod messages;
mod rate;
mod rooms;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, put};
use utoipa::OpenApi;

use self::rate::RateLimiter;
use crate::ports::{AddressBook, Calls};
use crate::service::ChatService;

/// What every handler gets.
#[derive(Clone)]
struct Context {
    chat: ChatService,
    address_book: Arc<dyn AddressBook>,
    calls: Arc<dyn Calls>,
}

/// The routes, to be merged into the server's router behind its authentication layer.
pub fn routes(
    chat: ChatService,
    address_book: Arc<dyn AddressBook>,
    calls: Arc<dyn Calls>,
) -> Router {
    let limiter = Arc::new(RateLimiter::new(&chat.config.limits));
    Router::new()
        .route("/v1/rooms", get(rooms::list).post(rooms::create))
        .route("/v1/rooms/{room}", get(rooms::read))
        .route("/v1/conversations", get(conversations::list).post(conversations::open_direct))
        .route("/v1/conversations/{conversation}", get(conversations::read))
        .route(
            "/v1/conversations/{conversation}/messages",
            get(messages::history).post(messages::send),
        )
        .route("/v1/conversations/{conversation}/events", get(messages::events))
        .route("/v1/conversations/{conversation}/receipt", put(messages::mark))
        // Below the routes only: what is no route of chat's costs nobody a token.
        .route_layer(from_fn_with_state(limiter, rate::limit))
        .with_state(Context { chat, address_book, calls })
}

/// These routes, described.
pub fn openapi() -> utoipa::openapi::OpenApi {
    Document::openapi()
}

#[derive(OpenApi)]
#[openapi(
    paths(
        rooms::list,
        rooms::create,
        rooms::read,
        conversations::list,
        conversations::open_direct,
        conversations::read,
        messages::history,
        messages::send,
        messages::events,
        messages::mark,
    ),
    tags((name = "rooms", description = "Places to meet. Each has a conversation of the same id."),
         (name = "chat", description = "Conversations, their messages and receipts."))
)]
struct Document;
