use std::collections::HashMap;

use confer_auth::{Grants, RoomScope};
use confer_chat::{Config, ReadError, SendError};
use confer_protocol::chat::{HistoryQuery, MessageSeq, NewMessage};
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::{ConversationId, RoomId};
use confer_protocol::room::UserInfo;
use sqlx::Executor;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{
    all_messages, assert_gap_free, identity, next_event, quick, setup, setup_with, text,
};

#[tokio::test(flavor = "multi_thread")]
async fn fifty_writers_with_retries_leave_no_hole_and_no_duplicate() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let other = setup.service.create_room(&alice, "Garden").await.expect("created").id;
    setup.service.add_member(other, &bob.user).await.expect("added");

    let mut writers = JoinSet::new();
    for writer in 0..50_usize {
        let service = setup.service.clone();
        let sender = if writer % 2 == 0 { alice.clone() } else { bob.clone() };
        let conversation = if writer % 5 == 0 { other } else { room }.conversation();
        writers.spawn(async move {
            let mut receipts = Vec::new();
            for n in 0..20 {
                let message = text(&format!("{writer}/{n}"));
                let (first, again) = tokio::join!(
                    service.send(&sender, conversation, message.clone()),
                    service.send(&sender, conversation, message.clone()),
                );
                let (first, again) = (first.expect("stored"), again.expect("stored"));
                assert_eq!((first.id, first.seq), (again.id, again.seq));
                assert!(first.duplicate != again.duplicate, "one of two is the retry");
                let later = service.send(&sender, conversation, message).await.expect("stored");
                assert_eq!((later.id, later.seq, later.duplicate), (first.id, first.seq, true));
                assert_eq!(later.created_at, first.created_at);
                receipts.push((conversation, first.seq.0, format!("{writer}/{n}")));
            }
            receipts
        });
    }
    let mut acknowledged: HashMap<ConversationId, Vec<(u64, String)>> = HashMap::new();
    for (conversation, seq, body) in writers.join_all().await.into_iter().flatten() {
        acknowledged.entry(conversation).or_default().push((seq, body));
    }
    for (conversation, mut acknowledged) in acknowledged {
        acknowledged.sort();
        let stored = all_messages(&setup.service, &alice, conversation).await;
        assert_gap_free(stored.iter().map(|(seq, _)| *seq));
        assert_eq!(stored, acknowledged, "what was acknowledged is what is stored");
    }
    setup.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_writing_at_once_share_one_numbering() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let (other, other_running) = setup.another_node(setup.bus.clone(), quick()).await;

    let mut writers = JoinSet::new();
    for writer in 0..20 {
        let (one, two) = (setup.service.clone(), other.clone());
        let sender = if writer % 2 == 0 { alice.clone() } else { bob.clone() };
        writers.spawn(async move {
            for n in 0..10 {
                let message = text(&format!("{writer}/{n}"));
                // The same message through both nodes at the same time.
                let (here, there) = tokio::join!(
                    one.send(&sender, conversation, message.clone()),
                    two.send(&sender, conversation, message),
                );
                assert_eq!(here.expect("stored").seq, there.expect("stored").seq);
            }
        });
    }
    writers.join_all().await;
    let stored = all_messages(&setup.service, &alice, conversation).await;
    assert_eq!(stored.len(), 200);
    assert_gap_free(stored.iter().map(|(seq, _)| *seq));
    other_running.stop().await;
    setup.stop().await;
}

#[tokio::test]
async fn a_retry_is_answered_from_the_stored_message_even_after_leaving() {
    let setup = setup().await;
    let (_, bob, room) = setup.room_of_two().await;
    let message = text("first");
    let first = setup.service.send(&bob, room.conversation(), message.clone()).await.expect("sent");
    setup.service.remove_member(room, bob.user_id()).await.expect("removed");

    let changed = NewMessage { body: "second".to_owned(), ..message };
    let again = setup.service.send(&bob, room.conversation(), changed).await.expect("known");
    assert_eq!((again.id, again.seq, again.duplicate), (first.id, first.seq, true));
    let fresh = setup.service.send(&bob, room.conversation(), text("third")).await;
    assert!(matches!(fresh, Err(SendError::NotFound)), "{fresh:?}");
    setup.stop().await;
}

