//! A client as small as the wire allows.

use std::collections::VecDeque;

use confer_protocol::client::{ClientFrame, Request};
use confer_protocol::error::ErrorBody;
use confer_protocol::id::RoomId;
use confer_protocol::rest::{
    CreateInviteRequest, CreateRoomRequest, GuestRequest, Invite, LoginRequest, Problem,
    RegisterRequest, TokenResponse,
};
use confer_protocol::room::RoomInfo;
use confer_protocol::server::{Reply, ServerFrame};
use confer_protocol::{BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL};
use futures::{SinkExt, StreamExt};
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const PASSWORD: &str = "correct horse battery";

/// Somebody who has logged in.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) base: String,
    pub(crate) token: TokenResponse,
    /// The refresh token, as browsers send it back.
    cookie: String,
    http: reqwest::Client,
}

impl Person {
    /// Registers an account.
    pub(crate) async fn register(base: &str, name: &str) -> Self {
        let http = reqwest::Client::new();
        let body = RegisterRequest {
            email: format!("{name}@example.org"),
            password: PASSWORD.to_owned(),
            name: name.to_owned(),
        };
        let answer = http.post(format!("{base}/v1/auth/register")).json(&body).send().await;
        let (token, cookie) = login_of(answer.expect("the server answers")).await;
        Self { base: base.to_owned(), token, cookie, http }
    }

    /// Enters by an invite link.
    pub(crate) async fn guest(base: &str, invite: &str, name: &str) -> Self {
        let http = reqwest::Client::new();
        let body = GuestRequest { invite: invite.to_owned(), name: name.to_owned() };
        let answer = http.post(format!("{base}/v1/auth/guest")).json(&body).send().await;
        let (token, cookie) = login_of(answer.expect("the server answers")).await;
        Self { base: base.to_owned(), token, cookie, http }
    }

    /// Lets somebody else in by a link.
    pub(crate) async fn invite_guest(&self, room: RoomId, name: &str) -> Self {
        let path = format!("/v1/rooms/{room}/invites");
        let invite: Invite = self.post(&path, &CreateInviteRequest::default()).await;
        Self::guest(&self.base, &invite.code, name).await
    }

    /// The same account on another device.
    pub(crate) async fn log_in_again(&self) -> Self {
        let http = reqwest::Client::new();
        let email = format!("{}@example.org", self.token.user.name);
        let body = LoginRequest { email, password: PASSWORD.to_owned() };
        let answer = http.post(format!("{}/v1/auth/login", self.base)).json(&body).send().await;
        let (token, cookie) = login_of(answer.expect("the server answers")).await;
        Self { base: self.base.clone(), token, cookie, http }
    }

    /// Ends this login, as the web app does.
    pub(crate) async fn log_out(&self) {
        let request = self.http.post(format!("{}/v1/auth/logout", self.base));
        let request = request.header("x-confer-client", "test").header("cookie", &self.cookie);
        let answer = request.send().await.expect("the server answers");
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap_or_default());
    }

    pub(crate) async fn create_room(&self, name: &str) -> RoomInfo {
        self.post("/v1/rooms", &CreateRoomRequest { name: name.to_owned() }).await
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let request = self.http.get(format!("{}{path}", self.base));
        let answer = request.bearer_auth(&self.token.access_token).send().await;
        body_of(answer.expect("the server answers")).await
    }

    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl serde::Serialize,
    ) -> T {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        let answer = request.bearer_auth(&self.token.access_token).send().await;
        body_of(answer.expect("the server answers")).await
    }

    /// Posts something that is refused, and says why.
    pub(crate) async fn refused(&self, path: &str, body: &impl serde::Serialize) -> ErrorBody {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        let answer = request.bearer_auth(&self.token.access_token).send().await;
        let answer = answer.expect("the server answers");
        assert!(answer.status().is_client_error(), "{}", answer.status());
        answer.json::<Problem>().await.expect("a problem").error
    }

    /// Opens the socket and waits for its welcome.
    pub(crate) async fn connect(&self) -> Result<Socket, tungstenite::Error> {
        let url = format!("{}/v1/connect", self.base.replacen("http", "ws", 1));
        let mut request = url.into_client_request()?;
        let protocols =
            format!("{SUBPROTOCOL}, {BEARER_SUBPROTOCOL_PREFIX}{}", self.token.access_token);
        let protocols = protocols.parse().expect("a token is plain text");
        request.headers_mut().insert("sec-websocket-protocol", protocols);
        let (stream, _) = connect_async(request).await?;
        let mut socket = Socket { stream, last_id: 0, others: VecDeque::new() };
        match socket.frame().await? {
            ServerFrame::Welcome(_) => Ok(socket),
            other => panic!("expected a welcome, got {other:?}"),
        }
    }
}

