use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use confer_accounts::{Config, Metrics, Rate, RateLimits};
use confer_auth::{Claims, Grants, RoomScope};
use serde_json::{Value, json};

use crate::support::{Answer, Call, PASSWORD, World, config};

fn account(email: &str) -> Value {
    json!({"email": email, "password": PASSWORD, "name": "Alice"})
}

async fn register(app: &Router, email: &str) -> Answer {
    let answer = Call::new("POST", "/v1/auth/register").json(account(email)).send(app).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.body);
    answer
}

fn refresh(cookie: &str) -> Call {
    Call::new("POST", "/v1/auth/refresh").header("cookie", cookie).header("x-confer-client", "test")
}

#[tokio::test]
async fn from_registration_to_logout() {
    let world = World::new().await;
    let app = world.app();
    let registered = register(&app, "alice@example.org").await;
    assert_eq!(registered.body["expires_in"], 600);
    assert_eq!(registered.body["user"]["name"], "Alice");
    let cookie = registered.cookie.as_deref().expect("the cookie is set");
    assert!(cookie.ends_with("Path=/v1/auth; Max-Age=2592000; HttpOnly; SameSite=Strict"));

    let me = Call::new("GET", "/v1/me").bearer(registered.token()).send(&app).await;
    assert_eq!(me.body["email"], "alice@example.org");

    let refreshed = refresh(registered.refresh_cookie()).send(&app).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.body);
    assert_ne!(refreshed.refresh_cookie(), registered.refresh_cookie());

    let logout = Call::new("POST", "/v1/auth/logout")
        .header("cookie", refreshed.refresh_cookie())
        .header("x-confer-client", "test");
    let logout = logout.send(&app).await;
    assert_eq!(logout.status, StatusCode::NO_CONTENT);
    assert_eq!(logout.refresh_cookie(), "confer_refresh=");
    let me = Call::new("GET", "/v1/me").bearer(refreshed.token()).send(&app).await;
    assert_eq!((me.status, &me.body["code"]), (StatusCode::UNAUTHORIZED, &json!("revoked")));
    let again = refresh(refreshed.refresh_cookie()).send(&app).await;
    assert_eq!((again.status, &again.body["code"]), (StatusCode::UNAUTHORIZED, &json!("revoked")));
}

#[tokio::test]
async fn logging_in_answers_with_a_cookie_and_refusals_without() {
    let world = World::new().await;
    let app = world.app();
    register(&app, "alice@example.org").await;
    let login = |password: &str| {
        let body = json!({"email": "alice@example.org", "password": password});
        Call::new("POST", "/v1/auth/login").json(body)
    };
    let good = login(PASSWORD).send(&app).await;
    assert_eq!(good.status, StatusCode::OK);
    assert!(good.cookie.is_some());
    let bad = login("incorrect horse").send(&app).await;
    assert_eq!(
        (bad.status, &bad.body["code"]),
        (StatusCode::UNAUTHORIZED, &json!("unauthenticated"))
    );
    assert!(bad.cookie.is_none());
}

#[tokio::test]
async fn wrong_fields_are_named_and_a_taken_address_is_a_conflict() {
    let world = World::new().await;
    let app = world.app();
    let wrong = json!({"email": "nobody", "password": "short", "name": ""});
    let wrong = Call::new("POST", "/v1/auth/register").json(wrong).send(&app).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(wrong.body["fields"].as_object().map(serde_json::Map::len), Some(3));
    register(&app, "alice@example.org").await;
    let taken = account("Alice@example.org");
    let taken = Call::new("POST", "/v1/auth/register").json(taken).send(&app).await;
    assert_eq!((taken.status, &taken.body["code"]), (StatusCode::CONFLICT, &json!("conflict")));
}

