use std::time::{Duration, Instant};

use confer_auth::Grants;
use confer_protocol::Timestamp;
use confer_protocol::client::{ClientFrame, Request};
use confer_protocol::id::{RoomId, UserId};
use confer_protocol::room::UserInfo;
use uuid::Uuid;

use super::*;

const ROOM: RoomId = RoomId(Uuid::from_u128(1));
const NANO: Duration = Duration::from_nanos(1);
const HOUR: Duration = Duration::from_secs(3600);

struct Rig {
    session: Session,
    now: Instant,
}

impl Rig {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let now = Instant::now();
        Self { session: Session::new(Arc::new(limits), "confer test".into(), now), now }
    }

    /// A session whose token is good for this long.
    fn ready(valid_for: Duration) -> Self {
        Self::ready_with(Limits::default(), valid_for)
    }

    fn ready_with(limits: Limits, valid_for: Duration) -> Self {
        let mut rig = Self::with(limits);
        rig.input(Input::Token("token".to_owned()));
        rig.input(Input::Authenticated(Ok(granted("alice", valid_for))));
        rig.drain();
        rig
    }

    fn input(&mut self, input: Input) {
        self.session.handle_input(input, self.now);
    }

    fn request(&mut self, id: u32, request: Request) {
        let frame = ClientFrame { id, request };
        self.input(Input::Text(serde_json::to_string(&frame).expect("the wire is JSON")));
    }

    fn drain(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.session.poll_output()).collect()
    }

    /// Moves time to just before the deadline, where nothing may happen, and then to it.
    fn pass_deadline(&mut self) {
        let deadline = self.session.poll_timeout().expect("the session waits for something");
        self.now = deadline - NANO;
        self.input(Input::Timeout);
        assert_eq!(self.drain(), [], "nothing happens before the deadline");
        self.now = deadline;
        self.input(Input::Timeout);
    }
}

fn granted(name: &str, valid_for: Duration) -> Authenticated {
    let id = UserId(Uuid::from_u128(name.len() as u128));
    let identity = Identity {
        user: UserInfo { id, name: name.to_owned(), guest: false },
        grants: Grants::account(),
        expires_at: Timestamp(time::OffsetDateTime::UNIX_EPOCH),
        family: Uuid::nil(),
    };
    Authenticated { identity, valid_for }
}

fn error_of(output: &Output) -> (Option<u32>, ErrorCode) {
    match output {
        Output::Send(ServerFrame::Error { re, error }) => (*re, error.code),
        other => panic!("expected an error, got {other:?}"),
    }
}

#[test]
fn without_a_token_a_session_ends_at_the_deadline_and_not_before() {
    let mut rig = Rig::new();
    rig.pass_deadline();
    assert_eq!(rig.drain(), [Output::Close(CloseCode::AuthTimeout)]);
    assert_eq!(rig.session.poll_timeout(), None);
}

#[test]
fn a_directory_that_does_not_answer_does_not_move_the_deadline() {
    let mut rig = Rig::new();
    let deadline = rig.session.poll_timeout();
    rig.request(1, Request::Auth { token: "token".to_owned() });
    assert_eq!(rig.session.poll_timeout(), deadline);
    assert!(!rig.session.wants_input());
    rig.drain();
    rig.pass_deadline();
    assert_eq!(rig.drain(), [Output::Close(CloseCode::AuthTimeout)]);
}

#[test]
fn silence_ends_a_session_after_two_and_a_half_heartbeats() {
    let mut rig = Rig::ready(HOUR);
    let opened = rig.now;
    rig.pass_deadline();
    assert_eq!(rig.now - opened, Duration::from_millis(62_500));
    assert_eq!(rig.drain(), [Output::Close(CloseCode::HeartbeatMissed)]);
}

#[test]
fn every_frame_is_a_heartbeat() {
    let mut rig = Rig::ready(HOUR);
    rig.now += Duration::from_secs(60);
    rig.request(1, Request::Ping);
    assert_eq!(rig.drain(), [Output::Send(ServerFrame::Result { re: 1, result: Reply::Ping })]);
    assert_eq!(rig.session.poll_timeout(), Some(rig.now + Duration::from_millis(62_500)));
}

#[test]
fn a_frame_after_the_deadline_does_not_save_the_session() {
    let mut rig = Rig::ready(HOUR);
    rig.now = rig.session.poll_timeout().expect("a deadline");
    rig.request(1, Request::Ping);
    assert_eq!(rig.drain(), [Output::Close(CloseCode::HeartbeatMissed)]);
}

