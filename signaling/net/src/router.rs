use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use confer_http::{ApiError, ClientAddr};
use confer_protocol::error::{CloseCode, ErrorBody, ErrorCode};

use crate::handshake::{check_origin, offered};
use crate::signaling::Shared;
use crate::waiting_room::Full;
use crate::ws;

/// Every route of signaling.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/v1/connect", get(connect)).with_state(shared)
}

/// Allocated for each socket at once, so small; larger frames are read in parts.
const READ_BUFFER_BYTES: usize = 2048;

async fn connect(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    address: Option<Extension<ClientAddr>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let mut upgrade = upgrade.map_err(|rejection| {
        let message = format!("This is a WebSocket: {rejection}");
        ErrorBody::new(ErrorCode::Malformed, message)
    })?;
    check_origin(&headers, &shared.config.origins)?;
    if shared.draining.load(Ordering::Relaxed) {
        let message = "The server is about to restart: reconnect in a moment.";
        return Err(unavailable(&shared, ErrorCode::Draining, message));
    }
    let address = address.map(|Extension(ClientAddr(address))| address);
    if shared.hub.is_closed() {
        let message = "Signaling has stopped working on this server.";
        return Err(unavailable(&shared, ErrorCode::Unavailable, message));
    }
    let full = || unavailable(&shared, ErrorCode::Unavailable, "The server has no free socket.");
    let place = Arc::clone(&shared.connections).try_acquire_owned().map_err(|_| full())?;
    let offered = offered(&headers);
    // A token that came along is looked at at once; without one a socket may sit and wait.
    let enter = || shared.waiting_room.enter(address);
    let waiting =
        offered.token.is_none().then(enter).transpose().map_err(|reason| match reason {
            Full::Room => full(),
            Full::Address => {
                let message = "Too many sockets of your address have presented no token yet.";
                unavailable(&shared, ErrorCode::RateLimited, message)
            }
        })?;
    if let Some(protocol) = offered.selected {
        upgrade.set_selected_protocol(protocol);
    }
    let max = shared.limits.frame_bytes;
    let upgrade = upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        // Frames go to the socket at once; at most one waits, see `ws.rs`.
        .write_buffer_size(0)
        .max_message_size(max)
        .max_frame_size(max);
    let guard = shared.task_token();
    Ok(if offered.supported {
        upgrade.on_upgrade(move |socket| async move {
            let (_place, _guard) = (place, guard);
            ws::serve(socket, offered.token, shared, waiting).await;
        })
    } else {
        upgrade.on_upgrade(move |socket| async move {
            let (_place, _waiting, _guard) = (place, waiting, guard);
            refuse_protocol(socket, &shared).await;
        })
    })
}

async fn refuse_protocol(mut socket: WebSocket, shared: &Shared) {
    let code = CloseCode::Unsupported;
    shared.board.counters.count_close(code);
    let frame = CloseFrame { code: code.code(), reason: "offer the subprotocol confer.v1".into() };
    // Whether it is heard does not matter to anybody here.
    let _ = socket.send(Message::Close(Some(frame))).await;
}

fn unavailable(shared: &Shared, code: ErrorCode, message: &str) -> ApiError {
    let wait = shared.config.drain_retry_after.as_millis();
    let retry_after_ms = Some(u32::try_from(wait).unwrap_or(u32::MAX));
    ErrorBody { retry_after_ms, ..ErrorBody::new(code, message) }.into()
}
