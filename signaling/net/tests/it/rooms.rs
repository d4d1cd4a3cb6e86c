use std::time::Duration;

use confer_protocol::client::Request;
use confer_protocol::error::ErrorCode;
use confer_protocol::media::MediaAction;
use confer_protocol::server::{LeaveReason, Reply, RoomEvent};
use confer_signaling_core::Limits;
use confer_signaling_core::ports::Presence;
use confer_signaling_net::Config;

use crate::client::Client;
use crate::fakes::{LOCKED, ROOM, serve};

#[tokio::test]
async fn two_people_see_each_other_come_and_go() {
    let service = serve(Config::default()).await;
    let (mut alice, first) = Client::join(service.address, "alice").await;
    assert_eq!(first.snapshot.participants.len(), 1);
    let (mut bob, second) = Client::join(service.address, "bob").await;
    assert_eq!(second.snapshot.participants.len(), 2);
    assert_eq!(service.signaling.in_call(ROOM), 2);

    let (seq, event) = alice.event().await;
    assert_eq!(seq, first.seq + 1);
    let RoomEvent::ParticipantJoined { participant } = event else { panic!("{event:?}") };
    assert_eq!(participant.id, second.participant);

    assert_eq!(bob.ask(Request::Leave).await, Ok(Reply::Leave));
    let left =
        RoomEvent::ParticipantLeft { participant: second.participant, reason: LeaveReason::Left };
    assert_eq!(alice.event().await, (seq + 1, left));
    assert_eq!(service.signaling.in_call(ROOM), 1);
    let again = bob.ask(Request::Leave).await.expect_err("it left");
    assert_eq!(again.code, ErrorCode::NotJoined);
}

#[tokio::test]
async fn a_resume_within_the_grace_shows_others_no_leaving() {
    let service = serve(Config::default()).await;
    let (mut alice, _) = Client::join(service.address, "alice").await;
    let (bob, joined) = Client::join(service.address, "bob").await;
    let (_, event) = alice.event().await;
    assert!(matches!(event, RoomEvent::ParticipantJoined { .. }));

    drop(bob);
    let participant = joined.participant;
    let (_, event) = alice.event().await;
    assert_eq!(event, RoomEvent::ParticipantAway { participant, away: true });
    // What happens meanwhile is replayed.
    let (_carol, carol) = Client::join(service.address, "carol").await;
    assert!(matches!(alice.event().await.1, RoomEvent::ParticipantJoined { .. }));

    let mut bob = Client::connect(service.address, "bob").await;
    let resumed = bob.resume(&joined, joined.seq).await.expect("within the grace");
    assert_eq!((resumed.participant, resumed.snapshot), (participant, None));
    let (seq, event) = bob.event().await;
    assert_eq!(seq, joined.seq + 1);
    let RoomEvent::ParticipantJoined { participant: newcomer } = event else { panic!("{event:?}") };
    assert_eq!(newcomer.id, carol.participant);

    let (_, event) = alice.event().await;
    assert_eq!(event, RoomEvent::ParticipantAway { participant, away: false });
    let actions = service.media.actions();
    assert!(!actions.contains(&MediaAction::Leave), "media stayed: {actions:?}");
}

#[tokio::test]
async fn a_seat_is_given_up_when_the_grace_is_over() {
    let limits = Limits { grace: Duration::from_millis(20), ..Limits::default() };
    let service = serve(Config { limits, ..Config::default() }).await;
    let (mut alice, _) = Client::join(service.address, "alice").await;
    let (bob, joined) = Client::join(service.address, "bob").await;
    drop(bob);
    let participant = joined.participant;
    assert!(matches!(alice.event().await.1, RoomEvent::ParticipantJoined { .. }));
    assert!(matches!(alice.event().await.1, RoomEvent::ParticipantAway { away: true, .. }));
    let left = RoomEvent::ParticipantLeft { participant, reason: LeaveReason::ConnectionLost };
    assert_eq!(alice.event().await.1, left);
    assert!(service.media.actions().contains(&MediaAction::Leave));

    let mut bob = Client::connect(service.address, "bob").await;
    let refused = bob.resume(&joined, joined.seq).await.expect_err("too late");
    assert_eq!(refused.code, ErrorCode::ResumeRefused);
}

#[tokio::test]
async fn a_closed_page_is_gone_at_once() {
    let service = serve(Config::default()).await;
    let (mut alice, _) = Client::join(service.address, "alice").await;
    let (bob, joined) = Client::join(service.address, "bob").await;
    bob.close(1001).await;
    assert!(matches!(alice.event().await.1, RoomEvent::ParticipantJoined { .. }));
    let participant = joined.participant;
    let left = RoomEvent::ParticipantLeft { participant, reason: LeaveReason::Left };
    assert_eq!(alice.event().await.1, left);
}

#[tokio::test]
async fn a_resume_on_a_second_socket_replaces_the_first() {
    let service = serve(Config::default()).await;
    let (mut alice, joined) = Client::join(service.address, "alice").await;
    let mut second = Client::connect(service.address, "alice").await;
    second.resume(&joined, 0).await.expect("the ticket is good");
    assert_eq!(alice.closed().await, 4409);
    let mut mallory = Client::connect(service.address, "mallory").await;
    let refused = mallory.resume(&joined, 0).await.expect_err("it is alice's");
    assert_eq!(refused.code, ErrorCode::ResumeRefused);
}

#[tokio::test]
async fn a_room_that_refuses_leaves_no_trace() {
    let service = serve(Config::default()).await;
    let mut alice = Client::connect(service.address, "alice").await;
    let refused = alice.ask(Request::Join { room: LOCKED }).await.expect_err("locked");
    assert_eq!(refused.code, ErrorCode::Forbidden);
    assert_eq!(service.signaling.in_call(LOCKED), 0);
    assert!(service.media.actions().is_empty());
    alice.take_seat().await;
    let twice = alice.ask(Request::Join { room: ROOM }).await.expect_err("it has a seat");
    assert_eq!(twice.code, ErrorCode::AlreadyJoined);
}

#[tokio::test]
async fn only_a_moderator_removes_and_the_removed_learns_of_it() {
    let service = serve(Config::default()).await;
    let (mut owner, first) = Client::join(service.address, "owner").await;
    let (mut bob, second) = Client::join(service.address, "bob").await;
    let request = Request::Remove { participant: first.participant };
    let refused = bob.ask(request).await.expect_err("bob moderates nothing");
    assert_eq!(refused.code, ErrorCode::Forbidden);

    let request = Request::Remove { participant: second.participant };
    assert_eq!(owner.ask(request).await, Ok(Reply::Remove));
    let removed = RoomEvent::Removed { reason: LeaveReason::Removed };
    assert_eq!(bob.event().await.1, removed);
    assert_eq!(bob.ask(Request::Ping).await, Ok(Reply::Ping));
    let gone = bob.ask(Request::Leave).await.expect_err("its seat is gone");
    assert_eq!(gone.code, ErrorCode::NotJoined);
}

#[tokio::test]
async fn ice_servers_are_minted_only_for_those_who_joined() {
    let service = serve(Config::default()).await;
    let mut alice = Client::connect(service.address, "alice").await;
    let refused = alice.ask(Request::IceServers).await.expect_err("it has no seat");
    assert_eq!(refused.code, ErrorCode::NotJoined);
    let joined = alice.take_seat().await;
    assert_eq!(joined.ice_servers.len(), 1);
    let reply = alice.ask(Request::IceServers).await.expect("it has a seat");
    assert_eq!(reply, Reply::IceServers { ice_servers: joined.ice_servers });
}
