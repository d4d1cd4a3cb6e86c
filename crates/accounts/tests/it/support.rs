use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, header};
use axum::middleware::{Next, from_fn};
use confer_accounts::{
    Accounts, Clock, Config, CookieConfig, Keys, PasswordCost, PortFuture, Rate, RateLimits, Rooms,
    Running, routes,
};
use confer_auth::{Identity, Limits, Secret, SigningKey, Verifier, VerifyingKey};
use confer_http::{Authentication, ClientAddr};
use confer_protocol::Timestamp;
use confer_protocol::error::ErrorBody;
use confer_protocol::id::{RoomId, UserId};
use confer_protocol::room::{RoomInfo, UserInfo};
use confer_testdb::TestDatabase;
use serde_json::Value;
use time::OffsetDateTime;
use tower::ServiceExt;
use uuid::Uuid;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Rooms as chat would keep them: who is in, and who may invite.
#[derive(Default)]
pub(crate) struct FakeRooms(Mutex<BTreeMap<RoomId, FakeRoom>>);

#[derive(Default)]
struct FakeRoom {
    members: BTreeSet<UserId>,
    owner: Option<UserId>,
}

impl FakeRooms {
    pub(crate) fn add(&self, owner: &UserInfo) -> RoomId {
        let room = RoomId(Uuid::now_v7());
        let fake = FakeRoom { members: BTreeSet::from([owner.id]), owner: Some(owner.id) };
        self.0.lock().expect("nobody panicked").insert(room, fake);
        room
    }

    pub(crate) fn join(&self, room: RoomId, user: UserId) {
        let mut rooms = self.0.lock().expect("nobody panicked");
        rooms.get_mut(&room).expect("the room exists").members.insert(user);
    }

    pub(crate) fn has(&self, room: RoomId, user: UserId) -> bool {
        let rooms = self.0.lock().expect("nobody panicked");
        rooms.get(&room).is_some_and(|room| room.members.contains(&user))
    }

    fn owned(&self, room: RoomId, user: UserId) -> bool {
        let rooms = self.0.lock().expect("nobody panicked");
        rooms.get(&room).is_some_and(|room| room.owner == Some(user))
    }
}

impl Rooms for FakeRooms {
    fn room<'a>(&'a self, room: RoomId) -> PortFuture<'a, Result<Option<RoomInfo>, ErrorBody>> {
        let exists = self.0.lock().expect("nobody panicked").contains_key(&room);
        let info = exists.then(|| RoomInfo { id: room, name: "Kitchen".to_owned() });
        Box::pin(async { Ok(info) })
    }

    fn is_member<'a>(
        &'a self,
        identity: &'a Identity,
        room: RoomId,
    ) -> PortFuture<'a, Result<bool, ErrorBody>> {
        Box::pin(async move { Ok(self.has(room, identity.user_id())) })
    }

    fn may_invite<'a>(
        &'a self,
        identity: &'a Identity,
        room: RoomId,
    ) -> PortFuture<'a, Result<bool, ErrorBody>> {
        Box::pin(async move { Ok(self.owned(room, identity.user_id())) })
    }

    fn add_member<'a>(
        &'a self,
        room: RoomId,
        user: &'a UserInfo,
    ) -> PortFuture<'a, Result<(), ErrorBody>> {
        Box::pin(async move {
            self.join(room, user.id);
            Ok(())
        })
    }
}

/// A clock that stands until it is moved.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<Mutex<OffsetDateTime>>);

impl TestClock {
    pub(crate) fn advance(&self, by: Duration) {
        *self.0.lock().expect("nobody panicked") += by;
    }

    pub(crate) fn clock(&self) -> Clock {
        let time = Arc::clone(&self.0);
        Clock::new(move || Timestamp(*time.lock().expect("nobody panicked")))
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock().now()
    }
}

