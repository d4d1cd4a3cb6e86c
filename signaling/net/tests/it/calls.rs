use confer_protocol::client::{PublishIntent, Request};
use confer_protocol::error::ErrorCode;
use confer_protocol::media::{MediaEvent, MediaHappening, TransportSecurity};
use confer_protocol::room::TrackSource;
use confer_protocol::server::{Notice, Reply, RoomEvent, TransportState};
use confer_signaling_net::Config;

use crate::client::Client;
use crate::fakes::{ROOM, serve};

fn offer(offer_id: u32, publish: &[(&str, TrackSource)]) -> Request {
    let publish = publish
        .iter()
        .map(|(mid, source)| PublishIntent { mid: (*mid).into(), source: *source, muted: false })
        .collect();
    Request::Offer { offer_id, sdp: "offer".to_owned(), publish }
}

#[tokio::test]
async fn a_join_and_an_offer_may_be_sent_in_one_breath() {
    let service = serve(Config::default()).await;
    let mut alice = Client::connect(service.address, "alice").await;
    let join = alice.post(Request::Join { room: ROOM }).await;
    let offer = alice.post(offer(1, &[("0", TrackSource::Camera)])).await;
    assert!(matches!(alice.answer(join).await, Ok(Reply::Join(_))));
    let Ok(Reply::Offer(answer)) = alice.answer(offer).await else { panic!("no answer") };
    assert_eq!(answer.sdp, "answer to offer");
    assert_eq!(answer.published.len(), 1);
}

#[tokio::test]
async fn published_tracks_are_announced_muted_and_withdrawn() {
    let service = serve(Config::default()).await;
    let (mut alice, joined) = Client::join(service.address, "alice").await;
    let (mut bob, _) = Client::join(service.address, "bob").await;
    let reply = alice.ask(offer(1, &[("0", TrackSource::Camera)])).await;
    let Ok(Reply::Offer(answer)) = reply else { panic!("{reply:?}") };
    let track = answer.published.first().expect("one was published").track;
    let participant = joined.participant;

    let (_, event) = bob.event().await;
    let RoomEvent::TrackPublished { track: info } = event else { panic!("{event:?}") };
    assert_eq!((info.id, info.source, info.muted), (track, TrackSource::Camera, false));

    assert_eq!(alice.ask(Request::Mute { track, muted: true }).await, Ok(Reply::Mute));
    let muted = RoomEvent::TrackMuted { participant, track, muted: true };
    assert_eq!(bob.event().await.1, muted);

    let foreign = bob.ask(Request::Unpublish { track }).await.expect_err("it is alice's");
    assert_eq!(foreign.code, ErrorCode::NotFound);

    assert_eq!(alice.ask(Request::Unpublish { track }).await, Ok(Reply::Unpublish));
    assert_eq!(bob.event().await.1, RoomEvent::TrackUnpublished { participant, track });
}

#[tokio::test]
async fn media_events_reach_those_they_concern() {
    let service = serve(Config::default()).await;
    let (mut alice, joined) = Client::join(service.address, "alice").await;
    let participant = joined.participant;
    let security =
        Some(TransportSecurity { dtls_version: "DTLS 1.2", srtp_profile: "AEAD_AES_128_GCM" });
    let state = TransportState::Connected;
    let happening = MediaHappening::TransportChanged { state, security };
    service.media.emit(MediaEvent { room: ROOM, participant, happening }).await;
    assert_eq!(alice.event().await.1, RoomEvent::TransportChanged { state });

    let happening = MediaHappening::Speakers { speakers: vec![participant] };
    service.media.emit(MediaEvent { room: ROOM, participant, happening }).await;
    assert_eq!(alice.notice().await, Notice::Speakers { speakers: vec![participant] });
}

#[tokio::test]
async fn an_offer_that_is_out_of_date_is_stale() {
    let service = serve(Config::default()).await;
    let (mut alice, _) = Client::join(service.address, "alice").await;
    alice.ask(offer(2, &[])).await.expect("the first");
    for id in [1, 2] {
        let error = alice.ask(offer(id, &[])).await.expect_err("out of date");
        assert_eq!(error.code, ErrorCode::StaleOffer);
    }
}
