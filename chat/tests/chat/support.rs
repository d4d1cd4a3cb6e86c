//! A service on a database of its own, and people to use it.

use std::time::Duration;

use confer_auth::{Grants, Identity};
use confer_bus::Bus;
use confer_chat::{ChatService, Config, Feed, Running};
use confer_protocol::Timestamp;
use confer_protocol::chat::{
    Change, ConversationCursor, ConversationEvent, EventSeq, HistoryQuery, MessageSeq, NewMessage,
};
use confer_protocol::id::{ClientMessageId, ConversationId, RoomId, UserId};
use confer_protocol::room::UserInfo;
use confer_protocol::server::Notice;
use confer_testdb::TestDatabase;
use sqlx::PgPool;
use time::OffsetDateTime;
use uuid::Uuid;

/// Longer than anything takes here; reached only when something is lost for good.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Setup {
    pub(crate) database: TestDatabase,
    pub(crate) bus: Bus,
    pub(crate) service: ChatService,
    pub(crate) running: Running,
}

/// A service whose sweep never runs in time: what arrives came by hint.
pub(crate) async fn setup() -> Setup {
    setup_with(Config { sweep_interval: Duration::from_secs(3600), ..quick() }).await
}

/// The defaults, without pauses meant for production.
pub(crate) fn quick() -> Config {
    Config { receipt_interval: Duration::from_millis(1), ..Config::default() }
}

pub(crate) async fn setup_with(config: Config) -> Setup {
    let database = TestDatabase::create().await;
    let bus = Bus::memory();
    let (service, running) =
        ChatService::start(database.pool(), bus.clone(), config).await.expect("migrated");
    Setup { database, bus, service, running }
}

impl Setup {
    pub(crate) fn pool(&self) -> PgPool {
        self.database.pool()
    }

    /// Another node on the same database; it shares the bus only if it is given it.
    pub(crate) async fn another_node(&self, bus: Bus, config: Config) -> (ChatService, Running) {
        ChatService::start(self.pool(), bus, config).await.expect("migrated")
    }

    pub(crate) async fn person(&self, name: &str) -> Identity {
        let id = UserId(self.database.add_user(name).await);
        identity(UserInfo { id, name: name.to_owned(), guest: false }, Grants::account())
    }

    /// Alice's room with Bob in it.
    pub(crate) async fn room_of_two(&self) -> (Identity, Identity, RoomId) {
        let alice = self.person("alice").await;
        let bob = self.person("bob").await;
        let room = self.service.create_room(&alice, "Kitchen").await.expect("created").id;
        self.service.add_member(room, &bob.user).await.expect("added");
        (alice, bob, room)
    }

    pub(crate) async fn stop(self) {
        self.running.stop().await;
    }
}

pub(crate) fn identity(user: UserInfo, grants: Grants) -> Identity {
    Identity {
        user,
        grants,
        expires_at: Timestamp(OffsetDateTime::UNIX_EPOCH),
        family: Uuid::nil(),
    }
}

pub(crate) fn text(body: &str) -> NewMessage {
    NewMessage { client_id: ClientMessageId(Uuid::now_v7()), body: body.to_owned(), reply_to: None }
}

pub(crate) fn cursor(conversation: ConversationId, event_seq: u64) -> ConversationCursor {
    ConversationCursor { conversation, event_seq: EventSeq(event_seq) }
}

/// Every message of a conversation, oldest first.
pub(crate) async fn all_messages(
    service: &ChatService,
    reader: &Identity,
    conversation: ConversationId,
) -> Vec<(u64, String)> {
    let mut messages = Vec::new();
    let mut after = MessageSeq(0);
    loop {
        let query = HistoryQuery { after: Some(after), limit: Some(200), ..Default::default() };
        let page = service.history(reader, conversation, query).await.expect("readable");
        if let Some(last) = page.messages.last() {
            after = last.seq;
        }
        messages.extend(page.messages.into_iter().map(|message| (message.seq.0, message.body)));
        if !page.more {
            return messages;
        }
    }
}

/// The whole log of a conversation.
pub(crate) async fn all_events(
    service: &ChatService,
    reader: &Identity,
    conversation: ConversationId,
) -> Vec<ConversationEvent> {
    let mut events: Vec<ConversationEvent> = Vec::new();
    loop {
        let after = events.last().map_or(EventSeq(0), |event| event.event_seq);
        let page = service.events(reader, conversation, after, None).await.expect("readable");
        events.extend(page.events);
        if !page.more {
            return events;
        }
    }
}

pub(crate) async fn next_notice(feed: &mut Feed) -> Option<Notice> {
    tokio::time::timeout(PATIENCE, feed.next()).await.expect("a notice comes")
}

/// The next durable event, passing over everything else.
pub(crate) async fn next_event(feed: &mut Feed) -> ConversationEvent {
    loop {
        match next_notice(feed).await.expect("the feed lives") {
            Notice::ChatEvent { event } => return event,
            _ => continue,
        }
    }
}

/// Lets everything else run until something holds.
pub(crate) async fn until(holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("it comes to hold");
}

/// The text of an event that is a message.
pub(crate) fn body(event: &ConversationEvent) -> &str {
    match &event.change {
        Change::MessageSent { message } => &message.body,
        Change::MemberAdded { .. } | Change::MemberRemoved { .. } => "",
    }
}

/// That nothing has a hole: 1, 2, 3 …
pub(crate) fn assert_gap_free(seqs: impl IntoIterator<Item = u64>) {
    for (expected, seq) in (1..).zip(seqs) {
        assert_eq!(seq, expected, "numbers have no hole and come in order");
    }
}
