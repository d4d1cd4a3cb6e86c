//! Media, chat and accounts as signaling sees them, reduced to what tests look at.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use confer_auth::{Grants, Identity};
use confer_protocol::chat::{
    ConversationCursor, EventSeq, HistoryPage, HistoryQuery, MessageSeq, NewMessage, Receipt,
    SendReceipt, Synced,
};
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::{ConversationId, Epoch, MessageId, RoomId, UserId};
use confer_protocol::media::{MediaAction, MediaAnswer, MediaCommand, MediaEvent, MediaHappening};
use confer_protocol::room::{RoomInfo, SlotMap, UserInfo};
use confer_protocol::server::{IceServer, Notice};
use confer_signaling_core::ports::{
    Admission, ChatFeed, ChatPlane, Directory, MediaPlane, PortFuture,
};
use confer_signaling_net::{Config, Ports, Signaling, start};
use tokio::sync::{broadcast, mpsc, watch};
use uuid::Uuid;

/// A running signaling service.
pub(crate) struct Service {
    pub(crate) signaling: Signaling,
    pub(crate) address: SocketAddr,
    pub(crate) media: Arc<FakeMedia>,
    pub(crate) chat: Arc<FakeChat>,
}

/// Serves on a free port of loopback until the test's runtime ends.
pub(crate) async fn serve(config: Config) -> Service {
    let (events, media_events) = mpsc::channel(64);
    let media = Arc::new(FakeMedia { commands: Mutex::default(), events });
    let chat = Arc::new(FakeChat::new());
    let ports =
        Ports { media: media.clone(), chat: chat.clone(), directory: Arc::new(FakeDirectory) };
    let (signaling, router) = start(ports, media_events, config);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    Service { signaling, address, media, chat }
}

pub(crate) const ROOM: RoomId = RoomId(Uuid::from_u128(1));
/// A room that nobody may enter.
pub(crate) const LOCKED: RoomId = RoomId(Uuid::from_u128(2));

/// The user a token of [`FakeDirectory`] names.
pub(crate) fn user(name: &str) -> UserId {
    let number = name.bytes().fold(0, |sum, byte| sum * 256 + u128::from(byte));
    UserId(Uuid::from_u128(number))
}

/// Takes tokens of the form `name` or `name.seconds-left`; `broken` is refused, and `expired` was
/// good once.
struct FakeDirectory;

impl Directory for FakeDirectory {
    fn authenticate<'a>(&'a self, token: &'a str) -> PortFuture<'a, Result<Identity, ErrorBody>> {
        Box::pin(async move {
            match token {
                "broken" => Err(ErrorBody::new(ErrorCode::Unauthenticated, "No such token.")),
                "expired" => Err(ErrorBody::new(ErrorCode::TokenExpired, "It was good once.")),
                _ => Ok(identity(token)),
            }
        })
    }

    fn remaining(&self, identity: &Identity) -> Duration {
        Duration::from_secs(u64::try_from(identity.expires_at.0.unix_timestamp()).unwrap_or(0))
    }

    fn admit<'a>(
        &'a self,
        identity: &'a Identity,
        room: RoomId,
    ) -> PortFuture<'a, Result<Admission, ErrorBody>> {
        Box::pin(async move {
            if room == LOCKED {
                return Err(ErrorBody::new(ErrorCode::Forbidden, "Not for you."));
            }
            let owner = identity.user.name == "owner";
            Ok(Admission {
                room: RoomInfo { id: room, name: "Kitchen".to_owned() },
                permissions: identity.grants.permissions(owner),
            })
        })
    }

    fn ice_servers(&self, identity: &Identity) -> Vec<IceServer> {
        vec![IceServer {
            urls: vec!["turn:127.0.0.1:3478".to_owned()],
            username: Some(identity.user.name.clone()),
            credential: Some("secret".to_owned()),
        }]
    }
}

fn identity(token: &str) -> Identity {
    let (name, left) = token.split_once('.').unwrap_or((token, "3600"));
    let left: i64 = left.parse().expect("seconds");
    let expires_at = time::OffsetDateTime::from_unix_timestamp(left).expect("in range");
    Identity {
        user: UserInfo { id: user(name), name: name.to_owned(), guest: false },
        grants: Grants::account(),
        expires_at: expires_at.into(),
        family: Uuid::nil(),
    }
}

/// Answers every offer with what it asks for, and remembers commands.
pub(crate) struct FakeMedia {
    commands: Mutex<Vec<MediaCommand>>,
    events: mpsc::Sender<MediaEvent>,
}

impl FakeMedia {
    pub(crate) fn actions(&self) -> Vec<MediaAction> {
        let commands = self.commands.lock().expect("nobody panicked");
        commands.iter().map(|command| command.action.clone()).collect()
    }

