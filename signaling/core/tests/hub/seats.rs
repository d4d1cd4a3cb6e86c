use std::time::Duration;

use confer_protocol::error::{CloseCode, ErrorCode};
use confer_protocol::id::{Epoch, ParticipantId};
use confer_protocol::media::{MediaAction, MediaHappening};
use confer_protocol::server::{LeaveReason, Notice, Reply, RoomEvent, TransportState};
use confer_signaling_core::hub::{Input, Output, Parting};
use confer_signaling_core::{Limits, RoomAsk};
use uuid::Uuid;

use crate::desk::{Desk, KITCHEN, closes, events, login, notices, only_event, user};

const NANO: Duration = Duration::from_nanos(1);

#[test]
fn a_newcomer_gets_a_snapshot_and_the_others_an_event() {
    let mut desk = Desk::new();
    let (alice, first) = desk.enter("alice");
    let (bob, _) = desk.open("bob");
    let (second, outputs) = desk.join(bob, "bob", KITCHEN);
    let second = second.expect("there is room");

    let order: Vec<_> = second.snapshot.participants.iter().map(|it| it.id).collect();
    assert_eq!(order, [first.participant, second.participant]);
    let participant = second.snapshot.participants.last().expect("itself").clone();
    assert_eq!(events(&outputs, alice), [(1, RoomEvent::ParticipantJoined { participant })]);
    assert_eq!(events(&outputs, bob), []);
    assert!(outputs.contains(&Output::InCall { room: KITCHEN, participants: 2 }));
    assert_eq!(second.grace_ms, 30_000);
}

#[test]
fn a_seat_that_media_has_no_place_for_is_not_taken() {
    let mut desk = Desk::new();
    desk.media.set_stuck(true);
    let (alice, _) = desk.open("alice");
    let (refused, outputs) = desk.join(alice, "alice", KITCHEN);
    assert_eq!(refused.expect_err("media is stuck").code, ErrorCode::Unavailable);
    assert_eq!(outputs, []);
    assert_eq!((desk.hub.rooms(), desk.hub.participants()), (0, 0));

    desk.media.set_stuck(false);
    let (joined, _) = desk.join(alice, "alice", KITCHEN);
    assert!(joined.is_ok());
}

#[test]
fn a_full_room_takes_nobody_more() {
    let mut desk = Desk::with(Limits { participants_per_room: 1, ..Limits::default() });
    desk.enter("alice");
    let (bob, _) = desk.open("bob");
    let (refused, _) = desk.join(bob, "bob", KITCHEN);
    assert_eq!(refused.expect_err("it is full").code, ErrorCode::RoomFull);
}

#[test]
fn a_server_full_of_rooms_opens_no_other() {
    let mut desk = Desk::with(Limits { rooms: 1, ..Limits::default() });
    desk.enter("alice");
    let (bob, _) = desk.open("bob");
    let (refused, _) = desk.join(bob, "bob", crate::desk::CELLAR);
    assert_eq!(refused.expect_err("no other room").code, ErrorCode::Unavailable);
    let (joined, _) = desk.join(bob, "bob", KITCHEN);
    assert!(joined.is_ok());
}

#[test]
fn a_user_whose_seats_are_taken_gives_up_the_one_away_longest() {
    let mut desk = Desk::with(Limits { seats_per_user: 2, ..Limits::default() });
    let (first, one) = desk.enter("alice");
    let (second, _) = desk.enter("alice");
    let (third, _) = desk.open("alice");
    let (refused, _) = desk.join(third, "alice", KITCHEN);
    assert_eq!(refused.expect_err("both are in use").code, ErrorCode::Conflict);

    desk.lose(first);
    let (joined, outputs) = desk.join(third, "alice", KITCHEN);
    assert!(joined.is_ok());
    let told: Vec<_> = events(&outputs, second).into_iter().map(|(_, event)| event).collect();
    let left = RoomEvent::ParticipantLeft {
        participant: one.participant,
        reason: LeaveReason::ConnectionLost,
    };
    assert_eq!(told.first(), Some(&left));
}

#[test]
fn a_socket_over_the_users_limit_is_closed() {
    let mut desk = Desk::with(Limits { sockets_per_user: 1, ..Limits::default() });
    desk.open("alice");
    let (second, outputs) = desk.open("alice");
    assert_eq!(closes(&outputs), [(second, CloseCode::Replaced)]);
    let (_, outputs) = desk.open("bob");
    assert_eq!(closes(&outputs), []);
}