#[tokio::test]
async fn the_cookie_works_only_for_deliberate_requests_of_known_origins() {
    let world = World::new().await;
    let app = world.app();
    let cookie = register(&app, "alice@example.org").await.refresh_cookie().to_owned();
    let bare = Call::new("POST", "/v1/auth/refresh").header("cookie", &cookie).send(&app).await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN, "without the header");
    for foreign in ["https://evil.test", "null", "https://chat.test.evil.test", "chat.test"] {
        let answer = refresh(&cookie).header("origin", foreign).send(&app).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{foreign}");
        let login = Call::new("POST", "/v1/auth/login").header("origin", foreign);
        let login = login.json(json!({"email": "a@b.c", "password": "x"})).send(&app).await;
        assert_eq!(login.status, StatusCode::FORBIDDEN, "{foreign}");
    }
    let own = refresh(&cookie).header("origin", "https://chat.test").send(&app).await;
    assert_eq!(own.status, StatusCode::OK);
    let nobody = Call::new("POST", "/v1/auth/refresh").header("x-confer-client", "test");
    let nobody = nobody.send(&app).await;
    assert_eq!(nobody.body["code"], "unauthenticated");
}

#[tokio::test]
async fn a_lost_device_is_logged_out_from_another() {
    let world = World::new().await;
    let app = world.app();
    let lost = register(&app, "alice@example.org").await;
    let here = json!({"email": "alice@example.org", "password": PASSWORD});
    let here = Call::new("POST", "/v1/auth/login").json(here).send(&app).await;
    let ended = Call::new("DELETE", "/v1/me/sessions").bearer(here.token()).send(&app).await;
    assert_eq!(ended.status, StatusCode::NO_CONTENT);
    assert_eq!(ended.refresh_cookie(), "confer_refresh=");
    for login in [lost, here] {
        assert_eq!(refresh(login.refresh_cookie()).send(&app).await.body["code"], "revoked");
        let me = Call::new("GET", "/v1/me").bearer(login.token()).send(&app).await;
        assert_eq!(me.body["code"], "revoked");
    }
}

