use confer_protocol::client::{Request, SubscriptionWish};
use confer_protocol::error::ErrorCode;
use confer_protocol::id::TrackId;
use confer_protocol::media::{MediaEvent, MediaHappening};
use confer_protocol::room::{SlotAssignment, SlotDemand, SlotMap};
use confer_protocol::server::Reply;
use confer_signaling_core::Limits;
use confer_signaling_net::Config;
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::client::Client;
use crate::fakes::{ROOM, serve};

#[tokio::test]
async fn malformed_frames_are_answered_and_end_the_socket_when_they_go_on() {
    let service = serve(Config::default()).await;
    let mut alice = Client::connect(service.address, "alice").await;
    for text in ["{", "[]", r#"{"op":"ping"}"#] {
        alice.send(text).await;
    }
    for _ in 0..3 {
        assert_eq!(alice.stray_error().await.code, ErrorCode::Malformed);
    }
    assert_eq!(alice.closed().await, 4400);
}

#[tokio::test]
async fn a_request_this_server_does_not_know_is_refused_under_its_id() {
    let service = serve(Config::default()).await;
    let mut alice = Client::connect(service.address, "alice").await;
    for _ in 0..10 {
        alice.send(r#"{"id":4000,"op":"dance"}"#).await;
        let error = alice.answer(4000).await.expect_err("nobody dances");
        assert_eq!(error.code, ErrorCode::Malformed);
    }
    assert_eq!(alice.ask(Request::Ping).await, Ok(Reply::Ping));
}

#[tokio::test]
async fn a_binary_frame_ends_the_socket() {
    let service = serve(Config::default()).await;
    let mut alice = Client::connect(service.address, "alice").await;
    alice.send_message(Message::binary(vec![0; 8])).await;
    assert_eq!(alice.stray_error().await.code, ErrorCode::Malformed);
    assert_eq!(alice.closed().await, 4400);
}

#[tokio::test]
async fn a_frame_over_the_limit_is_not_read_and_ends_the_socket() {
    let limits = Limits { frame_bytes: 1024, ..Limits::default() };
    let service = serve(Config { limits, ..Config::default() }).await;
    let mut alice = Client::connect(service.address, "alice").await;
    alice.send(&" ".repeat(1025)).await;
    assert_eq!(alice.stray_error().await.code, ErrorCode::TooLarge);
    assert_eq!(alice.closed().await, 1009);
}

#[tokio::test]
async fn fields_over_their_limits_are_named() {
    let service = serve(Config::default()).await;
    let mut alice = Client::connect(service.address, "alice").await;
    let wish = SubscriptionWish { track: TrackId(Uuid::nil()), wanted: true, pinned: false };
    let wishes = vec![wish; 513];
    let layout = SlotDemand { audio: 1, video: 1 };
    let error = alice.ask(Request::Subscribe { wishes, layout }).await.expect_err("too many");
    assert_eq!(error.code, ErrorCode::Invalid);
    assert!(error.fields.contains_key("wishes"), "{error:?}");
}

#[tokio::test]
async fn a_reused_id_does_not_answer_the_first_request() {
    let service = serve(Config::default()).await;
    let mut alice = Client::connect(service.address, "alice").await;
    let slow = r#"{"id":7,"op":"chat_send","conversation":"00000000-0000-0000-0000-000000000001",
        "message":{"client_id":"00000000-0000-0000-0000-000000000001","body":"slow"}}"#;
    alice.send(slow).await;
    alice.send(r#"{"id":7,"op":"ping"}"#).await;
    let error = alice.stray_error().await;
    assert_eq!(error.code, ErrorCode::Invalid);
    assert!(error.fields.contains_key("id"));
    service.chat.go_on();
    assert!(matches!(alice.answer(7).await, Ok(Reply::ChatSend(_))));
}

#[tokio::test]
async fn a_flood_is_slowed_down_and_then_cut_off() {
    let limits = Limits { frames_per_second: 1, frame_burst: 5, ..Limits::default() };
    let service = serve(Config { limits, ..Config::default() }).await;
    let mut alice = Client::connect(service.address, "alice").await;
    for _ in 0..5 {
        assert_eq!(alice.ask(Request::Ping).await, Ok(Reply::Ping));
    }
    let error = alice.ask(Request::Ping).await.expect_err("too fast");
    assert_eq!(error.code, ErrorCode::RateLimited);
    assert!(error.retry_after_ms.is_some());
    for _ in 0..20 {
        alice.post(Request::Ping).await;
    }
    assert_eq!(alice.closed().await, 4029);
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_cut_off_and_others_notice_nothing() {
    let config = Config { outgoing_frames: 64, ..Config::default() };
    let service = serve(config).await;
    let (mut bob, _) = Client::join(service.address, "bob").await;
    // Alice joins and reads no more. Her kernel buffers fill, then her outbox.
    let (mut alice, joined) = Client::join(service.address, "alice").await;
    let slots: Vec<_> = (0..2000)
        .map(|number| SlotAssignment { mid: number.to_string().as_str().into(), track: None })
        .collect();
    let mut version = 0;
    while service.signaling.metrics().closes.is_empty() {
        version += 1;
        let slots = SlotMap { version, slots: slots.clone(), wanted: SlotDemand::default() };
        let participant = joined.participant;
        let happening = MediaHappening::SlotsChanged { slots };
        service.media.emit(MediaEvent { room: ROOM, participant, happening }).await;
        assert_eq!(bob.ask(Request::Ping).await, Ok(Reply::Ping));
        assert!(version < 10_000, "nothing cut alice off");
    }
    // She finds out when she reads again, or finds her socket gone.
    assert!([4001, 1006].contains(&alice.closed().await));
}
