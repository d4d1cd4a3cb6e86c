//! A client that applies events to what it knew ends with what a client that loads anew gets.

use std::collections::{BTreeMap, BTreeSet};

use confer_auth::Identity;
use confer_chat::ChatService;
use confer_protocol::chat::{
    Change, ConversationEvent, EventSeq, HistoryQuery, Message, MessageSeq,
};
use confer_protocol::id::{ConversationId, UserId};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::support::{setup, text};

/// What a client shows of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct View {
    at: EventSeq,
    messages: BTreeMap<MessageSeq, Message>,
    members: BTreeSet<UserId>,
}

impl View {
    async fn fetch(service: &ChatService, reader: &Identity, id: ConversationId) -> Self {
        let conversation = service.conversation(reader, id).await.expect("a member");
        let query = HistoryQuery { limit: Some(200), ..HistoryQuery::default() };
        let page = service.history(reader, id, query).await.expect("a member");
        Self {
            at: conversation.last_event,
            messages: page.messages.into_iter().map(|message| (message.seq, message)).collect(),
            members: conversation.members.iter().map(|member| member.user.id).collect(),
        }
    }

    fn apply(&mut self, event: ConversationEvent) {
        assert_eq!(event.event_seq.0, self.at.0 + 1);
        self.at = event.event_seq;
        match event.change {
            Change::MessageSent { message } => {
                self.messages.insert(message.seq, message);
            }
            Change::MemberAdded { user } => {
                self.members.insert(user.id);
            }
            Change::MemberRemoved { user } => {
                self.members.remove(&user);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Command {
    Send { by: usize },
    Add { who: usize },
    Remove { who: usize },
}

fn commands() -> impl Strategy<Value = Vec<Command>> {
    let command = prop_oneof![
        3 => (0..4_usize).prop_map(|by| Command::Send { by }),
        1 => (1..4_usize).prop_map(|who| Command::Add { who }),
        1 => (1..4_usize).prop_map(|who| Command::Remove { who }),
    ];
    proptest::collection::vec(command, 1..25)
}

#[test]
fn applying_the_events_after_a_snapshot_gives_what_is_fetched_later() {
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let config =
        ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    TestRunner::new_with_rng(config, rng)
        .run(&commands(), |commands| {
            runtime.block_on(converges(commands));
            Ok(())
        })
        .expect("every client ends with the same view");
}

async fn converges(commands: Vec<Command>) {
    let setup = setup().await;
    let mut people = Vec::new();
    for name in ["alice", "bob", "carol", "dave"] {
        people.push(setup.person(name).await);
    }
    let alice = &people[0];
    let room = setup.service.create_room(alice, "Kitchen").await.expect("created").id;
    let conversation = room.conversation();

    let mut snapshots = vec![View::fetch(&setup.service, alice, conversation).await];
    for command in commands {
        match command {
            Command::Send { by } => {
                // Refused for whoever is no member now; that is no event.
                let _ = setup.service.send(&people[by], conversation, text("hello")).await;
            }
            Command::Add { who } => {
                setup.service.add_member(room, &people[who].user).await.expect("added");
            }
            Command::Remove { who } => {
                setup.service.remove_member(room, people[who].user_id()).await.expect("removed");
            }
        }
        snapshots.push(View::fetch(&setup.service, alice, conversation).await);
    }
    let fetched = snapshots.last().cloned().expect("at least one");
    for mut view in snapshots {
        let events =
            setup.service.events(alice, conversation, view.at, None).await.expect("a member");
        assert!(!events.more);
        for event in events.events {
            view.apply(event);
        }
        assert_eq!(view, fetched);
    }
    setup.stop().await;
}
