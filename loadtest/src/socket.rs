//! One signaling socket.

use anyhow::{Context, bail};
use confer_auth::AccessToken;
use confer_protocol::client::ClientFrame;
use confer_protocol::server::ServerFrame;
use confer_protocol::{BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL};
use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects, and waits until the server has said whom it takes us for.
    pub(crate) async fn open(url: &str, token: &AccessToken) -> anyhow::Result<Self> {
        let mut request = url.into_client_request()?;
        let protocols = format!("{SUBPROTOCOL}, {BEARER_SUBPROTOCOL_PREFIX}{}", token.expose());
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_str(&protocols)?);
        let (stream, _) =
            connect_async(request).await.with_context(|| format!("cannot connect to {url}"))?;
        let mut socket = Self(stream);
        match socket.receive().await? {
            ServerFrame::Welcome(_) => Ok(socket),
            other => bail!("expected a welcome, got {other:?}"),
        }
    }

    pub(crate) async fn send(&mut self, frame: &ClientFrame) -> anyhow::Result<()> {
        Ok(self.0.send(Message::text(serde_json::to_string(frame)?)).await?)
    }

    /// The next frame. Cancel-safe.
    pub(crate) async fn receive(&mut self) -> anyhow::Result<ServerFrame> {
        loop {
            match self.0.next().await.context("the server hung up")?? {
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(frame) => bail!("the server closed the socket: {frame:?}"),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}
