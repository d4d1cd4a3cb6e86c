use confer_auth::{Grants, RoomScope};
use confer_chat::{Config, Limits, RoomError};
use confer_protocol::chat::{Change, ConversationKind};
use confer_protocol::id::{RoomId, UserId};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{all_events, identity, quick, setup, setup_with, text};

#[tokio::test]
async fn a_room_has_an_owner_a_conversation_and_a_place_in_its_members_lists() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let found = setup.service.room(room).await.expect("readable").expect("there");
    assert_eq!((found.info.name.as_str(), found.owner), ("Kitchen", alice.user_id()));
    assert!(setup.service.is_member(room, bob.user_id()).await.expect("readable"));
    let unknown = RoomId(Uuid::now_v7());
    assert_eq!(setup.service.room(unknown).await.expect("readable"), None);

    setup.service.send(&alice, room.conversation(), text("hello")).await.expect("sent");
    let rooms = setup.service.rooms(&bob).await.expect("readable");
    assert_eq!(rooms.len(), 1);
    assert_eq!((rooms[0].room.id, rooms[0].unread), (room, 1));
    assert!(rooms[0].last_message_at.is_some());

    let conversations = setup.service.conversations(&bob).await.expect("readable");
    assert_eq!(conversations.len(), 1);
    let kitchen = &conversations[0];
    assert_eq!((kitchen.kind, kitchen.title.as_str()), (ConversationKind::Room, "Kitchen"));
    let members: Vec<_> = kitchen.members.iter().map(|member| member.user.name.as_str()).collect();
    assert_eq!(members, ["alice", "bob"]);
    assert_eq!((kitchen.last_seq.0, kitchen.last_event.0), (1, 3));
    assert_eq!(kitchen.last_message.as_ref().map(|message| message.body.as_str()), Some("hello"));
    setup.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_twice_at_once_is_one_membership_and_one_event() {
    let setup = setup().await;
    let (alice, _, room) = setup.room_of_two().await;
    let carol = setup.person("carol").await;
    let mut joins = JoinSet::new();
    for _ in 0..10 {
        let (service, user) = (setup.service.clone(), carol.user.clone());
        joins.spawn(async move { service.add_member(room, &user).await });
    }
    for joined in joins.join_all().await {
        joined.expect("a member either way");
    }
    let events = all_events(&setup.service, &alice, room.conversation()).await;
    let added: Vec<&str> = events
        .iter()
        .map(|event| match &event.change {
            Change::MemberAdded { user } => user.name.as_str(),
            Change::MessageSent { .. } | Change::MemberRemoved { .. } => "something else",
        })
        .collect();
    assert_eq!(added, ["alice", "bob", "carol"]);
    setup.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_have_one_direct_conversation_whoever_opens_it() {
    let setup = setup().await;
    let alice = setup.person("alice").await;
    let bob = setup.person("bob").await;
    let mut opens = JoinSet::new();
    for n in 0..10 {
        let service = setup.service.clone();
        let (one, other) =
            if n % 2 == 0 { (alice.clone(), bob.clone()) } else { (bob.clone(), alice.clone()) };
        opens.spawn(async move { service.open_direct(&one, other.user_id()).await });
    }
    let mut opened: Vec<_> =
        opens.join_all().await.into_iter().map(|opened| opened.expect("opened").id).collect();
    opened.dedup();
    assert_eq!(opened.len(), 1);

    let seen_by_alice = setup.service.conversation(&alice, opened[0]).await.expect("hers");
    assert_eq!(
        (seen_by_alice.kind, seen_by_alice.title.as_str()),
        (ConversationKind::Direct, "bob")
    );
    setup.service.send(&bob, opened[0], text("hi")).await.expect("sent");
    assert!(setup.service.rooms(&alice).await.expect("readable").is_empty());

    let oneself = setup.service.open_direct(&alice, alice.user_id()).await;
    assert!(matches!(oneself, Err(RoomError::Invalid(_))), "{oneself:?}");
    let nobody = setup.service.open_direct(&alice, UserId(Uuid::now_v7())).await;
    assert!(matches!(nobody, Err(RoomError::NotFound)), "{nobody:?}");
    setup.stop().await;
}

#[tokio::test]
async fn guests_create_nothing_and_see_only_the_room_they_were_invited_to() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let garden = setup.service.create_room(&alice, "Garden").await.expect("created").id;
    setup.service.add_member(garden, &bob.user).await.expect("added");
    let guest = identity(bob.user.clone(), Grants::guest(garden));

    let refused = setup.service.create_room(&guest, "Attic").await;
    assert!(matches!(refused, Err(RoomError::NotGranted)), "{refused:?}");
    let refused = setup.service.open_direct(&guest, alice.user_id()).await;
    assert!(matches!(refused, Err(RoomError::NotGranted)), "{refused:?}");
    let rooms = setup.service.rooms(&guest).await.expect("readable");
    assert_eq!(rooms.iter().map(|summary| summary.room.id).collect::<Vec<_>>(), [garden]);
    let conversations = setup.service.conversations(&guest).await.expect("readable");
    assert_eq!(conversations.len(), 1);
    assert!(setup.service.room_summary(&guest, room).await.is_err());

    // Before the invitation is taken the room can be seen, and nothing in it.
    let invited = identity(setup.person("carol").await.user, Grants::guest(garden));
    assert_eq!(setup.service.room_summary(&invited, garden).await.expect("invited").unread, 0);
    assert!(setup.service.conversation(&invited, garden.conversation()).await.is_err());
    setup.stop().await;
}

#[tokio::test]
async fn names_and_numbers_of_rooms_and_members_have_limits() {
    let limits = Limits { rooms_per_owner: 2, members_per_room: 2, ..Limits::default() };
    let setup = setup_with(Config { limits, ..quick() }).await;
    let (alice, bob, room) = setup.room_of_two().await;
    for bad in ["", "   ", &"x".repeat(81), "a\0b"] {
        let refused = setup.service.create_room(&alice, bad).await;
        assert!(matches!(refused, Err(RoomError::Invalid(_))), "{bad:?}: {refused:?}");
    }
    let second = setup.service.create_room(&alice, "  Garden ").await.expect("created");
    assert_eq!(second.name, "Garden");
    let third = setup.service.create_room(&alice, "Attic").await;
    assert!(matches!(third, Err(RoomError::TooMany { limit: 2, .. })), "{third:?}");

    let carol = setup.person("carol").await;
    let full = setup.service.add_member(room, &carol.user).await;
    assert!(matches!(full, Err(RoomError::TooMany { limit: 2, .. })), "{full:?}");
    setup.service.add_member(room, &bob.user).await.expect("a member already");
    let nowhere = setup.service.add_member(RoomId(Uuid::now_v7()), &bob.user).await;
    assert!(matches!(nowhere, Err(RoomError::NotFound)), "{nowhere:?}");
    setup.stop().await;
}

#[tokio::test]
async fn a_back_end_reads_every_room_without_being_listed_in_it() {
    let setup = setup().await;
    let (_, _, room) = setup.room_of_two().await;
    let back_end = identity(
        setup.person("robot").await.user,
        Grants { rooms: RoomScope::All, ..Grants::account() },
    );
    let events = all_events(&setup.service, &back_end, room.conversation()).await;
    assert_eq!(events.len(), 2);
    assert!(setup.service.rooms(&back_end).await.expect("readable").is_empty());
    setup.stop().await;
}