#[test]
fn a_lost_socket_makes_its_seat_away_until_exactly_the_end_of_the_grace() {
    let mut desk = Desk::new();
    let (alice, _) = desk.enter("alice");
    let (bob, joined) = desk.enter("bob");
    let participant = joined.participant;
    let outputs = desk.lose(bob);
    assert_eq!(only_event(&outputs, alice), RoomEvent::ParticipantAway { participant, away: true });

    desk.media.take();
    assert_eq!(desk.advance(Duration::from_secs(30) - NANO), []);
    assert_eq!(desk.media.take_actions(), []);
    let outputs = desk.advance(NANO);
    let reason = LeaveReason::ConnectionLost;
    assert_eq!(only_event(&outputs, alice), RoomEvent::ParticipantLeft { participant, reason });
    assert_eq!(desk.media.take_actions(), [MediaAction::Leave]);

    let (bob, _) = desk.open("bob");
    let (refused, _) = desk.resume(bob, &joined.resume_ticket, joined.epoch, 0);
    assert_eq!(refused.expect_err("too late").code, ErrorCode::ResumeRefused);
}

#[test]
fn the_grace_of_an_earlier_loss_does_not_end_a_later_one() {
    let mut desk = Desk::new();
    let (alice, _) = desk.enter("alice");
    let (bob, joined) = desk.enter("bob");
    desk.lose(bob);
    desk.advance(Duration::from_secs(20));
    let (bob, _) = desk.open("bob");
    let (resumed, _) = desk.resume(bob, &joined.resume_ticket, joined.epoch, 0);
    assert!(resumed.is_ok());
    desk.advance(Duration::from_secs(5));
    desk.lose(bob);
    // The first grace would end now, the second lasts 25 seconds more.
    assert_eq!(desk.advance(Duration::from_secs(29)), []);
    let outputs = desk.advance(Duration::from_secs(1));
    assert!(matches!(only_event(&outputs, alice), RoomEvent::ParticipantLeft { .. }));
}

#[test]
fn a_resume_replays_what_was_missed_and_numbers_on() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    desk.enter("bob");
    desk.lose(alice);
    desk.enter("carol");
    let (alice, _) = desk.open("alice");
    let (resumed, outputs) = desk.resume(alice, &joined.resume_ticket, joined.epoch, 1);
    let resumed = resumed.expect("within the grace");
    assert_eq!((resumed.seq, resumed.snapshot), (2, None));
    let replayed = events(&outputs, alice);
    assert!(matches!(replayed.as_slice(), [(2, RoomEvent::ParticipantJoined { .. })]));
    let state = TransportState::Connected;
    let happening = MediaHappening::TransportChanged { state, security: None };
    let outputs = desk.happens(resumed.participant, happening);
    assert_eq!(events(&outputs, alice), [(3, RoomEvent::TransportChanged { state })]);
}

#[test]
fn a_resume_from_beyond_what_is_kept_gets_a_snapshot() {
    let mut desk = Desk::with(Limits { replay_events: 2, ..Limits::default() });
    let (alice, joined) = desk.enter("alice");
    desk.lose(alice);
    for name in ["bob", "carol", "dave"] {
        desk.enter(name);
    }
    // Neither the distant past nor a future that never was can be replayed.
    for seen in [0, 4] {
        let (alice, _) = desk.open("alice");
        let (resumed, outputs) = desk.resume(alice, &joined.resume_ticket, joined.epoch, seen);
        let resumed = resumed.expect("within the grace");
        assert_eq!(resumed.seq, 3);
        assert_eq!(resumed.snapshot.expect("a snapshot").participants.len(), 4);
        assert_eq!(events(&outputs, alice), []);
        desk.lose(alice);
    }
}

#[test]
fn a_ticket_is_spent_when_the_holder_of_the_next_one_speaks() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    let (first, epoch) = (joined.resume_ticket.clone(), joined.epoch);
    desk.lose(alice);
    // The answer to this resume never arrives: the old ticket works again.
    let (lost, _) = desk.open("alice");
    assert!(desk.resume(lost, &first, epoch, 0).0.is_ok());
    let (alice, _) = desk.open("alice");
    let (resumed, outputs) = desk.resume(alice, &first, epoch, 0);
    let second = resumed.expect("the answer was lost").resume_ticket;
    assert_eq!(closes(&outputs), [(lost, CloseCode::Replaced)]);

    let (answered, _) = desk.ask(alice, RoomAsk::Candidate { candidate: None });
    assert_eq!(answered, Ok(Reply::Candidate));
    let (other, _) = desk.open("alice");
    let (refused, _) = desk.resume(other, &first, epoch, 0);
    assert_eq!(refused.expect_err("spent").code, ErrorCode::ResumeRefused);
    assert!(desk.resume(other, &second, epoch, 0).0.is_ok());
}

#[test]
fn a_ticket_is_worth_nothing_to_others_or_with_another_epoch() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    desk.lose(alice);
    let ticket = joined.resume_ticket.as_str();
    let wrong = Epoch(Uuid::from_u128(7));
    for (name, ticket, epoch) in [
        ("mallory", ticket, joined.epoch),
        ("alice", ticket, wrong),
        ("alice", "nonsense", joined.epoch),
        ("alice", "", joined.epoch),
    ] {
        let (socket, _) = desk.open(name);
        let (refused, _) = desk.resume(socket, ticket, epoch, 0);
        assert_eq!(refused.expect_err("not its own").code, ErrorCode::ResumeRefused);
    }
    let (alice, _) = desk.open("alice");
    assert!(desk.resume(alice, ticket, joined.epoch, 0).0.is_ok());
}

