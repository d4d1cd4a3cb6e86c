//! What a session asks of other parts: futures that end in what the session, or the hub, is told.

use std::sync::Arc;
use std::time::Duration;

use confer_auth::Identity;
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::RoomId;
use confer_protocol::server::Reply;
use confer_signaling_core::ChatAsk;
use confer_signaling_core::ports::{Admission, ChatFeed, PortFuture};
use confer_signaling_core::session::Authenticated;

use crate::signaling::Ports;

/// How a call ended.
pub(crate) enum Called {
    Authenticated(Result<Authenticated, ErrorBody>),
    Admitted {
        request: u32,
        identity: Arc<Identity>,
        outcome: Result<Admission, ErrorBody>,
    },
    Answered {
        request: u32,
        outcome: Result<Reply, ErrorBody>,
    },
    /// Live notices follow this answer.
    Synced {
        request: u32,
        reply: Reply,
        feed: Box<dyn ChatFeed>,
    },
    /// A message was handed in; the next one may be.
    Sent {
        request: u32,
        outcome: Result<Reply, ErrorBody>,
    },
}

/// A call under way.
pub(crate) type Call = PortFuture<'static, Called>;

pub(crate) fn authenticate(ports: &Ports, token: String, patience: Duration) -> Call {
    let directory = Arc::clone(&ports.directory);
    Box::pin(async move {
        let outcome = within(patience, directory.authenticate(&token)).await;
        Called::Authenticated(outcome.map(|identity| {
            let valid_for = directory.remaining(&identity);
            Authenticated { identity, valid_for }
        }))
    })
}

pub(crate) fn admit(
    ports: &Ports,
    identity: Arc<Identity>,
    request: u32,
    room: RoomId,
    patience: Duration,
) -> Call {
    let directory = Arc::clone(&ports.directory);
    Box::pin(async move {
        let outcome = within(patience, directory.admit(&identity, room)).await;
        Called::Admitted { request, identity, outcome }
    })
}

pub(crate) fn chat(
    ports: &Ports,
    identity: Arc<Identity>,
    request: u32,
    ask: ChatAsk,
    patience: Duration,
) -> Call {
    let chat = Arc::clone(&ports.chat);
    let who = identity;
    Box::pin(async move {
        let outcome = match ask {
            ChatAsk::Send { conversation, message } => {
                let sent = within(patience, chat.send(&who, conversation, message)).await;
                return Called::Sent { request, outcome: sent.map(Reply::ChatSend) };
            }
            ChatAsk::Sync { chat_epoch, cursors } => {
                match within(patience, chat.sync(&who, chat_epoch, cursors)).await {
                    Ok((synced, feed)) => {
                        return Called::Synced { request, reply: Reply::ChatSync(synced), feed };
                    }
                    Err(error) => Err(error),
                }
            }
            ChatAsk::History { conversation, query } => {
                let page = within(patience, chat.history(&who, conversation, query)).await;
                page.map(Reply::ChatHistory)
            }
            ChatAsk::Mark { conversation, delivered, read } => {
                let marked = within(patience, chat.mark(&who, conversation, delivered, read)).await;
                marked.map(Reply::ChatMark)
            }
            ChatAsk::Typing { conversation } => {
                let told = within(patience, chat.typing(&who, conversation)).await;
                told.map(|()| Reply::ChatTyping)
            }
        };
        Called::Answered { request, outcome }
    })
}

async fn within<T>(
    patience: Duration,
    call: PortFuture<'_, Result<T, ErrorBody>>,
) -> Result<T, ErrorBody> {
    tokio::time::timeout(patience, call).await.unwrap_or_else(|_| {
        let message = "The server took too long: try again; nothing is done twice.";
        Err(ErrorBody::new(ErrorCode::Unavailable, message))
    })
}
