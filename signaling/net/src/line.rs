//! One WebSocket, written and read without ever blocking one on the other.

use std::collections::VecDeque;
use std::error::Error as _;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use confer_protocol::error::CloseCode;
use confer_signaling_core::hub::Parting;
use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite;

/// How long the farewell may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

pub(crate) struct Line {
    socket: WebSocket,
    /// Frames that the socket has not taken yet. Short: nothing is added while there are any but
    /// what one input yields.
    pending: VecDeque<Utf8Bytes>,
    /// Whether the socket has taken frames that may not be on their way.
    unflushed: bool,
}

/// What a line has to say.
pub(crate) enum Heard {
    /// The socket took a frame.
    Written,
    Text(String),
    Binary,
    TooLarge,
    Gone(Parting),
}

impl Line {
    pub(crate) fn new(socket: WebSocket) -> Self {
        Self { socket, pending: VecDeque::new(), unflushed: false }
    }

    pub(crate) fn queue(&mut self, text: impl Into<Utf8Bytes>) {
        self.pending.push_back(text.into());
    }

    /// Whether the socket took everything.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }

    /// Moves frames towards the peer, and yields what comes from it if `reading`. Nothing is lost
    /// when the caller turns to something else in between.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, reading: bool) -> Poll<Heard> {
        const LOST: Poll<Heard> = Poll::Ready(Heard::Gone(Parting::Lost));
        if !self.pending.is_empty() {
            match self.socket.poll_ready_unpin(cx) {
                Poll::Ready(Ok(())) => return self.write_one(),
                Poll::Ready(Err(_)) => return LOST,
                Poll::Pending => {}
            }
        } else if self.unflushed {
            match self.socket.poll_flush_unpin(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(_)) => return LOST,
                Poll::Pending => {}
            }
        }
        if !reading {
            return Poll::Pending;
        }
        loop {
            return Poll::Ready(match std::task::ready!(self.socket.poll_next_unpin(cx)) {
                Some(Ok(Message::Text(text))) => Heard::Text(text.as_str().to_owned()),
                Some(Ok(Message::Binary(_))) => Heard::Binary,
                // The library answers pings; liveness is the protocol's own ping, which shows that
                // the client, and not only its network stack, is there.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(frame))) => Heard::Gone(parting(frame.as_ref())),
                Some(Err(error)) if is_too_large(&error) => Heard::TooLarge,
                Some(Err(_)) | None => Heard::Gone(Parting::Lost),
            });
        }
    }

    fn write_one(&mut self) -> Poll<Heard> {
        if let Some(text) = self.pending.pop_front() {
            self.unflushed = true;
            if self.socket.start_send_unpin(Message::Text(text)).is_err() {
                return Poll::Ready(Heard::Gone(Parting::Lost));
            }
        }
        Poll::Ready(Heard::Written)
    }

    /// Says what is left to say, says goodbye, and waits a moment for the peer to say it too.
    pub(crate) async fn close(&mut self, code: CloseCode) {
        let farewell = async {
            for text in std::mem::take(&mut self.pending) {
                self.socket.feed(Message::Text(text)).await?;
            }
            let frame = CloseFrame { code: code.code(), reason: Utf8Bytes::default() };
            self.socket.send(Message::Close(Some(frame))).await?;
            while let Some(Ok(_)) = self.socket.next().await {}
            Ok::<_, axum::Error>(())
        };
        // A peer that is gone or takes nothing is left alone.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, farewell).await;
    }
}

/// A close frame with one of these codes is a goodbye: the application closed the socket for good,
/// or its page is gone, and its media with it. Everything else may come back.
fn parting(frame: Option<&CloseFrame>) -> Parting {
    match frame.map(|frame| frame.code) {
        Some(close_code::NORMAL | close_code::AWAY) => Parting::Left,
        _ => Parting::Lost,
    }
}

/// Whether reading failed because of a frame over the limit.
fn is_too_large(error: &axum::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(tungstenite::Error::Capacity(_)))
}