async fn login_of(answer: reqwest::Response) -> (TokenResponse, String) {
    let cookie = answer.headers().get("set-cookie").and_then(|value| value.to_str().ok());
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap_or_default().to_owned();
    (body_of(answer).await, cookie)
}

async fn body_of<T: DeserializeOwned>(answer: reqwest::Response) -> T {
    let status = answer.status();
    let text = answer.text().await.expect("a whole body");
    assert!(status.is_success(), "{status}: {text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// One WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_id: u32,
    /// Events and notices that came while an answer was awaited.
    others: VecDeque<ServerFrame>,
}

impl Socket {
    /// Asks, and waits for the answer.
    pub(crate) async fn ask(
        &mut self,
        request: Request,
    ) -> Result<Result<Reply, ErrorBody>, tungstenite::Error> {
        let wanted = self.send(request).await?;
        loop {
            let (id, answer) = self.answer().await?;
            if id == wanted {
                return Ok(answer);
            }
        }
    }

    /// Asks something that is not refused.
    pub(crate) async fn granted(&mut self, request: Request) -> Reply {
        self.ask(request).await.expect("the socket is open").expect("the request is granted")
    }

    /// Sends a request, and says under which number its answer will come.
    pub(crate) async fn send(&mut self, request: Request) -> Result<u32, tungstenite::Error> {
        self.last_id += 1;
        let id = self.last_id;
        let frame = ClientFrame { id, request };
        let text = serde_json::to_string(&frame).expect("frames are JSON");
        self.stream.send(Message::text(text)).await?;
        Ok(id)
    }

    /// The next answer and the number of its request.
    pub(crate) async fn answer(
        &mut self,
    ) -> Result<(u32, Result<Reply, ErrorBody>), tungstenite::Error> {
        loop {
            match self.frame().await? {
                ServerFrame::Result { re, result } => return Ok((re, Ok(result))),
                ServerFrame::Error { re: Some(re), error } => return Ok((re, Err(error))),
                other => self.others.push_back(other),
            }
        }
    }

    /// The next event or notice.
    pub(crate) async fn news(&mut self) -> ServerFrame {
        if let Some(frame) = self.others.pop_front() {
            return frame;
        }
        loop {
            match self.frame().await.expect("the socket is open") {
                ServerFrame::Result { .. } => {}
                other => return other,
            }
        }
    }

    /// The next frame; a closed socket is an error.
    async fn frame(&mut self) -> Result<ServerFrame, tungstenite::Error> {
        loop {
            match self.stream.next().await.ok_or(tungstenite::Error::ConnectionClosed)?? {
                Message::Text(text) => {
                    let parsed = serde_json::from_str(&text);
                    return Ok(parsed.unwrap_or_else(|error| panic!("{error}: {text}")));
                }
                Message::Close(_) => return Err(tungstenite::Error::ConnectionClosed),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Reads until the server closes, and says with which code.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        while let Some(Ok(message)) = self.stream.next().await {
            if let Message::Close(frame) = message {
                return frame.map(|frame| frame.code.into());
            }
        }
        None
    }
}