#[tokio::test]
async fn a_back_end_that_moderates_everything_may_end_anybody_s_sessions() {
    let world = World::new().await;
    let app = world.app();
    let alice = register(&app, "alice@example.org").await;
    let id = alice.body["user"]["id"].as_str().expect("users have ids").to_owned();
    let end = || Call::new("DELETE", &format!("/v1/users/{id}/sessions"));
    let key = world.accounts.create_api_key().await.expect("it is written").signing_key();
    let token = |rooms, moderate| {
        let grants = Grants { rooms, moderate, ..Grants::default() };
        let base = Claims::new("back end", world.clock.now(), Duration::from_secs(60));
        key.sign(&Claims { grants, ..base }).expect("it is small").expose().to_owned()
    };
    for short in [token(RoomScope::All, false), token(RoomScope::Member, true)] {
        assert_eq!(end().bearer(&short).send(&app).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(end().bearer(alice.token()).send(&app).await.status, StatusCode::FORBIDDEN);
    let enough = token(RoomScope::All, true);
    assert_eq!(end().bearer(&enough).send(&app).await.status, StatusCode::NO_CONTENT);
    let me = Call::new("GET", "/v1/me").bearer(alice.token()).send(&app).await;
    assert_eq!(me.body["code"], "revoked");
}

#[tokio::test]
async fn what_happens_is_counted() {
    let world = World::new().await;
    let app = world.app();
    let registered = register(&app, "alice@example.org").await;
    let wrong = json!({"email": "alice@example.org", "password": "incorrect horse"});
    Call::new("POST", "/v1/auth/login").json(wrong).send(&app).await;
    refresh(registered.refresh_cookie()).send(&app).await;
    Call::new("GET", "/v1/me").bearer("junk").send(&app).await;
    let expected = Metrics {
        registered: 1,
        logins_refused: 1,
        refreshes: 1,
        tokens_refused: 1,
        ..Metrics::default()
    };
    assert_eq!(world.accounts.metrics(), expected);
}

#[tokio::test]
async fn invites_over_http() {
    let world = World::new().await;
    let app = world.app();
    let alice = register(&app, "alice@example.org").await;
    let identity = world.accounts.authenticate(alice.token()).await.expect("it is good");
    let room = world.rooms.add(&identity.user);
    let invite = Call::new("POST", &format!("/v1/rooms/{room}/invites"));
    let invite = invite.bearer(alice.token()).json(json!({})).send(&app).await;
    assert_eq!(invite.status, StatusCode::CREATED, "{}", invite.body);
    let code = invite.body["code"].as_str().expect("there is a code");

    let preview = Call::new("GET", &format!("/v1/invites/{code}")).send(&app).await;
    assert_eq!(
        preview.body,
        json!({
            "room": {"id": room.to_string(), "name": "Kitchen"}, "invited_by": "Alice",
        })
    );
    let guest = json!({"invite": code, "name": "Bob"});
    let guest = Call::new("POST", "/v1/auth/guest").json(guest).send(&app).await;
    assert_eq!(guest.status, StatusCode::CREATED, "{}", guest.body);
    assert_eq!(guest.body["room"]["id"], json!(room.to_string()));
    assert_eq!(guest.body["user"]["guest"], json!(true));

    let bob = register(&app, "bob@example.org").await;
    let accept = Call::new("POST", &format!("/v1/invites/{code}/accept"));
    let accept = accept.bearer(bob.token()).send(&app).await;
    assert_eq!(accept.body["id"], json!(room.to_string()));

    let revoke = || Call::new("DELETE", &format!("/v1/invites/{code}"));
    let stranger = register(&app, "carol@example.org").await;
    assert_eq!(revoke().bearer(stranger.token()).send(&app).await.status, StatusCode::NOT_FOUND);
    assert_eq!(revoke().bearer(alice.token()).send(&app).await.status, StatusCode::NO_CONTENT);
    let gone = Call::new("GET", &format!("/v1/invites/{code}")).send(&app).await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_unauthenticated_route_is_rate_limited_by_address() {
    // So slow that nothing is given back while the test runs.
    let hour = Duration::from_secs(60 * 60);
    let rate_limits = RateLimits {
        register: Rate::new(30, hour),
        login: Rate::new(50, hour),
        login_account: Rate::new(10, hour),
        refresh: Rate::new(40, hour),
        invite: Rate::new(20, hour),
        ..RateLimits::default()
    };
    let world = World::with(Config { rate_limits, ..config() }).await;
    let app = world.app();
    let routes = [
        ("POST", "/v1/auth/register", 30),
        ("POST", "/v1/auth/login", 50),
        ("POST", "/v1/auth/refresh", 40),
        ("POST", "/v1/auth/guest", 20),
        ("GET", "/v1/invites/junk", 0),
        ("POST", "/v1/auth/logout", 0),
    ];
    // The last two share a bucket with one before them, which is empty by then.
    for (method, path, burst) in routes {
        let call = || {
            let call = Call::new(method, path).header("x-confer-client", "test");
            match path {
                "/v1/auth/register" => call.json(json!({"email": "", "password": "", "name": ""})),
                "/v1/auth/login" => call.json(json!({"email": "", "password": "x".repeat(300)})),
                "/v1/auth/guest" => call.json(json!({"invite": "junk", "name": ""})),
                _ => call,
            }
        };
        for number in 0..burst {
            let status = call().send(&app).await.status;
            let account = path == "/v1/auth/login" && number >= 10;
            assert_eq!(status == StatusCode::TOO_MANY_REQUESTS, account, "{path} {number}");
        }
        let limited = call().send(&app).await;
        assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
        assert!(limited.body["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0), "{path}");
        let elsewhere = call().from(IpAddr::from([198, 51, 100, 7])).send(&app).await;
        let account = path == "/v1/auth/login";
        assert_eq!(elsewhere.status == StatusCode::TOO_MANY_REQUESTS, account, "{path}");
    }
}

#[test]
fn every_route_is_described() {
    let document = serde_json::to_value(confer_accounts::openapi()).expect("it is JSON");
    let paths = document["paths"].as_object().expect("there are paths");
    let described: Vec<&str> = paths.keys().map(String::as_str).collect();
    assert_eq!(
        described,
        [
            "/v1/auth/guest",
            "/v1/auth/login",
            "/v1/auth/logout",
            "/v1/auth/refresh",
            "/v1/auth/register",
            "/v1/invites/{code}",
            "/v1/invites/{code}/accept",
            "/v1/me",
            "/v1/me/sessions",
            "/v1/rooms/{room}/invites",
            "/v1/users/{user}/sessions",
        ]
    );
}
