use std::time::Duration;

use confer_protocol::client::{PublishIntent, SubscriptionWish};
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::{ParticipantId, TrackId};
use confer_protocol::media::{MediaAction, MediaAnswer, MediaHappening, PublishTrack};
use confer_protocol::room::{SlotDemand, SlotMap, TrackSource};
use confer_protocol::server::{Answer, Reply, RoomEvent};
use confer_signaling_core::hub::Output;
use confer_signaling_core::{Limits, RoomAsk};
use uuid::Uuid;

use crate::desk::{Desk, events, only_event, take_answer};

fn offer(offer_id: u32, publish: &[(&str, TrackSource)]) -> RoomAsk {
    let publish = publish
        .iter()
        .map(|(mid, source)| PublishIntent { mid: (*mid).into(), source: *source, muted: false })
        .collect();
    RoomAsk::Offer { offer_id, sdp: format!("offer {offer_id}"), publish }
}

/// The tracks of the one offer that media has been handed.
fn handed_over(desk: &Desk) -> Vec<PublishTrack> {
    match desk.media.take_actions().as_slice() {
        [MediaAction::Offer { publish, .. }] => publish.clone(),
        other => panic!("expected one offer, got {other:?}"),
    }
}

fn answer(
    desk: &mut Desk,
    participant: ParticipantId,
    offer_id: u32,
    published: Vec<PublishTrack>,
) -> Vec<Output> {
    let sdp = format!("answer {offer_id}");
    let outcome = Ok(MediaAnswer { sdp, published, slots: SlotMap::default() });
    desk.happens(participant, MediaHappening::Answered { offer_id, outcome })
}

fn accepted(outputs: &mut Vec<Output>, request: u32) -> Answer {
    match take_answer(outputs, request) {
        Some(Ok(Reply::Offer(answer))) => answer,
        other => panic!("expected an answer, got {other:?}"),
    }
}

fn refused(outputs: &mut Vec<Output>, request: u32) -> ErrorCode {
    match take_answer(outputs, request) {
        Some(Err(error)) => error.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn a_track_is_announced_when_media_has_answered_and_not_before() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    let (bob, _) = desk.enter("bob");
    desk.media.take();

    let (request, outputs) = desk.post(alice, offer(1, &[("0", TrackSource::Camera)]));
    assert_eq!(outputs, []);
    let tracks = handed_over(&desk);
    let mut outputs = answer(&mut desk, joined.participant, 1, tracks.clone());
    let track = tracks.first().expect("one").track;
    let event = only_event(&outputs, bob);
    let RoomEvent::TrackPublished { track: info } = event else { panic!("{event:?}") };
    assert_eq!((info.id, info.participant), (track, joined.participant));
    assert_eq!(events(&outputs, alice), []);
    let answer = accepted(&mut outputs, request);
    assert_eq!((answer.offer_id, answer.sdp.as_str()), (1, "answer 1"));
    assert_eq!(answer.published.first().map(|it| it.track), Some(track));

    let (_, carol) = desk.enter("carol");
    let seen = carol.snapshot.participants.first().expect("alice");
    assert_eq!(seen.tracks.first().map(|it| it.id), Some(track));
}

#[test]
fn a_later_offer_keeps_tracks_by_m_line_and_drops_those_it_does_not_name() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    let (bob, _) = desk.enter("bob");
    let me = joined.participant;
    desk.media.take();
    let both = [("0", TrackSource::Microphone), ("1", TrackSource::Camera)];
    desk.post(alice, offer(1, &both));
    let first = handed_over(&desk);
    answer(&mut desk, me, 1, first.clone());

    desk.post(alice, offer(2, &[("0", TrackSource::Microphone)]));
    let second = handed_over(&desk);
    assert_eq!(second.as_slice(), &first[..1]);
    let outputs = answer(&mut desk, me, 2, second);
    let track = first.last().expect("two").track;
    assert_eq!(only_event(&outputs, bob), RoomEvent::TrackUnpublished { participant: me, track });
}

