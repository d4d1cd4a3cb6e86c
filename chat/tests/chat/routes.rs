//! The HTTP face: what goes in, what comes out, and that every route refuses alike.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode, header};
use axum::{Extension, Router};
use confer_auth::{Grants, Identity, RoomScope};
use confer_chat::ports::{AddressBook, Calls, PortFuture};
use confer_chat::{Config, Limits};
use confer_http::Authentication;
use confer_protocol::error::ErrorBody;
use confer_protocol::id::{RoomId, UserId};
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use crate::support::{Setup, identity, quick, setup, setup_with};

struct OneAddress(UserId);

impl AddressBook for OneAddress {
    fn find_by_email<'a>(
        &'a self,
        email: &'a str,
    ) -> PortFuture<'a, Result<Option<UserId>, ErrorBody>> {
        Box::pin(async move { Ok((email == "bob@example.org").then_some(self.0)) })
    }
}

struct ThreeInEveryCall;

impl Calls for ThreeInEveryCall {
    fn in_call(&self, _: RoomId) -> u32 {
        3
    }
}

struct Client {
    router: Router,
}

impl Client {
    fn new(setup: &Setup, known: Option<&Identity>, bob: UserId) -> Self {
        let authentication = match known {
            Some(identity) => Authentication::Known(identity.clone()),
            None => Authentication::Absent,
        };
        let router = confer_chat::routes(
            setup.service.clone(),
            Arc::new(OneAddress(bob)),
            Arc::new(ThreeInEveryCall),
        )
        .layer(Extension(authentication));
        Self { router }
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = Request::builder().method(method).uri(path);
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let request = request.body(body).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("infallible");
        let status = response.status();
        if status.is_client_error() || status.is_server_error() {
            let kind = response.headers().get(header::CONTENT_TYPE).expect("typed");
            assert_eq!(kind, "application/problem+json");
        }
        let bytes = to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (status.as_u16(), serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::PUT, path, Some(body)).await
    }
}

#[tokio::test]
async fn a_room_is_made_written_in_read_and_marked_over_http() {
    let setup = setup().await;
    let alice = setup.person("alice").await;
    let bob = setup.person("bob").await;
    let client = Client::new(&setup, Some(&alice), bob.user_id());

    let (status, room) = client.post("/v1/rooms", json!({"name": "Kitchen"})).await;
    assert_eq!((status, room["name"].as_str()), (201, Some("Kitchen")));
    let id = room["id"].as_str().expect("an id").to_owned();
    let (status, rooms) = client.get("/v1/rooms").await;
    assert_eq!((status, &rooms["rooms"][0]["in_call"]), (200, &json!(3)));
    let (status, summary) = client.get(&format!("/v1/rooms/{id}")).await;
    assert_eq!((status, &summary["room"]["name"]), (200, &json!("Kitchen")));

    let messages = format!("/v1/conversations/{id}/messages");
    let message = json!({"client_id": Uuid::from_u128(1), "body": "hello"});
    let (status, first) = client.post(&messages, message.clone()).await;
    assert_eq!((status, &first["seq"], &first["duplicate"]), (201, &json!(1), &json!(false)));
    let (status, again) = client.post(&messages, message).await;
    assert_eq!((status, &again["seq"], &again["duplicate"]), (200, &json!(1), &json!(true)));

    let (status, page) = client.get(&format!("{messages}?after=0&limit=10")).await;
    assert_eq!((status, &page["messages"][0]["body"]), (200, &json!("hello")));
    assert_eq!(page["messages"][0]["sender"]["name"], json!("alice"));
    let (status, log) = client.get(&format!("/v1/conversations/{id}/events?after=1")).await;
    assert_eq!((status, &log["events"][0]["kind"]), (200, &json!("message_sent")));
    let receipt = format!("/v1/conversations/{id}/receipt");
    let (status, receipt) = client.put(&receipt, json!({"read": 1})).await;
    assert_eq!((status, &receipt["read"], &receipt["delivered"]), (200, &json!(1), &json!(1)));

    let (status, list) = client.get("/v1/conversations").await;
    assert_eq!((status, &list["conversations"][0]["unread"]), (200, &json!(0)));
    let (status, one) = client.get(&format!("/v1/conversations/{id}")).await;
    assert_eq!((status, &one["last_seq"], &one["kind"]), (200, &json!(1), &json!("room")));
    setup.stop().await;
}

#[tokio::test]
async fn a_direct_conversation_is_opened_by_address() {
    let setup = setup().await;
    let alice = setup.person("alice").await;
    let bob = setup.person("bob").await;
    let client = Client::new(&setup, Some(&alice), bob.user_id());
    let (status, opened) =
        client.post("/v1/conversations", json!({"email": "bob@example.org"})).await;
    assert_eq!((status, &opened["title"], &opened["kind"]), (200, &json!("bob"), &json!("direct")));
    let (status, nobody) =
        client.post("/v1/conversations", json!({"email": "nobody@example.org"})).await;
    assert_eq!((status, nobody["code"].as_str()), (404, Some("not_found")));
    assert!(nobody["fields"]["email"].is_string());

    // A guest learns nothing about who has an account.
    let guest = identity(alice.user.clone(), Grants::guest(RoomId(Uuid::now_v7())));
    let client = Client::new(&setup, Some(&guest), bob.user_id());
    for email in ["bob@example.org", "nobody@example.org"] {
        let (status, refused) = client.post("/v1/conversations", json!({"email": email})).await;
        assert_eq!((status, refused["code"].as_str()), (403, Some("forbidden")));
    }
    setup.stop().await;
}

