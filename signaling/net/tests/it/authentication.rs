use std::time::Duration;

use confer_protocol::client::Request;
use confer_protocol::error::ErrorCode;
use confer_protocol::server::{Notice, Reply};
use confer_signaling_core::Limits;
use confer_signaling_core::ports::Presence;
use confer_signaling_net::{Config, Origins};

use crate::client::Client;
use crate::fakes::{ROOM, serve, user};

#[tokio::test]
async fn a_token_among_the_subprotocols_is_welcomed() {
    let service = serve(Config::default()).await;
    let protocols = ["confer.v1", "confer.bearer.alice"];
    let mut client = Client::open(service.address, &protocols).await.expect("accepted");
    let welcome = client.welcome().await;
    assert_eq!(welcome.user.id, user("alice"));
    assert_eq!(welcome.heartbeat_ms, 25_000);
}

#[tokio::test]
async fn a_token_in_the_authorization_header_is_welcomed() {
    let service = serve(Config::default()).await;
    let headers = [("authorization", "Bearer alice")];
    let mut client =
        Client::open_with(service.address, &["confer.v1"], &headers).await.expect("accepted");
    assert_eq!(client.welcome().await.user.id, user("alice"));
}

#[tokio::test]
async fn a_token_in_the_first_frame_is_welcomed_before_its_answer() {
    let service = serve(Config::default()).await;
    let mut client = Client::open(service.address, &["confer.v1"]).await.expect("accepted");
    let id = client.post(Request::Auth { token: "alice".to_owned() }).await;
    assert_eq!(client.welcome().await.user.id, user("alice"));
    assert_eq!(client.answer(id).await, Ok(Reply::Auth));
}

#[tokio::test]
async fn requests_before_the_token_are_refused_and_the_socket_stays() {
    let service = serve(Config::default()).await;
    let mut client = Client::open(service.address, &["confer.v1"]).await.expect("accepted");
    let error = client.ask(Request::Join { room: ROOM }).await.expect_err("nobody is known");
    assert_eq!(error.code, ErrorCode::Unauthenticated);
    client.post(Request::Auth { token: "alice".to_owned() }).await;
    client.welcome().await;
}

#[tokio::test]
async fn a_wrong_token_ends_the_socket_for_good_and_an_expired_one_for_a_refresh() {
    let service = serve(Config::default()).await;
    for (token, code, close) in
        [("broken", ErrorCode::Unauthenticated, 4403), ("expired", ErrorCode::TokenExpired, 4401)]
    {
        let protocols = ["confer.v1", &format!("confer.bearer.{token}")];
        let mut client = Client::open(service.address, &protocols).await.expect("accepted");
        assert_eq!(client.stray_error().await.code, code);
        assert_eq!(client.closed().await, close);
    }
}

#[tokio::test]
async fn a_socket_without_a_token_is_closed_at_the_deadline() {
    let limits = Limits { auth_timeout: Duration::from_millis(20), ..Limits::default() };
    let service = serve(Config { limits, ..Config::default() }).await;
    let mut client = Client::open(service.address, &["confer.v1"]).await.expect("accepted");
    assert_eq!(client.closed().await, 4408);
}

#[tokio::test]
async fn sockets_without_a_token_are_few_and_those_with_one_do_not_count() {
    let config = Config { unauthenticated_connections: 1, ..Config::default() };
    let service = serve(config).await;
    let _alice = Client::connect(service.address, "alice").await;
    let mut unknown = Client::open(service.address, &["confer.v1"]).await.expect("accepted");
    let refused = Client::open(service.address, &["confer.v1"]).await;
    assert_eq!(refused.err().map(|status| status.as_u16()), Some(503));
    unknown.post(Request::Auth { token: "bob".to_owned() }).await;
    unknown.welcome().await;
    assert!(Client::open(service.address, &["confer.v1"]).await.is_ok());
}

#[tokio::test]
async fn a_token_that_runs_out_is_announced_and_then_ends_the_socket() {
    let service = serve(Config::default()).await;
    let mut client = Client::connect(service.address, "alice.1").await;
    assert!(matches!(client.notice().await, Notice::TokenExpiring { in_ms: ..=1000 }));
    assert_eq!(client.closed().await, 4401);
}

#[tokio::test]
async fn a_fresh_token_keeps_the_socket_but_not_for_another_user() {
    let service = serve(Config::default()).await;
    let mut client = Client::connect(service.address, "alice.50").await;
    assert!(matches!(client.notice().await, Notice::TokenExpiring { .. }));
    let other = client.ask(Request::Auth { token: "bob".to_owned() }).await;
    assert_eq!(other.expect_err("it is alice's socket").code, ErrorCode::Forbidden);
    let broken = client.ask(Request::Auth { token: "broken".to_owned() }).await;
    assert_eq!(broken.expect_err("it is no token").code, ErrorCode::Unauthenticated);
    let fresh = client.ask(Request::Auth { token: "alice.5000".to_owned() }).await;
    assert_eq!(fresh, Ok(Reply::Auth));
    assert_eq!(client.ask(Request::Ping).await, Ok(Reply::Ping));
}

#[tokio::test]
async fn clients_of_another_protocol_learn_so_from_the_close_code() {
    let service = serve(Config::default()).await;
    for protocols in [&["confer.v9", "confer.bearer.alice"][..], &[]] {
        let mut client = Client::open(service.address, protocols).await.expect("accepted");
        assert_eq!(client.closed().await, 4426);
    }
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_unless_allowed() {
    let service = serve(Config::default()).await;
    let protocols = ["confer.v1", "confer.bearer.alice"];
    let foreign = [("origin", "https://elsewhere.example")];
    let refused = Client::open_with(service.address, &protocols, &foreign).await;
    assert_eq!(refused.err().map(|status| status.as_u16()), Some(403));

    let own = format!("http://{}", service.address);
    let same = Client::open_with(service.address, &protocols, &[("origin", &own)]).await;
    assert!(same.is_ok());

    let open = serve(Config { origins: Origins::Any, ..Config::default() }).await;
    assert!(Client::open_with(open.address, &protocols, &foreign).await.is_ok());
}

#[tokio::test]
async fn a_plain_get_is_answered_with_a_problem() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let service = serve(Config::default()).await;
    let mut socket = tokio::net::TcpStream::connect(service.address).await.expect("it listens");
    let request = "GET /v1/connect HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    socket.write_all(request.as_bytes()).await.expect("it reads");
    let mut response = String::new();
    socket.read_to_string(&mut response).await.expect("it answers");
    assert!(response.starts_with("HTTP/1.1 400"), "{response}");
    assert!(response.contains("application/problem+json"), "{response}");
}

#[tokio::test]
async fn a_revoked_user_loses_every_socket_and_seat() {
    let service = serve(Config::default()).await;
    let (mut alice, joined) = Client::join(service.address, "alice").await;
    let mut elsewhere = Client::connect(service.address, "alice").await;
    let (mut bob, _) = Client::join(service.address, "bob").await;

    service.signaling.revoke(user("alice").0);
    assert_eq!(alice.closed().await, 4403);
    assert_eq!(elsewhere.closed().await, 4403);
    let (_, event) = bob.event().await;
    let left = confer_protocol::server::RoomEvent::ParticipantLeft {
        participant: joined.participant,
        reason: confer_protocol::server::LeaveReason::Revoked,
    };
    assert_eq!(event, left);
}