#[test]
fn a_replaced_socket_has_no_say_over_the_seat_any_more() {
    let mut desk = Desk::new();
    let (old, joined) = desk.enter("alice");
    let (new, _) = desk.open("alice");
    let (resumed, outputs) = desk.resume(new, &joined.resume_ticket, joined.epoch, 0);
    assert!(resumed.is_ok());
    assert_eq!(closes(&outputs), [(old, CloseCode::Replaced)]);
    let (refused, _) = desk.ask(old, RoomAsk::Leave);
    assert_eq!(refused.expect_err("no seat").code, ErrorCode::NotJoined);
    desk.input(Input::Closed { connection: old, parting: Parting::Left });
    assert_eq!(desk.hub.participants(), 1);
    assert_eq!(desk.advance(Duration::from_secs(60)), []);
}

#[test]
fn a_leave_that_media_cannot_take_is_delivered_later() {
    let mut desk = Desk::new();
    let (alice, _) = desk.enter("alice");
    desk.media.take();
    desk.media.set_stuck(true);
    let (left, _) = desk.ask(alice, RoomAsk::Leave);
    assert_eq!(left, Ok(Reply::Leave));
    desk.advance(Duration::from_secs(1));
    desk.media.set_stuck(false);
    desk.advance(Duration::from_secs(1));
    assert_eq!(desk.media.take_actions(), [MediaAction::Leave]);
    assert_eq!(desk.hub.poll_timeout(), None);
}

#[test]
fn the_removed_are_told_and_removers_need_the_right() {
    let mut desk = Desk::new();
    let (owner, first) = desk.enter("owner");
    let (bob, second) = desk.enter("bob");
    let (carol, _) = desk.enter("carol");
    let remove = |participant| RoomAsk::Remove { participant };

    let (refused, _) = desk.ask(bob, remove(first.participant));
    assert_eq!(refused.expect_err("not bob's to do").code, ErrorCode::Forbidden);
    let (refused, _) = desk.ask(owner, remove(ParticipantId(Uuid::nil())));
    assert_eq!(refused.expect_err("nobody").code, ErrorCode::NotFound);
    let (refused, _) = desk.ask(owner, remove(first.participant));
    assert_eq!(refused.expect_err("itself").code, ErrorCode::Invalid);

    let (removed, outputs) = desk.ask(owner, remove(second.participant));
    assert_eq!(removed, Ok(Reply::Remove));
    let reason = LeaveReason::Removed;
    assert_eq!(only_event(&outputs, bob), RoomEvent::Removed { reason });
    let participant = second.participant;
    assert_eq!(only_event(&outputs, carol), RoomEvent::ParticipantLeft { participant, reason });
    assert_eq!(closes(&outputs), []);
}

#[test]
fn a_revoked_user_loses_seats_that_are_away_as_well() {
    let mut desk = Desk::new();
    let (away, _) = desk.enter("alice");
    let (here, _) = desk.enter("alice");
    let (bob, _) = desk.enter("bob");
    desk.lose(away);
    let outputs = desk.input(Input::Revoke(user("alice").id.0));
    assert_eq!(closes(&outputs), [(here, CloseCode::Refused)]);
    assert_eq!(events(&outputs, bob).len(), 2);
    assert_eq!(desk.hub.participants(), 1);
}

#[test]
fn a_revoked_login_leaves_the_users_other_logins_alone() {
    let mut desk = Desk::new();
    let (ended, _) = desk.enter("alice");
    let (stays, _) = desk.enter("alice");
    let outputs = desk.input(Input::Revoke(login(ended)));
    assert_eq!(closes(&outputs), [(ended, CloseCode::Refused)]);
    assert_eq!(events(&outputs, stays).len(), 1);
    assert_eq!(desk.hub.participants(), 1);
}

#[test]
fn a_draining_hub_tells_everybody_and_seats_nobody() {
    let mut desk = Desk::new();
    let (alice, _) = desk.enter("alice");
    let (bob, _) = desk.open("bob");
    let outputs = desk.input(Input::Drain { retry_after: Duration::from_secs(2) });
    let told = [Notice::Draining { retry_after_ms: 2000 }];
    assert_eq!(notices(&outputs, alice), told);
    assert_eq!(notices(&outputs, bob), told);
    let (refused, _) = desk.join(bob, "bob", KITCHEN);
    assert_eq!(refused.expect_err("it goes away").code, ErrorCode::Draining);
}

#[test]
fn speakers_are_told_to_those_who_listen_and_only_of_those_in_the_room() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    let (bob, _) = desk.enter("bob");
    desk.lose(bob);
    let speakers = vec![joined.participant, ParticipantId(Uuid::nil())];
    let outputs = desk.happens(joined.participant, MediaHappening::Speakers { speakers });
    let told = Notice::Speakers { speakers: vec![joined.participant] };
    assert_eq!(notices(&outputs, alice), [told]);
    assert_eq!(outputs.len(), 1);
}