#[tokio::test]
async fn bad_requests_are_answered_with_a_problem_that_names_the_field() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let client = Client::new(&setup, Some(&alice), bob.user_id());
    let messages = format!("/v1/conversations/{room}/messages");
    let id = Uuid::from_u128(1);
    let cases = [
        (client.post("/v1/rooms", json!({"name": ""})).await, 422, "invalid", Some("name")),
        (client.post("/v1/rooms", json!({"name": 7})).await, 422, "invalid", None),
        (client.post("/v1/rooms", json!({"nam": "x"})).await, 422, "invalid", None),
        (
            client.post(&messages, json!({"client_id": id, "body": ""})).await,
            422,
            "invalid",
            Some("body"),
        ),
        (
            client.post(&messages, json!({"client_id": "x", "body": "y"})).await,
            422,
            "invalid",
            None,
        ),
        (
            client.post(&messages, json!({"client_id": id, "body": "y", "reply_to": 9})).await,
            422,
            "invalid",
            Some("reply_to"),
        ),
        (client.get(&format!("{messages}?limit=0")).await, 422, "invalid", Some("limit")),
        (client.get(&format!("{messages}?limit=x")).await, 422, "invalid", None),
        (client.get(&format!("{messages}?before=1&after=2")).await, 422, "invalid", Some("after")),
        (
            client.get(&format!("/v1/conversations/{room}/events?after=99")).await,
            422,
            "invalid",
            Some("after"),
        ),
        (client.get("/v1/conversations/not-an-id").await, 404, "not_found", None),
        (client.get(&format!("/v1/rooms/{id}")).await, 404, "not_found", None),
        (client.get(&format!("/v1/conversations/{id}")).await, 404, "not_found", None),
    ];
    for (case, ((status, problem), expected, code, field)) in cases.into_iter().enumerate() {
        assert_eq!((status, problem["code"].as_str()), (expected, Some(code)), "case {case}");
        if let Some(field) = field {
            assert!(problem["fields"][field].is_string(), "case {case}: {problem}");
        }
    }
    setup.stop().await;
}

#[tokio::test]
async fn whoever_asks_too_often_is_told_how_long_to_wait_and_back_ends_are_not() {
    let limits = Limits { request_burst: 3, requests_per_second: 1, ..Limits::default() };
    let setup = setup_with(Config { limits, ..quick() }).await;
    let (alice, bob, _) = setup.room_of_two().await;
    let client = Client::new(&setup, Some(&alice), bob.user_id());
    for _ in 0..3 {
        assert_eq!(client.get("/v1/rooms").await.0, 200);
    }
    let (status, problem) = client.get("/v1/conversations").await;
    assert_eq!((status, problem["code"].as_str()), (429, Some("rate_limited")));
    let wait = problem["retry_after_ms"].as_u64().expect("a wait");
    assert!((1..=1000).contains(&wait));

    let back_end = Grants { rooms: RoomScope::All, ..Grants::account() };
    let back_end = Client::new(&setup, Some(&identity(bob.user, back_end)), alice.user_id());
    for _ in 0..10 {
        assert_eq!(back_end.get("/v1/rooms").await.0, 200);
    }
    setup.stop().await;
}

#[tokio::test]
async fn every_documented_route_refuses_strangers_and_the_unknown() {
    let setup = setup().await;
    let (_, bob, room) = setup.room_of_two().await;
    let nobody = Client::new(&setup, None, bob.user_id());
    let stranger = setup.person("mallory").await;
    let stranger = Client::new(&setup, Some(&stranger), bob.user_id());
    let document = serde_json::to_value(confer_chat::openapi()).expect("JSON");
    let mut routes = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let concrete =
            path.replace("{room}", &room.to_string()).replace("{conversation}", &room.to_string());
        for method in operations.as_object().expect("operations").keys() {
            routes += 1;
            let method: Method = method.to_uppercase().parse().expect("a method");
            let query = if path.ends_with("/events") { "?after=0" } else { "" };
            let body = match (method.as_str(), path.rsplit('/').next()) {
                ("POST", Some("messages")) => {
                    Some(json!({"client_id": Uuid::from_u128(1), "body": "hello"}))
                }
                ("PUT", _) => Some(json!({"read": 1})),
                ("POST", Some("rooms")) => Some(json!({"name": "Attic"})),
                ("POST", _) => Some(json!({"email": "bob@example.org"})),
                _ => None,
            };
            let target = format!("{concrete}{query}");
            let (status, problem) = nobody.call(method.clone(), &target, body.clone()).await;
            let refused = (status, problem["code"].as_str());
            assert_eq!(refused, (401, Some("unauthenticated")), "{method} {path}");
            // What is somebody else's does not exist for a stranger.
            if path.contains('{') {
                let (status, problem) = stranger.call(method.clone(), &target, body).await;
                let refused = (status, problem["code"].as_str());
                assert_eq!(refused, (404, Some("not_found")), "{method} {path}");
            }
        }
    }
    assert_eq!(routes, 10);
    let (status, _) = stranger.get("/v1/rooms").await;
    assert_eq!(status, StatusCode::OK.as_u16());
    setup.stop().await;
}
