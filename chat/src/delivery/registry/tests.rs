//! A model of subscribe, replay and live: whatever order commits, hints, reads and joins come in,
//! and whichever hints are lost, every client sees 1, 2, 3 … to the end, each once.

use confer_protocol::chat::Change;
use confer_protocol::id::UserId;
use confer_protocol::room::UserInfo;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const CONVERSATION: ConversationId = ConversationId(Uuid::from_u128(0xc));
const CLIENTS: usize = 3;

/// Events one read of the log returns at most: few, so that gaps take several.
const READ_LENGTH: usize = 2;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Somebody writes; the hint is on its way.
    Commit,
    /// One of the hints on their way arrives, with or without the event itself.
    Hint { which: usize, inline: bool },
    /// It is lost.
    Lose { which: usize },
    /// A client that has no feed starts one.
    Open { client: usize },
    /// A client that replays reads the log after its cursor.
    Replay { client: usize },
    /// A client that replayed wants to be live.
    Join { client: usize },
    /// A client reads what its feed brought.
    Drain { client: usize },
    /// A client goes away; it keeps its cursor.
    Close { client: usize },
    /// One read of the log that the registry asked for.
    Read,
    /// The head is compared with the database.
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        6 => Just(Step::Commit),
        5 => (any::<usize>(), any::<bool>()).prop_map(|(which, inline)| Step::Hint { which, inline }),
        2 => any::<usize>().prop_map(|which| Step::Lose { which }),
        3 => client.clone().prop_map(|client| Step::Open { client }),
        4 => client.clone().prop_map(|client| Step::Replay { client }),
        4 => client.clone().prop_map(|client| Step::Join { client }),
        3 => client.clone().prop_map(|client| Step::Drain { client }),
        1 => client.prop_map(|client| Step::Close { client }),
        4 => Just(Step::Read),
        1 => Just(Step::Sweep),
    ]
}

#[derive(Default)]
struct Client {
    seen: Vec<u64>,
    feed: Option<OpenFeed>,
}

struct OpenFeed {
    id: FeedId,
    notices: mpsc::Receiver<Arc<Notice>>,
    replayed: EventSeq,
    is_live: bool,
}

struct World {
    registry: Registry,
    committed: u64,
    hints: Vec<u64>,
    reads: usize,
    /// Everybody left while a read was under way: who comes next knows nothing of it.
    has_stray_read: bool,
    clients: [Client; CLIENTS],
}

impl World {
    fn new() -> Self {
        Self {
            registry: Registry::new(Bus::memory(), Arc::default(), CancellationToken::new()),
            committed: 0,
            hints: Vec::new(),
            reads: 0,
            has_stray_read: false,
            clients: std::array::from_fn(|_| Client::default()),
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Commit => {
                self.committed += 1;
                self.hints.push(self.committed);
            }
            Step::Hint { which, inline } => {
                if let Some(event_seq) = self.take_hint(which) {
                    let event = inline.then(|| event(event_seq));
                    self.act(|registry| registry.event(CONVERSATION, EventSeq(event_seq), event));
                }
            }
            Step::Lose { which } => {
                self.take_hint(which);
            }
            Step::Open { client } => self.open(client),
            Step::Replay { client } => self.replay(client),
            Step::Join { client } => self.join(client),
            Step::Drain { client } => self.clients[client].drain(),
            Step::Close { client } => {
                self.clients[client].drain();
                if let Some(feed) = self.clients[client].feed.take() {
                    self.registry.close(feed.id);
                }
                if self.clients.iter().all(|client| client.feed.is_none()) {
                    self.has_stray_read |= self.reads > 0;
                }
            }
            Step::Read => self.read(),
            Step::Sweep => {
                let head = EventSeq(self.committed);
                self.act(|registry| registry.event(CONVERSATION, head, None));
            }
        }
    }

    fn take_hint(&mut self, which: usize) -> Option<u64> {
        let index = which.checked_rem(self.hints.len())?;
        Some(self.hints.swap_remove(index))
    }

    fn act(&mut self, what: impl FnOnce(&Registry) -> Next) {
        match what(&self.registry) {
            Next::Nothing => {}
            Next::Read => {
                assert!(self.reads == 0 || self.has_stray_read, "one read at a time");
                self.reads += 1;
            }
        }
    }

    fn open(&mut self, client: usize) {
        let client = &mut self.clients[client];
        if client.feed.is_none() {
            let (id, notices, topics) = self.registry.open(UserId(Uuid::nil()), RoomScope::Member);
            drop(topics);
            drop(self.registry.watch(id, &[CONVERSATION]));
            let replayed = EventSeq(client.seen.len() as u64);
            client.feed = Some(OpenFeed { id, notices, replayed, is_live: false });
        }
    }

    fn replay(&mut self, client: usize) {
        let client = &mut self.clients[client];
        if let Some(feed) = &mut client.feed
            && !feed.is_live
        {
            client.seen.extend(feed.replayed.0 + 1..=self.committed);
            feed.replayed = EventSeq(self.committed);
        }
    }

    fn join(&mut self, client: usize) {
        let Some(feed) = self.clients[client].feed.as_mut().filter(|feed| !feed.is_live) else {
            return;
        };
        match self.registry.join(feed.id, CONVERSATION, feed.replayed, &[]) {
            Joined::Live(next) => {
                feed.is_live = true;
                self.act(|_| next);
            }
            Joined::Behind => {}
            Joined::Gone => panic!("nobody closed this feed"),
        }
    }

    fn read(&mut self) {
        if self.reads == 0 {
            return;
        }
        self.reads -= 1;
        let Some(delivered) = self.registry.delivered(CONVERSATION) else {
            self.registry.gave_up(CONVERSATION);
            return;
        };
        let events = (delivered.0 + 1..=self.committed).take(READ_LENGTH).map(event).collect();
        self.act(|registry| registry.range(CONVERSATION, events));
    }

    /// Everybody catches up, by nothing but reads, joins and the sweep.
    fn settle(&mut self) {
        self.hints.clear();
        for client in 0..CLIENTS {
            self.take(Step::Open { client });
            while self.clients[client].feed.as_ref().is_some_and(|feed| !feed.is_live) {
                self.take(Step::Replay { client });
                self.take(Step::Join { client });
            }
        }
        self.take(Step::Sweep);
        while self.reads > 0 {
            self.take(Step::Read);
        }
        for client in 0..CLIENTS {
            self.take(Step::Drain { client });
        }
    }
}

impl Client {
    fn drain(&mut self) {
        let Some(feed) = self.feed.as_mut().filter(|feed| feed.is_live) else { return };
        while let Ok(notice) = feed.notices.try_recv() {
            if let Notice::ChatEvent { event } = notice.as_ref() {
                self.seen.push(event.event_seq.0);
            }
        }
    }
}

fn event(event_seq: u64) -> ConversationEvent {
    let user = UserInfo { id: UserId(Uuid::max()), name: "bob".to_owned(), guest: false };
    ConversationEvent {
        conversation: CONVERSATION,
        event_seq: EventSeq(event_seq),
        change: Change::MemberAdded { user },
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 500,
        failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(0x5eed),
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_client_sees_the_whole_log_once_and_in_order(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.settle();
        let log: Vec<u64> = (1..=world.committed).collect();
        for client in &world.clients {
            prop_assert_eq!(&client.seen, &log);
        }
    }
}