    pub(crate) async fn emit(&self, event: MediaEvent) {
        self.events.send(event).await.expect("signaling listens");
    }
}

impl MediaPlane for FakeMedia {
    fn send(&self, command: MediaCommand) -> Result<(), ErrorBody> {
        self.commands.lock().expect("nobody panicked").push(command.clone());
        if let MediaAction::Offer { offer_id, sdp, publish } = command.action {
            let answer = MediaAnswer {
                sdp: format!("answer to {sdp}"),
                published: publish,
                slots: SlotMap::default(),
            };
            let happening = MediaHappening::Answered { offer_id, outcome: Ok(answer) };
            let MediaCommand { room, participant, .. } = command;
            let event = MediaEvent { room, participant, happening };
            self.events.try_send(event).expect("tests offer little");
        }
        Ok(())
    }
}

/// Numbers messages; bodies of `slow` wait until [`FakeChat::go_on`].
pub(crate) struct FakeChat {
    sent: Mutex<BTreeMap<ConversationId, Vec<NewMessage>>>,
    notices: broadcast::Sender<Notice>,
    gate: watch::Sender<bool>,
}

impl FakeChat {
    fn new() -> Self {
        Self {
            sent: Mutex::default(),
            notices: broadcast::channel(8).0,
            gate: watch::channel(false).0,
        }
    }

    pub(crate) fn go_on(&self) {
        self.gate.send_replace(true);
    }

    pub(crate) fn announce(&self, notice: Notice) {
        self.notices.send(notice).expect("somebody synced");
    }

    pub(crate) fn bodies(&self, conversation: ConversationId) -> Vec<String> {
        let sent = self.sent.lock().expect("nobody panicked");
        let messages = sent.get(&conversation).map(Vec::as_slice).unwrap_or_default();
        messages.iter().map(|message| message.body.clone()).collect()
    }
}

impl ChatPlane for FakeChat {
    fn send<'a>(
        &'a self,
        _identity: &'a Identity,
        conversation: ConversationId,
        message: NewMessage,
    ) -> PortFuture<'a, Result<SendReceipt, ErrorBody>> {
        Box::pin(async move {
            if message.body == "slow" {
                let mut gate = self.gate.subscribe();
                gate.wait_for(|open| *open).await.expect("the fake outlives its calls");
            }
            let mut sent = self.sent.lock().expect("nobody panicked");
            let messages = sent.entry(conversation).or_default();
            messages.push(message);
            let seq = messages.len() as u64;
            Ok(SendReceipt {
                id: MessageId(Uuid::from_u128(seq.into())),
                seq: MessageSeq(seq),
                event_seq: EventSeq(seq),
                created_at: time::OffsetDateTime::UNIX_EPOCH.into(),
                duplicate: false,
            })
        })
    }

    fn history<'a>(
        &'a self,
        _identity: &'a Identity,
        _conversation: ConversationId,
        _query: HistoryQuery,
    ) -> PortFuture<'a, Result<HistoryPage, ErrorBody>> {
        Box::pin(async { Ok(HistoryPage { messages: Vec::new(), more: false }) })
    }

    fn mark<'a>(
        &'a self,
        identity: &'a Identity,
        conversation: ConversationId,
        delivered: Option<MessageSeq>,
        read: Option<MessageSeq>,
    ) -> PortFuture<'a, Result<Receipt, ErrorBody>> {
        let user = identity.user.id;
        let (delivered, read) = (delivered.unwrap_or_default(), read.unwrap_or_default());
        Box::pin(async move { Ok(Receipt { conversation, user, delivered, read }) })
    }

    fn typing<'a>(
        &'a self,
        identity: &'a Identity,
        conversation: ConversationId,
    ) -> PortFuture<'a, Result<(), ErrorBody>> {
        let user = identity.user.id;
        Box::pin(async move {
            let _ = self.notices.send(Notice::ChatTyping { conversation, user });
            Ok(())
        })
    }

    fn sync<'a>(
        &'a self,
        _identity: &'a Identity,
        _chat_epoch: Option<Epoch>,
        _cursors: Vec<ConversationCursor>,
    ) -> PortFuture<'a, Result<(Synced, Box<dyn ChatFeed>), ErrorBody>> {
        let feed: Box<dyn ChatFeed> = Box::new(FakeFeed(self.notices.subscribe()));
        let synced = Synced { chat_epoch: Epoch(Uuid::nil()), conversations: Vec::new() };
        Box::pin(async move { Ok((synced, feed)) })
    }
}

struct FakeFeed(broadcast::Receiver<Notice>);

impl ChatFeed for FakeFeed {
    fn next(&mut self) -> PortFuture<'_, Option<Notice>> {
        Box::pin(async move { self.0.recv().await.ok() })
    }
}