#[tokio::test]
async fn strangers_and_tokens_without_the_right_are_refused() {
    let setup = setup().await;
    let (alice, _, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let stranger = setup.person("mallory").await;

    let refused = setup.service.send(&stranger, conversation, text("hello")).await;
    assert!(matches!(refused, Err(SendError::NotFound)), "{refused:?}");
    let unread = setup.service.history(&stranger, conversation, HistoryQuery::default()).await;
    assert!(matches!(unread, Err(ReadError::NotFound)), "{unread:?}");
    let nowhere = ConversationId(Uuid::now_v7());
    let missing = setup.service.send(&alice, nowhere, text("hello")).await;
    assert!(matches!(missing, Err(SendError::NotFound)), "{missing:?}");

    // A member whose token lacks the grant, or is for another room.
    let mut silent = alice.clone();
    silent.grants.chat_write = false;
    let refused = setup.service.send(&silent, conversation, text("hello")).await;
    assert!(matches!(refused, Err(SendError::NotGranted)), "{refused:?}");
    let elsewhere = identity(alice.user.clone(), Grants::guest(RoomId(Uuid::now_v7())));
    let refused = setup.service.send(&elsewhere, conversation, text("hello")).await;
    assert!(matches!(refused, Err(SendError::NotFound)), "{refused:?}");
    let unread = setup.service.history(&elsewhere, conversation, HistoryQuery::default()).await;
    assert!(matches!(unread, Err(ReadError::NotFound)), "{unread:?}");

    // A back end's token for everything needs no membership.
    let back_end =
        identity(stranger.user.clone(), Grants { rooms: RoomScope::All, ..Grants::account() });
    setup.service.send(&back_end, conversation, text("maintenance")).await.expect("sent");
    assert_eq!(all_messages(&setup.service, &alice, conversation).await.len(), 1);
    setup.stop().await;
}

#[tokio::test]
async fn a_message_that_breaks_a_rule_is_refused_by_field() {
    let setup = setup().await;
    let (alice, _, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let field = |error: SendError| {
        let body = ErrorBody::from(error);
        assert_eq!(body.code, ErrorCode::Invalid);
        body.fields.into_keys().collect::<Vec<_>>()
    };
    for bad in ["", "  ", "nul\0here", &"x".repeat(8001)] {
        let refused = setup.service.send(&alice, conversation, text(bad)).await;
        assert_eq!(field(refused.expect_err("refused")), ["body"]);
    }
    let reply = NewMessage { reply_to: Some(MessageSeq(1)), ..text("to nothing") };
    let refused = setup.service.send(&alice, conversation, reply).await;
    assert_eq!(field(refused.expect_err("refused")), ["reply_to"]);

    setup.service.send(&alice, conversation, text(&"é".repeat(8000))).await.expect("sent");
    let reply = NewMessage { reply_to: Some(MessageSeq(1)), ..text("to something") };
    assert_eq!(setup.service.send(&alice, conversation, reply).await.expect("sent").seq.0, 2);
    setup.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_message_the_database_refuses_does_not_fail_its_neighbours() {
    let setup = setup().await;
    let (alice, _, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    // No known input gets past validation and fails here: the test makes one.
    setup
        .pool()
        .execute("ALTER TABLE messages ADD CHECK (body <> 'poison')")
        .await
        .expect("altered");

    let mut sends = JoinSet::new();
    for n in 0..40 {
        let (service, alice) = (setup.service.clone(), alice.clone());
        let body = if n % 10 == 3 { "poison".to_owned() } else { format!("good {n}") };
        sends.spawn(async move {
            (body.clone(), service.send(&alice, conversation, text(&body)).await.is_ok())
        });
    }
    for (body, stored) in sends.join_all().await {
        assert_eq!(stored, body != "poison", "{body}");
    }
    let stats = setup.service.stats();
    assert_eq!((stats.stored, stats.refused, stats.queued), (36, 4, 0));
    let stored = all_messages(&setup.service, &alice, conversation).await;
    assert_eq!(stored.len(), 36);
    assert_gap_free(stored.iter().map(|(seq, _)| *seq));
    setup.stop().await;
}

#[tokio::test]
async fn what_was_queued_at_the_stop_is_stored_and_later_sends_are_refused() {
    let setup = setup().await;
    let (alice, _, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let service = setup.service.clone();
    // On this one thread all of them queue, in their first poll, before the writer runs again.
    let mut sends = JoinSet::new();
    for n in 0..100 {
        let (service, alice) = (service.clone(), alice.clone());
        sends.spawn(async move { service.send(&alice, conversation, text(&format!("{n}"))).await });
    }
    tokio::task::yield_now().await;
    let pool = setup.pool();
    setup.running.stop().await;
    let stored_by_then = sends.join_all().await.into_iter().filter(Result::is_ok).count();
    let refused = service.send(&alice, conversation, text("late")).await;
    assert!(matches!(refused, Err(SendError::Stopping)), "{refused:?}");
    let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM messages")
        .fetch_one(&pool)
        .await
        .expect("readable");
    assert_eq!(stored, 100);
    assert_eq!(stored_by_then, 100);
}

#[tokio::test]
async fn history_pages_in_both_directions_and_refuses_nonsense() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    for n in 1..=10 {
        setup.service.send(&alice, conversation, text(&format!("{n}"))).await.expect("sent");
    }
    let page = async |query| {
        let page = setup.service.history(&bob, conversation, query).await.expect("readable");
        (page.messages.iter().map(|message| message.seq.0).collect::<Vec<_>>(), page.more)
    };
    let query = |before: Option<u64>, after: Option<u64>| HistoryQuery {
        before: before.map(MessageSeq),
        after: after.map(MessageSeq),
        limit: Some(4),
    };
    assert_eq!(page(query(None, None)).await, (vec![7, 8, 9, 10], true));
    assert_eq!(page(query(Some(7), None)).await, (vec![3, 4, 5, 6], true));
    assert_eq!(page(query(Some(3), None)).await, (vec![1, 2], false));
    assert_eq!(page(query(None, Some(4))).await, (vec![5, 6, 7, 8], true));
    assert_eq!(page(query(None, Some(8))).await, (vec![9, 10], false));
    assert_eq!(page(query(None, Some(u64::MAX))).await, (vec![], false));

    for bad in [
        query(Some(1), Some(1)),
        HistoryQuery { limit: Some(0), ..HistoryQuery::default() },
        HistoryQuery { limit: Some(201), ..HistoryQuery::default() },
    ] {
        let refused = setup.service.history(&bob, conversation, bad).await;
        assert!(matches!(refused, Err(ReadError::Invalid(_))), "{refused:?}");
    }
    setup.stop().await;
}

#[tokio::test]
async fn senders_appear_with_their_names_live_and_stored_alike() {
    let setup = setup_with(Config::default()).await;
    let (alice, bob, room) = setup.room_of_two().await;
    let (_, mut feed) = setup.service.sync(&bob, None, Vec::new()).await.expect("synced");
    setup.service.send(&alice, room.conversation(), text("hello")).await.expect("sent");

    let live = next_event(&mut feed).await;
    let stored = crate::support::all_events(&setup.service, &bob, room.conversation()).await;
    assert_eq!(stored.last(), Some(&live));
    let page = setup
        .service
        .history(&bob, room.conversation(), HistoryQuery::default())
        .await
        .expect("readable");
    let expected = UserInfo { id: alice.user_id(), name: "alice".to_owned(), guest: false };
    assert_eq!(page.messages[0].sender, expected);
    setup.stop().await;
}
