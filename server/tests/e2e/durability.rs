//! What was acknowledged survives `kill -9`, once, and the numbers have no holes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use confer_protocol::chat::{HistoryPage, MessageSeq, NewMessage};
use confer_protocol::client::Request;
use confer_protocol::id::{ClientMessageId, ConversationId};
use confer_protocol::server::Reply;
use tokio::sync::Notify;
use tokio_tungstenite::tungstenite;
use uuid::Uuid;

use crate::client::{Person, Socket};
use crate::process::Setup;

const MESSAGES: usize = 5000;
const SENDERS: usize = 4;
/// Requests of one sender that wait for their answers.
const IN_FLIGHT: usize = 32;
/// The server is killed each time so many have been acknowledged.
const KILLS: [usize; 2] = [1200, 3300];
/// A sender's pause before it knocks again at a server that is down.
const KNOCK: Duration = Duration::from_millis(50);

/// What all senders share.
#[derive(Default)]
struct Progress {
    acknowledged: AtomicUsize,
    changed: Notify,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_private_database_is_killed_with_the_server() {
    survives(Setup::private()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_beside_its_database() {
    let database = confer_testdb::TestDatabase::create().await;
    let url = sqlx::ConnectOptions::to_url_lossy(&database.options()).to_string();
    survives(Setup::with_database(url)).await;
}

async fn survives(setup: Setup) {
    // Limits are for people; this is a stampede on purpose.
    let mut setup = setup
        .argument("--set=signaling.frames-per-second=100000")
        .argument("--set=signaling.frame-burst=100000")
        .argument("--set=signaling.bytes-per-second=100MiB")
        .argument("--set=signaling.byte-burst=100MiB");
    let mut confer = setup.start();
    let alice = Person::register(&confer.url, "alice").await;
    let conversation = alice.create_room("Stampede").await.id.conversation();

    let progress = Arc::<Progress>::default();
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| tokio::spawn(send_all(alice.clone(), conversation, Arc::clone(&progress))))
        .collect();
    for count in KILLS {
        progress.reached(count).await;
        confer.kill();
        confer = setup.start();
    }
    let mut acknowledged = BTreeMap::new();
    for sender in senders {
        acknowledged.extend(sender.await.expect("a sender does not panic"));
    }

    let stored = whole_history(&alice, conversation).await;
    let numbers: Vec<u64> = stored.iter().map(|(seq, _)| seq.0).collect();
    assert_eq!(numbers, (1..=MESSAGES as u64).collect::<Vec<_>>(), "the numbers have no holes");
    let by_id: BTreeMap<ClientMessageId, MessageSeq> =
        stored.iter().map(|(seq, id)| (*id, *seq)).collect();
    assert_eq!(by_id.len(), MESSAGES, "no message is there twice");
    assert_eq!(by_id, acknowledged, "every message has the number that was acknowledged");
}

impl Progress {
    fn one_more(&self) {
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    async fn reached(&self, count: usize) {
        loop {
            let changed = self.changed.notified();
            if self.acknowledged.load(Ordering::SeqCst) >= count {
                return;
            }
            changed.await;
        }
    }
}

/// Sends its share, each message until it is acknowledged, over as many sockets as that takes.
async fn send_all(
    person: Person,
    conversation: ConversationId,
    progress: Arc<Progress>,
) -> BTreeMap<ClientMessageId, MessageSeq> {
    let share = MESSAGES / SENDERS;
    let mut unsent: VecDeque<ClientMessageId> =
        (0..share).map(|_| ClientMessageId(Uuid::new_v4())).collect();
    let mut acknowledged = BTreeMap::new();
    while acknowledged.len() < share {
        let outcome =
            send_until_lost(&person, conversation, &mut unsent, &mut acknowledged, &progress).await;
        if outcome.is_err() {
            tokio::time::sleep(KNOCK).await;
        }
    }
    acknowledged
}

async fn send_until_lost(
    person: &Person,
    conversation: ConversationId,
    unsent: &mut VecDeque<ClientMessageId>,
    acknowledged: &mut BTreeMap<ClientMessageId, MessageSeq>,
    progress: &Progress,
) -> Result<(), tungstenite::Error> {
    let mut socket = person.connect().await?;
    let mut waiting = BTreeMap::new();
    let outcome = loop {
        let sent = fill(&mut socket, conversation, unsent, &mut waiting).await;
        if sent.is_err() {
            break sent;
        }
        if waiting.is_empty() && unsent.is_empty() {
            break Ok(());
        }
        match socket.answer().await {
            Ok((number, Ok(Reply::ChatSend(receipt)))) => {
                let id = waiting.remove(&number).expect("an answer to something we asked");
                acknowledged.insert(id, receipt.seq);
                progress.one_more();
            }
            Ok((number, Err(_))) => unsent.extend(waiting.remove(&number)),
            Ok((_, Ok(other))) => panic!("expected a receipt, got {other:?}"),
            Err(error) => break Err(error),
        }
    };
    unsent.extend(waiting.into_values());
    outcome
}

/// Sends until as many wait for their answers as may.
async fn fill(
    socket: &mut Socket,
    conversation: ConversationId,
    unsent: &mut VecDeque<ClientMessageId>,
    waiting: &mut BTreeMap<u32, ClientMessageId>,
) -> Result<(), tungstenite::Error> {
    while waiting.len() < IN_FLIGHT
        && let Some(id) = unsent.pop_front()
    {
        // The body is the id once more, so that a mix-up would show.
        let message = NewMessage { client_id: id, body: id.to_string(), reply_to: None };
        match socket.send(Request::ChatSend { conversation, message }).await {
            Ok(number) => waiting.insert(number, id),
            Err(error) => {
                unsent.push_front(id);
                return Err(error);
            }
        };
    }
    Ok(())
}

async fn whole_history(
    person: &Person,
    conversation: ConversationId,
) -> Vec<(MessageSeq, ClientMessageId)> {
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let path = format!("/v1/conversations/{conversation}/messages?after={after}&limit=200");
        let page: HistoryPage = person.get(&path).await;
        for message in &page.messages {
            assert_eq!(message.body, message.client_id.to_string());
        }
        found.extend(page.messages.iter().map(|message| (message.seq, message.client_id)));
        match page.messages.last() {
            Some(last) if page.more => after = last.seq.0,
            _ => return found,
        }
    }
}
