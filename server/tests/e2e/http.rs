//! What everybody meets who speaks HTTP to the server, whatever the route.

use std::io::{Read, Write};
use std::net::TcpStream;

use confer_protocol::error::ErrorCode;
use confer_protocol::rest::Problem;
use confer_protocol::{BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL};
use futures::StreamExt;
use reqwest::StatusCode;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::client::Person;
use crate::process::Setup;
use crate::tls;

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_can_be_opened_over_a_self_signed_certificate() {
    let mut setup = Setup::private().argument("--tls=self-signed");
    let confer = setup.start();
    assert!(confer.url.starts_with("https://"), "{}", confer.url);

    let stream = tls::connect(&setup, &confer).await;
    let url = format!("wss://localhost:{}/v1/connect", confer.port());
    let mut request = url.into_client_request().expect("a URL");
    let protocols = format!("{SUBPROTOCOL}, {BEARER_SUBPROTOCOL_PREFIX}not-a-token");
    request.headers_mut().insert("sec-websocket-protocol", protocols.parse().expect("plain text"));
    let (mut socket, answer) =
        tokio_tungstenite::client_async(request, stream).await.expect("an upgrade over TLS");
    assert_eq!(answer.headers()["sec-websocket-protocol"], SUBPROTOCOL);
    // A wrong token is refused inside the socket, where scripts can read why.
    assert!(socket.next().await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_a_problem_that_names_the_request() {
    let mut setup = Setup::private().argument("--set=http.max-body=2KiB");
    let confer = setup.start();
    let http = reqwest::Client::new();
    let alice = Person::register(&confer.url, "alice").await;

    let large = serde_json::json!({ "name": "x".repeat(4096) });
    let rooms = format!("{}/v1/rooms", confer.url);
    let cases = [
        (http.get(format!("{}/v1/nothing", confer.url)), ErrorCode::NotFound),
        (http.get(&rooms), ErrorCode::Unauthenticated),
        (http.get(&rooms).bearer_auth("nonsense"), ErrorCode::Unauthenticated),
        (
            http.post(&rooms).bearer_auth(&alice.token.access_token).json(&large),
            ErrorCode::TooLarge,
        ),
        (http.post(&rooms).bearer_auth(&alice.token.access_token).body("{"), ErrorCode::Malformed),
    ];
    for (request, code) in cases {
        let answer = request.header("content-type", "application/json").send().await;
        let answer = answer.expect("the server answers");
        assert_eq!(answer.status().as_u16(), code.http_status(), "{code:?}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{code:?}");
        let id = answer.headers()["x-request-id"].to_str().expect("plain text").to_owned();
        let problem: Problem = answer.json().await.expect("a problem");
        assert_eq!((problem.error.code, problem.request_id), (code, id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_routes_answer() {
    let mut setup = Setup::private();
    let confer = setup.start();
    let get = |path: &str| reqwest::get(format!("{}{path}", confer.url));

    for path in ["/healthz", "/readyz"] {
        let answer = get(path).await.expect("the server answers");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    let metrics = get("/metrics").await.expect("the server answers").text().await.expect("text");
    let names = [
        "confer_build_info",
        "confer_rooms",
        "confer_sfu_rooms",
        "confer_chat_messages_total{outcome=\"stored\"} 0",
        "confer_accounts_logins_total{outcome=\"refused\"} 0",
    ];
    for name in names {
        assert!(metrics.contains(name), "{name} is not in:\n{metrics}");
    }
    let openapi = get("/openapi.json").await.expect("the server answers").text().await;
    let openapi: serde_json::Value =
        serde_json::from_str(&openapi.expect("text")).expect("the document is JSON");
    for path in ["/v1/auth/register", "/v1/rooms", "/v1/conversations"] {
        assert!(openapi["paths"].get(path).is_some(), "{path} is not described");
    }
    let page = get("/").await.expect("the server answers");
    let policy = page.headers()["content-security-policy"].to_str().expect("plain text");
    assert!(policy.contains("script-src 'self';"), "{policy}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_need_the_token_once_there_is_one() {
    let setup = Setup::private();
    std::fs::create_dir(setup.data_dir()).expect("our own directory");
    let file = setup.data_dir().join("metrics-token");
    std::fs::write(&file, "let-me-in\n").expect("our own directory");
    let mut setup = setup.argument(&format!("--set=http.metrics-token-file={}", file.display()));
    let confer = setup.start();
    let url = format!("{}/metrics", confer.url);
    let http = reqwest::Client::new();
    let without = http.get(&url).send().await.expect("the server answers");
    assert_eq!(without.status(), StatusCode::FORBIDDEN);
    let with = http.get(&url).bearer_auth("let-me-in").send().await.expect("the server answers");
    assert_eq!(with.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_named_sites_may_use_the_api_and_others_may_not() {
    let mut setup = Setup::private().argument("--set=http.allowed-origins=https://app.example.org");
    let confer = setup.start();
    let http = reqwest::Client::new();
    for (origin, allowed) in
        [("https://app.example.org", true), ("https://evil.example.org", false)]
    {
        let asked = http
            .request(reqwest::Method::OPTIONS, format!("{}/v1/rooms", confer.url))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let answer = asked.send().await.expect("the server answers");
        let granted = answer.headers().get("access-control-allow-origin");
        assert_eq!(granted.is_some_and(|it| it == origin), allowed, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_for_chat_alone_opens_no_socket() {
    let mut setup = Setup::private().argument("--roles=chat");
    let confer = setup.start();
    let alice = Person::register(&confer.url, "alice").await;
    alice.create_room("Kitchen").await;
    assert!(alice.connect().await.is_err());
    let metrics = reqwest::get(format!("{}/metrics", confer.url)).await;
    let metrics = metrics.expect("the server answers").text().await.expect("text");
    assert!(metrics.contains("confer_chat_feeds") && !metrics.contains("confer_sfu_rooms"));
}

#[test]
fn whoever_sends_no_request_is_not_waited_for() {
    let mut setup = Setup::private().argument("--set=http.header-timeout=100ms");
    let confer = setup.start();
    for begun in ["", "GET / HTTP/1.1\r\nHost: loc"] {
        let mut slow = TcpStream::connect(("127.0.0.1", confer.port())).expect("it listens");
        slow.write_all(begun.as_bytes()).expect("it reads");
        let mut rest = Vec::new();
        // Ends when the server hangs up, whether it says why or not.
        let _ = slow.read_to_end(&mut rest);
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{begun}");
    }
}

#[test]
fn connections_beyond_the_limit_wait_instead_of_being_dropped() {
    let mut setup = Setup::private().argument("--set=http.max-connections=1");
    let confer = setup.start();
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let first = TcpStream::connect(("127.0.0.1", confer.port())).expect("it listens");
    let mut second =
        TcpStream::connect(("127.0.0.1", confer.port())).expect("the kernel queues it");
    second.write_all(request).expect("it is queued");
    drop(first);
    let mut answer = String::new();
    second.read_to_string(&mut answer).expect("its turn comes");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