#[test]
fn an_offer_behind_another_waits_and_a_third_overtakes_it() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    desk.media.take();
    let (first, _) = desk.post(alice, offer(1, &[]));
    let (second, outputs) = desk.post(alice, offer(2, &[]));
    assert_eq!(outputs, []);
    let (third, mut outputs) = desk.post(alice, offer(3, &[]));
    assert_eq!(refused(&mut outputs, second), ErrorCode::StaleOffer);
    assert_eq!(desk.media.take_actions().len(), 1);

    let mut outputs = answer(&mut desk, joined.participant, 1, Vec::new());
    accepted(&mut outputs, first);
    let handed = desk.media.take_actions();
    assert!(matches!(handed.as_slice(), [MediaAction::Offer { offer_id: 3, .. }]), "{handed:?}");
    let mut outputs = answer(&mut desk, joined.participant, 3, Vec::new());
    assert_eq!(accepted(&mut outputs, third).sdp, "answer 3");
}

#[test]
fn offers_that_may_not_be_are_refused_before_media_hears_of_them() {
    let limits = Limits { tracks_per_room: 2, ..Limits::default() };
    let mut desk = Desk::with(limits);
    let (viewer, _) = desk.enter("viewer");
    let (alice, _) = desk.enter("alice");
    desk.media.take();
    let camera = ("0", TrackSource::Camera);
    let refusals = [
        (viewer, offer(1, &[camera]), ErrorCode::PublishNotGranted),
        (alice, offer(1, &[camera, camera]), ErrorCode::Invalid),
        (
            alice,
            offer(1, &[camera, ("1", TrackSource::Camera), ("2", TrackSource::Camera)]),
            ErrorCode::TooManyTracks,
        ),
        (alice, offer(0, &[]), ErrorCode::StaleOffer),
    ];
    for (socket, ask, code) in refusals {
        let (refused, _) = desk.ask(socket, ask);
        assert_eq!(refused.expect_err("it may not be").code, code);
    }
    assert_eq!(desk.media.take_actions(), []);
    // A refused offer uses up no id.
    desk.post(alice, offer(1, &[camera]));
    assert_eq!(desk.media.take_actions().len(), 1);
}

#[test]
fn an_m_line_does_not_change_its_source() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    desk.media.take();
    desk.post(alice, offer(1, &[("0", TrackSource::Camera)]));
    let tracks = handed_over(&desk);
    answer(&mut desk, joined.participant, 1, tracks);
    let (refused, _) = desk.ask(alice, offer(2, &[("0", TrackSource::Screen)]));
    assert_eq!(refused.expect_err("it is a camera").code, ErrorCode::Invalid);
}

#[test]
fn medias_refusal_reaches_the_client_in_its_words_and_changes_nothing() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    let (bob, _) = desk.enter("bob");
    let (request, _) = desk.post(alice, offer(1, &[("0", TrackSource::Camera)]));
    let outcome = Err(ErrorBody::new(ErrorCode::NoCommonCodec, "Offer VP8."));
    let answered = MediaHappening::Answered { offer_id: 1, outcome };
    let mut outputs = desk.happens(joined.participant, answered);
    assert_eq!(refused(&mut outputs, request), ErrorCode::NoCommonCodec);
    assert_eq!(events(&outputs, bob), []);
}

#[test]
fn media_that_does_not_answer_is_given_up_and_its_late_answer_still_counts() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    let (bob, _) = desk.enter("bob");
    desk.media.take();
    let camera = [("0", TrackSource::Camera)];
    let (request, _) = desk.post(alice, offer(1, &camera));
    let first = handed_over(&desk);
    let mut outputs = desk.advance(Duration::from_secs(5));
    assert_eq!(refused(&mut outputs, request), ErrorCode::Unavailable);

    // The client offers the same again; the track keeps its name.
    let (request, _) = desk.post(alice, offer(2, &camera));
    assert_eq!(handed_over(&desk), first);
    let outputs = answer(&mut desk, joined.participant, 1, first.clone());
    assert!(matches!(only_event(&outputs, bob), RoomEvent::TrackPublished { .. }));
    let mut outputs = answer(&mut desk, joined.participant, 2, first);
    accepted(&mut outputs, request);
    assert_eq!(events(&outputs, bob), []);
    assert_eq!(desk.advance(Duration::from_secs(60)), []);
}

