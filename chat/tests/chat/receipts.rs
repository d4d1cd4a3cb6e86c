use confer_chat::{Config, Limits, MarkError};
use confer_protocol::chat::MessageSeq;
use confer_protocol::server::Notice;

use crate::support::{next_notice, quick, setup, setup_with, text};

#[tokio::test]
async fn cursors_only_move_up_and_stay_in_order() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    for n in 0..5 {
        setup.service.send(&alice, conversation, text(&format!("{n}"))).await.expect("sent");
    }
    let mark = async |delivered: Option<u64>, read: Option<u64>| {
        let receipt = setup
            .service
            .mark(&bob, conversation, delivered.map(MessageSeq), read.map(MessageSeq))
            .await
            .expect("marked");
        (receipt.delivered.0, receipt.read.0)
    };
    assert_eq!(mark(Some(3), None).await, (3, 0));
    assert_eq!(mark(Some(1), Some(2)).await, (3, 2));
    assert_eq!(mark(None, Some(1)).await, (3, 2));
    assert_eq!(mark(None, Some(4)).await, (4, 4));
    assert_eq!(mark(Some(900), Some(900)).await, (5, 5));
    assert_eq!(mark(None, None).await, (5, 5));

    // One log row per advance and kind, without overlap.
    let log: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT kind, from_seq, to_seq FROM receipt_log WHERE user_id = $1 ORDER BY kind, to_seq",
    )
    .bind(bob.user_id().0)
    .fetch_all(&setup.pool())
    .await
    .expect("readable");
    let row = |kind: &str, from, to| (kind.to_owned(), from, to);
    assert_eq!(
        log,
        [
            row("delivered", 0, 3),
            row("delivered", 3, 4),
            row("delivered", 4, 5),
            row("read", 0, 2),
            row("read", 2, 4),
            row("read", 4, 5),
        ]
    );
    setup.stop().await;
}

#[tokio::test]
async fn message_status_says_sent_delivered_or_read_and_since_when() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    for n in 0..3 {
        setup.service.send(&alice, conversation, text(&format!("{n}"))).await.expect("sent");
    }
    setup
        .service
        .mark(&bob, conversation, Some(MessageSeq(2)), Some(MessageSeq(1)))
        .await
        .expect("marked");
    let status: Vec<(i64, String, bool)> = sqlx::query_as(
        "SELECT s.seq, s.status, s.updated_at > m.created_at
         FROM message_status s JOIN messages m ON m.id = s.message_id
         WHERE s.user_id = $1 ORDER BY s.seq",
    )
    .bind(bob.user_id().0)
    .fetch_all(&setup.pool())
    .await
    .expect("readable");
    assert_eq!(
        status,
        [
            (1, "read".to_owned(), true),
            (2, "delivered".to_owned(), true),
            (3, "sent".to_owned(), false)
        ]
    );
    setup.stop().await;
}

#[tokio::test]
async fn unread_counts_others_messages_after_the_own_cursor() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let unread =
        async |who| setup.service.conversation(who, conversation).await.expect("a member").unread;
    for n in 0..3 {
        setup.service.send(&alice, conversation, text(&format!("{n}"))).await.expect("sent");
    }
    assert_eq!((unread(&alice).await, unread(&bob).await), (0, 3));
    setup.service.mark(&bob, conversation, None, Some(MessageSeq(2))).await.expect("marked");
    assert_eq!(unread(&bob).await, 1);

    // A newcomer has nothing to catch up with.
    let carol = setup.person("carol").await;
    setup.service.add_member(room, &carol.user).await.expect("added");
    assert_eq!(unread(&carol).await, 0);
    setup.service.send(&alice, conversation, text("welcome")).await.expect("sent");
    assert_eq!(unread(&carol).await, 1);
    setup.stop().await;
}

#[tokio::test]
async fn receipts_reach_watchers_and_an_own_message_moves_the_own_cursors() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let (_, mut feed) = setup.service.sync(&alice, None, Vec::new()).await.expect("synced");
    setup.service.send(&bob, conversation, text("hello")).await.expect("sent");
    let receipt = loop {
        if let Notice::ChatReceipt { receipt } = next_notice(&mut feed).await.expect("live") {
            break receipt;
        }
    };
    assert_eq!((receipt.user, receipt.delivered.0, receipt.read.0), (bob.user_id(), 1, 1));

    setup.service.mark(&alice, conversation, None, Some(MessageSeq(1))).await.expect("marked");
    let receipt = loop {
        if let Notice::ChatReceipt { receipt } = next_notice(&mut feed).await.expect("live") {
            break receipt;
        }
    };
    assert_eq!((receipt.user, receipt.read.0), (alice.user_id(), 1));
    setup.stop().await;
}

#[tokio::test]
async fn in_a_crowd_nobody_sees_how_far_others_are() {
    let limits = Limits { members_shown: 2, ..Limits::default() };
    let setup = setup_with(Config { limits, ..quick() }).await;
    let (alice, bob, room) = setup.room_of_two().await;
    let conversation = room.conversation();
    let carol = setup.person("carol").await;
    setup.service.add_member(room, &carol.user).await.expect("added");
    setup.service.send(&alice, conversation, text("hello")).await.expect("sent");

    let (synced, mut here) = setup.service.sync(&bob, None, Vec::new()).await.expect("synced");
    let (_, mut there) = setup.service.sync(&alice, None, Vec::new()).await.expect("synced");
    let seen: Vec<_> =
        synced.conversations[0].receipts.iter().map(|receipt| receipt.user).collect();
    assert_eq!(seen, [bob.user_id()]);
    setup.service.mark(&bob, conversation, None, Some(MessageSeq(1))).await.expect("marked");
    // Bob's other devices are told; for Alice the next message comes first.
    while !matches!(next_notice(&mut here).await, Some(Notice::ChatReceipt { .. })) {}
    setup.service.send(&carol, conversation, text("after")).await.expect("sent");
    loop {
        match next_notice(&mut there).await.expect("live") {
            Notice::ChatReceipt { receipt } => assert_eq!(receipt.user, alice.user_id()),
            Notice::ChatEvent { .. } => break,
            _ => {}
        }
    }
    setup.stop().await;
}

#[tokio::test]
async fn marks_of_strangers_are_refused_and_change_nothing() {
    let setup = setup().await;
    let (alice, _, room) = setup.room_of_two().await;
    let stranger = setup.person("mallory").await;
    setup.service.send(&alice, room.conversation(), text("hello")).await.expect("sent");
    let refused =
        setup.service.mark(&stranger, room.conversation(), None, Some(MessageSeq(1))).await;
    assert!(matches!(refused, Err(MarkError::NotFound)), "{refused:?}");
    setup.stop().await;
}