/// The service on a database of its own.
pub(crate) struct World {
    pub(crate) accounts: Accounts,
    pub(crate) clock: TestClock,
    pub(crate) rooms: Arc<FakeRooms>,
    pub(crate) database: TestDatabase,
    _running: Running,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let database = TestDatabase::create().await;
        let start = OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("it is a date");
        let clock = TestClock(Arc::new(Mutex::new(start)));
        let rooms = Arc::new(FakeRooms::default());
        let (accounts, running) =
            another_node(&database, Arc::clone(&rooms), config, clock.clone()).await;
        Self { accounts, clock, rooms, database, _running: running }
    }

    /// The routes behind a layer that stands in for the server's.
    pub(crate) fn app(&self) -> Router {
        let accounts = self.accounts.clone();
        routes(self.accounts.clone(), CookieConfig::default()).layer(from_fn(
            move |mut request: Request<Body>, next: Next| {
                let accounts = accounts.clone();
                async move {
                    let token = request.headers().get(header::AUTHORIZATION);
                    let token =
                        token.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
                    let found = match token {
                        None => Authentication::Absent,
                        Some(token) => match accounts.authenticate(token).await {
                            Ok(identity) => Authentication::Known(identity),
                            Err(error) => Authentication::Refused(error.into()),
                        },
                    };
                    request.extensions_mut().insert(found);
                    next.run(request).await
                }
            },
        ))
    }
}

pub(crate) async fn another_node(
    database: &TestDatabase,
    rooms: Arc<FakeRooms>,
    config: Config,
    clock: TestClock,
) -> (Accounts, Running) {
    Accounts::start(database.pool(), rooms, keys(), config, clock.clock())
        .await
        .expect("the database is there")
}

/// Passwords that cost nothing, and an account whose attempts do not come back while a test runs.
pub(crate) fn config() -> Config {
    let password_cost = PasswordCost { memory_kib: 16, iterations: 1, parallelism: 1 };
    let login_account = Rate::new(10, Duration::from_secs(60 * 60));
    let rate_limits = RateLimits { login_account, ..RateLimits::default() };
    Config { password_cost, rate_limits, ..Config::default() }
}

fn keys() -> Keys {
    let secret = Secret::new([7; 32]).expect("it is long enough");
    let id: confer_auth::KeyId = "server-1".parse().expect("it is plain");
    Keys {
        signing: SigningKey::hs256(id.clone(), &secret),
        verifier: Verifier::new(Limits::default()).with(id, VerifyingKey::hs256(&secret)),
        refresh: Secret::new([8; 32]).expect("it is long enough"),
    }
}

/// What came back over HTTP.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) cookie: Option<String>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn token(&self) -> &str {
        self.body["access_token"].as_str().expect("the answer has a token")
    }

    /// The refresh cookie as the browser would send it back.
    pub(crate) fn refresh_cookie(&self) -> &str {
        let cookie = self.cookie.as_deref().expect("the answer sets a cookie");
        cookie.split(';').next().expect("a cookie has a value")
    }
}

/// One request, from one address.
pub(crate) struct Call(axum::http::request::Builder, Option<Value>, IpAddr);

impl Call {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        let builder = Request::builder().method(method).uri(path).header(header::HOST, "chat.test");
        Self(builder, None, IpAddr::from([192, 0, 2, 1]))
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value), self.1, self.2)
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    pub(crate) fn json(self, body: Value) -> Self {
        Self(self.0.header(header::CONTENT_TYPE, "application/json"), Some(body), self.2)
    }

    pub(crate) fn from(self, addr: IpAddr) -> Self {
        Self(self.0, self.1, addr)
    }

    pub(crate) async fn send(self, app: &Router) -> Answer {
        let body = self.1.map_or_else(Body::empty, |value| Body::from(value.to_string()));
        let mut request = self.0.body(body).expect("the request is well-formed");
        request.extensions_mut().insert(ClientAddr(self.2));
        let response = app.clone().oneshot(request).await.expect("the router never fails");
        read(response).await
    }
}

async fn read(response: Response<Body>) -> Answer {
    let status = response.status();
    let cookie = response.headers().get(header::SET_COOKIE);
    let cookie = cookie.map(|value| value.to_str().expect("cookies are text").to_owned());
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("it is small");
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { status, cookie, body }
}
