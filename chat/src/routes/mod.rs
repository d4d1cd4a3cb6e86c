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
use utoipa::openapi::{Content, Ref, Response};

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

/// These routes, described. What the layer around all of them answers is said of each.
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    let refused = Response::builder().description("Too many requests");
    let refused = refused.content("application/json", problem).build();
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.put, &mut path.post, &mut path.delete];
        for operation in operations.into_iter().flatten() {
            operation.responses.responses.insert("429".to_owned(), refused.clone().into());
        }
    }
    document
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_with_the_answer_to_who_asks_too_often() {
        let document = serde_json::to_value(openapi()).expect("a document is JSON");
        let paths = document["paths"].as_object().expect("there are paths");
        let operations = paths.values().filter_map(|path| path.as_object()).flatten();
        let answers = operations.map(|(_, operation)| &operation["responses"]["429"]);
        let described: Vec<_> = answers.collect();
        assert_eq!(described.len(), 10);
        assert!(described.iter().all(|answer| answer["description"] == "Too many requests"));
    }
}
