//! What a WebSocket client may send, before and after its token was taken.
//!
//! The first byte says whether the token was; the rest are frames, each ended by 0xFF, which is in
//! no text.
#![no_main]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use confer_auth::{Grants, Identity};
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::UserId;
use confer_protocol::room::UserInfo;
use confer_protocol::server::ServerFrame;
use confer_signaling_core::session::{Authenticated, Input, Output};
use confer_signaling_core::{Limits, Session};
use libfuzzer_sys::fuzz_target;
use uuid::Uuid;

fn authenticated() -> Authenticated {
    let identity = Identity {
        user: UserInfo { id: UserId(Uuid::nil()), name: "alice".to_owned(), guest: false },
        grants: Grants::account(),
        expires_at: time::OffsetDateTime::UNIX_EPOCH.into(),
        family: Uuid::nil(),
    };
    Authenticated { identity, valid_for: Duration::from_secs(3600) }
}

/// What came of the session so far.
#[derive(Default)]
struct Heard {
    /// Requests whose answers are owed.
    asked: BTreeSet<u32>,
    closed: bool,
}

/// Does what the session asks for. Of what goes to others, every second request is answered.
fn serve(session: &mut Session, heard: &mut Heard, now: Instant) {
    while let Some(output) = session.poll_output() {
        assert!(!heard.closed, "the close is the last output");
        match output {
            Output::Send(frame) => {
                serde_json::to_string(&frame).expect("whatever is sent is JSON");
                if let ServerFrame::Result { re, .. } | ServerFrame::Error { re: Some(re), .. } =
                    frame
                {
                    heard.asked.remove(&re);
                }
            }
            Output::Authenticate { token } => {
                let refused = ErrorBody::new(ErrorCode::Unauthenticated, "no such token");
                let outcome = if token.len() % 2 == 0 { Ok(authenticated()) } else { Err(refused) };
                session.handle_input(Input::Authenticated(outcome), now);
            }
            Output::Ask { request, .. } => {
                assert!(session.identity().is_some(), "strangers ask nothing of others");
                assert!(heard.asked.insert(request), "one request of an id at a time");
                if request % 2 == 0 {
                    let outcome = Err(ErrorBody::new(ErrorCode::NotFound, "no such room"));
                    session.handle_input(Input::Answer { request, outcome }, now);
                }
            }
            Output::Close(_) => heard.closed = true,
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&how, input)) = input.split_first() else { return };
    let limits = Arc::new(Limits::default());
    let mut now = Instant::now();
    let mut session = Session::new(Arc::clone(&limits), "fuzz".into(), now);
    let mut heard = Heard::default();
    if how % 2 == 0 {
        session.handle_input(Input::Token("even".to_owned()), now);
    }
    serve(&mut session, &mut heard, now);
    for frame in input.split(|byte| *byte == 0xFF) {
        if !session.wants_input() {
            break;
        }
        let input = match std::str::from_utf8(frame) {
            _ if frame.len() > limits.frame_bytes => Input::TooLarge,
            Ok(text) => Input::Text(text.to_owned()),
            Err(_) => Input::Binary,
        };
        session.handle_input(input, now);
        serve(&mut session, &mut heard, now);
        now += Duration::from_millis(u64::from(how));
    }
    assert!(heard.asked.len() <= limits.requests_in_flight, "what waits is bounded");
    while let Some(at) = session.poll_timeout() {
        session.handle_input(Input::Timeout, at);
        serve(&mut session, &mut heard, at);
    }
    assert!(heard.closed, "silence ends every session");
});