#[test]
fn expiry_is_announced_once_and_then_kept() {
    let mut rig = Rig::ready(Duration::from_secs(100));
    rig.pass_deadline();
    let notice = Notice::TokenExpiring { in_ms: 60_000 };
    assert_eq!(rig.drain(), [Output::Send(ServerFrame::Notice { notice })]);
    rig.now += Duration::from_secs(10);
    rig.request(1, Request::Ping);
    rig.drain();
    rig.pass_deadline();
    assert_eq!(rig.drain(), [Output::Close(CloseCode::TokenExpired)]);
}

#[test]
fn a_token_good_for_ever_never_expires() {
    let rig = Rig::ready(Duration::MAX);
    let silence = rig.now + Duration::from_millis(62_500);
    assert_eq!(rig.session.poll_timeout(), Some(silence));
}

#[test]
fn a_join_holds_back_the_frames_behind_it_until_it_is_answered() {
    let mut rig = Rig::ready(HOUR);
    rig.request(1, Request::Join { room: ROOM });
    assert_eq!(rig.drain(), [Output::Ask { request: 1, ask: Ask::Join { room: ROOM } }]);
    assert!(!rig.session.wants_input());
    let refusal = ErrorBody::new(ErrorCode::Forbidden, "no");
    rig.input(Input::Answer { request: 1, outcome: Err(refusal) });
    assert!(rig.session.wants_input());
    let outputs = rig.drain();
    assert_eq!(outputs.first().map(error_of), Some((Some(1), ErrorCode::Forbidden)));
}

#[test]
fn a_request_is_answered_once_whatever_comes() {
    let mut rig = Rig::ready(HOUR);
    rig.request(1, Request::IceServers);
    rig.drain();
    for _ in 0..2 {
        rig.input(Input::Answer { request: 1, outcome: Ok(Reply::Leave) });
    }
    rig.input(Input::Answer { request: 9, outcome: Ok(Reply::Leave) });
    assert_eq!(rig.drain().len(), 1);
}

#[test]
fn more_unanswered_requests_than_allowed_are_refused_not_queued() {
    let mut rig = Rig::ready(HOUR);
    let limit = u32::try_from(Limits::default().requests_in_flight).expect("small");
    for id in 0..limit {
        rig.request(id, Request::IceServers);
    }
    assert_eq!(rig.drain().len(), usize::try_from(limit).expect("small"));
    rig.request(limit, Request::IceServers);
    let outputs = rig.drain();
    assert_eq!(outputs.first().map(error_of), Some((Some(limit), ErrorCode::RateLimited)));
    rig.input(Input::Answer { request: 0, outcome: Ok(Reply::Leave) });
    rig.drain();
    rig.request(limit, Request::IceServers);
    assert!(matches!(rig.drain().as_slice(), [Output::Ask { .. }]));
}

#[test]
fn bytes_are_limited_as_frames_are() {
    let limits = Limits { byte_burst: 1000, bytes_per_second: 10, ..Limits::default() };
    let mut rig = Rig::ready_with(limits, HOUR);
    let padded = format!(r#"{{"id":1,"op":"ping"{}}}"#, " ".repeat(900));
    rig.input(Input::Text(padded.clone()));
    assert!(matches!(rig.drain().as_slice(), [Output::Send(ServerFrame::Result { .. })]));
    rig.input(Input::Text(padded.clone()));
    let outputs = rig.drain();
    assert_eq!(outputs.first().map(error_of), Some((Some(1), ErrorCode::RateLimited)));
    rig.input(Input::Text(padded.clone()));
    rig.input(Input::Text(padded));
    assert_eq!(rig.drain().last(), Some(&Output::Close(CloseCode::RateLimited)));
}

#[test]
fn nothing_follows_a_close() {
    let mut rig = Rig::ready(HOUR);
    rig.request(1, Request::IceServers);
    rig.drain();
    rig.input(Input::Close(CloseCode::Replaced));
    rig.input(Input::Answer { request: 1, outcome: Ok(Reply::Leave) });
    rig.request(2, Request::Ping);
    rig.input(Input::Close(CloseCode::Drained));
    assert_eq!(rig.drain(), [Output::Close(CloseCode::Replaced)]);
    assert!(!rig.session.wants_input());
}

#[test]
fn an_unreachable_directory_is_no_verdict_on_the_token() {
    let mut rig = Rig::new();
    rig.request(1, Request::Auth { token: "token".to_owned() });
    rig.drain();
    let error = ErrorBody::new(ErrorCode::Unavailable, "the database is away");
    rig.input(Input::Authenticated(Err(error)));
    let outputs = rig.drain();
    assert_eq!(outputs.first().map(error_of), Some((Some(1), ErrorCode::Unavailable)));
    assert_eq!(outputs.last(), Some(&Output::Close(CloseCode::TryAgainLater)));
}
