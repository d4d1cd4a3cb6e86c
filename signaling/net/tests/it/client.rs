//! A client for tests: one WebSocket, requests with increasing ids, frames in order.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use confer_protocol::client::{ClientFrame, Request};
use confer_protocol::error::ErrorBody;
use confer_protocol::server::{Joined, Notice, Reply, Resumed, RoomEvent, ServerFrame, Welcome};
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::fakes::ROOM;

/// Longer than anything here takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next_id: u32,
    /// Events and notices that came while an answer was waited for.
    set_aside: VecDeque<ServerFrame>,
}

impl Client {
    /// Connects with a token in the subprotocols, and reads the welcome.
    pub(crate) async fn connect(address: SocketAddr, token: &str) -> Self {
        let mut client = Self::open(address, &["confer.v1", &format!("confer.bearer.{token}")])
            .await
            .expect("the handshake succeeds");
        client.welcome().await;
        client
    }

    /// Connects and joins [`ROOM`].
    pub(crate) async fn join(address: SocketAddr, token: &str) -> (Self, Joined) {
        let mut client = Self::connect(address, token).await;
        let joined = client.take_seat().await;
        (client, joined)
    }

    pub(crate) async fn open(address: SocketAddr, protocols: &[&str]) -> Result<Self, StatusCode> {
        Self::open_with(address, protocols, &[]).await
    }

    pub(crate) async fn open_with(
        address: SocketAddr,
        protocols: &[&str],
        headers: &[(&'static str, &str)],
    ) -> Result<Self, StatusCode> {
        let mut request =
            format!("ws://{address}/v1/connect").into_client_request().expect("a good URL");
        let mut put = |name: &'static str, value: &str| {
            request.headers_mut().insert(name, HeaderValue::from_str(value).expect("text"));
        };
        if !protocols.is_empty() {
            put("sec-websocket-protocol", &protocols.join(", "));
        }
        headers.iter().for_each(|(name, value)| put(name, value));
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self { socket, next_id: 1, set_aside: VecDeque::new() }),
            Err(Error::Http(response)) => Err(response.status()),
            Err(error) => panic!("the handshake failed otherwise: {error}"),
        }
    }

    pub(crate) async fn welcome(&mut self) -> Welcome {
        match self.frame().await {
            ServerFrame::Welcome(welcome) => welcome,
            other => panic!("expected a welcome, got {other:?}"),
        }
    }

    pub(crate) async fn take_seat(&mut self) -> Joined {
        match self.ask(Request::Join { room: ROOM }).await {
            Ok(Reply::Join(joined)) => *joined,
            other => panic!("could not join: {other:?}"),
        }
    }

    pub(crate) async fn resume(&mut self, joined: &Joined, seq: u64) -> Result<Resumed, ErrorBody> {
        self.resume_with(&joined.resume_ticket, joined, seq).await
    }

    pub(crate) async fn resume_with(
        &mut self,
        ticket: &str,
        joined: &Joined,
        seq: u64,
    ) -> Result<Resumed, ErrorBody> {
        let request = Request::Resume { ticket: ticket.to_owned(), epoch: joined.epoch, seq };
        match self.ask(request).await? {
            Reply::Resume(resumed) => Ok(*resumed),
            other => panic!("expected the answer to a resume, got {other:?}"),
        }
    }

    /// Sends a request and waits for its answer; what comes in between is set aside.
    pub(crate) async fn ask(&mut self, request: Request) -> Result<Reply, ErrorBody> {
        let id = self.post(request).await;
        self.answer(id).await
    }

    /// Sends a request and returns its id.
    pub(crate) async fn post(&mut self, request: Request) -> u32 {
        let id = self.next_id;
        self.next_id += 1;
        let frame = ClientFrame { id, request };
        self.send(&serde_json::to_string(&frame).expect("the wire is JSON")).await;
        id
    }

    pub(crate) async fn answer(&mut self, id: u32) -> Result<Reply, ErrorBody> {
        loop {
            match self.read().await.expect("the socket is open") {
                ServerFrame::Result { re, result } if re == id => return Ok(result),
                ServerFrame::Error { re: Some(re), error } if re == id => return Err(error),
                other => self.set_aside.push_back(other),
            }
        }
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.send_message(Message::text(text)).await;
    }

    pub(crate) async fn send_message(&mut self, message: Message) {
        self.socket.send(message).await.expect("the socket is open");
    }

    /// The next frame, those set aside first.
    pub(crate) async fn frame(&mut self) -> ServerFrame {
        match self.set_aside.pop_front() {
            Some(frame) => frame,
            None => self.read().await.expect("the socket is open"),
        }
    }

    /// The next room event and its number.
    pub(crate) async fn event(&mut self) -> (u64, RoomEvent) {
        loop {
            match self.frame().await {
                ServerFrame::Event { seq, event } => return (seq, event),
                ServerFrame::Notice { .. } => {}
                other => panic!("expected an event, got {other:?}"),
            }
        }
    }

    pub(crate) async fn notice(&mut self) -> Notice {
        match self.frame().await {
            ServerFrame::Notice { notice } => notice,
            other => panic!("expected a notice, got {other:?}"),
        }
    }

    /// The error that answers no request.
    pub(crate) async fn stray_error(&mut self) -> ErrorBody {
        match self.frame().await {
            ServerFrame::Error { re: None, error } => error,
            other => panic!("expected an error without a request, got {other:?}"),
        }
    }

    /// Reads until the server closes, and returns the code.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Err(code) = self.read().await {
                return code;
            }
        }
    }

    async fn read(&mut self) -> Result<ServerFrame, u16> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match next.expect("the server says something in time") {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("a frame of the protocol"));
                }
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map_or(1005, |frame| frame.code.into()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// Closes with this code, as an application would.
    pub(crate) async fn close(mut self, code: u16) {
        let frame = tokio_tungstenite::tungstenite::protocol::CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        self.socket.close(Some(frame)).await.expect("the socket is open");
    }
}