#[test]
fn a_track_unpublished_behind_an_offer_does_not_come_back_with_its_answer() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    let (bob, _) = desk.enter("bob");
    desk.media.take();
    desk.post(alice, offer(1, &[("0", TrackSource::Camera)]));
    let tracks = handed_over(&desk);
    answer(&mut desk, joined.participant, 1, tracks.clone());
    let track = tracks.first().expect("one").track;

    desk.post(alice, offer(2, &[("0", TrackSource::Camera)]));
    let (unpublished, _) = desk.ask(alice, RoomAsk::Unpublish { track });
    assert_eq!(unpublished, Ok(Reply::Unpublish));
    let outputs = answer(&mut desk, joined.participant, 2, tracks);
    assert_eq!(events(&outputs, bob), []);
}

#[test]
fn muting_is_told_to_others_once_and_survives_an_offer() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    let (bob, _) = desk.enter("bob");
    let me = joined.participant;
    desk.media.take();
    let camera = [("0", TrackSource::Camera)];
    desk.post(alice, offer(1, &camera));
    let tracks = handed_over(&desk);
    let track = tracks.first().expect("one").track;
    answer(&mut desk, me, 1, tracks);

    let mute = RoomAsk::Mute { track, muted: true };
    let (_, outputs) = desk.ask(alice, mute.clone());
    let told = RoomEvent::TrackMuted { participant: me, track, muted: true };
    assert_eq!(only_event(&outputs, bob), told);
    let (again, outputs) = desk.ask(alice, mute.clone());
    assert_eq!((again, events(&outputs, bob)), (Ok(Reply::Mute), Vec::new()));
    let (foreign, _) = desk.ask(bob, mute);
    assert_eq!(foreign.expect_err("it is alice's").code, ErrorCode::NotFound);

    desk.media.take();
    desk.post(alice, offer(2, &camera));
    assert!(handed_over(&desk).iter().all(|it| it.muted));
}

#[test]
fn an_offer_waiting_for_a_lost_socket_is_forgotten() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    desk.media.take();
    desk.post(alice, offer(1, &[]));
    desk.post(alice, offer(2, &[]));
    desk.media.take();
    desk.lose(alice);
    answer(&mut desk, joined.participant, 1, Vec::new());
    assert_eq!(desk.media.take_actions(), []);

    let (alice, _) = desk.open("alice");
    let (resumed, _) = desk.resume(alice, &joined.resume_ticket, joined.epoch, 0);
    assert!(resumed.is_ok());
    let (request, _) = desk.post(alice, offer(3, &[]));
    let mut outputs = answer(&mut desk, joined.participant, 3, Vec::new());
    accepted(&mut outputs, request);
}

#[test]
fn wishes_for_tracks_that_are_not_there_are_passed_over() {
    let mut desk = Desk::new();
    let (alice, _) = desk.enter("alice");
    let (deaf, _) = desk.enter("deaf");
    desk.media.take();
    let wish = SubscriptionWish { track: TrackId(Uuid::nil()), wanted: true, pinned: false };
    let layout = SlotDemand { audio: 1, video: 2 };
    let subscribe = RoomAsk::Subscribe { wishes: vec![wish], layout };
    let (done, _) = desk.ask(alice, subscribe.clone());
    assert_eq!(done, Ok(Reply::Subscribe));
    let told = [MediaAction::Subscribe { wishes: Vec::new(), layout }];
    assert_eq!(desk.media.take_actions(), told);
    let (refused, _) = desk.ask(deaf, subscribe);
    assert_eq!(refused.expect_err("no grant").code, ErrorCode::Forbidden);
}

#[test]
fn slots_are_told_in_the_order_of_their_versions() {
    let mut desk = Desk::new();
    let (alice, joined) = desk.enter("alice");
    let map = |version| SlotMap { version, ..SlotMap::default() };
    let changed = |version| MediaHappening::SlotsChanged { slots: map(version) };
    let outputs = desk.happens(joined.participant, changed(2));
    assert_eq!(only_event(&outputs, alice), RoomEvent::SlotsChanged { slots: map(2) });
    assert_eq!(desk.happens(joined.participant, changed(1)), []);
}
