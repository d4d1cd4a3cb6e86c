//! Whatever bytes a peer sends, a session answers or closes, and never panics.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use confer_auth::{Grants, Identity};
use confer_protocol::error::ErrorCode;
use confer_protocol::id::UserId;
use confer_protocol::room::UserInfo;
use confer_protocol::server::{Reply, ServerFrame};
use confer_signaling_core::session::{Authenticated, Input, Output};
use confer_signaling_core::{Limits, Session};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use uuid::Uuid;

fn ready(now: Instant) -> Session {
    let mut session = Session::new(Arc::new(Limits::default()), "test".into(), now);
    session.handle_input(Input::Token("token".to_owned()), now);
    let identity = Identity {
        user: UserInfo { id: UserId(Uuid::nil()), name: "alice".to_owned(), guest: false },
        grants: Grants::account(),
        expires_at: time::OffsetDateTime::UNIX_EPOCH.into(),
        family: Uuid::nil(),
    };
    let valid_for = Duration::from_secs(3600);
    session.handle_input(Input::Authenticated(Ok(Authenticated { identity, valid_for })), now);
    while session.poll_output().is_some() {}
    session
}

fn runner(cases: u32) -> TestRunner {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new_with_rng(config, rng)
}

/// Every request of the protocol, as its golden file writes it.
fn golden_requests() -> Vec<String> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/protocol/tests/golden/client");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the golden files are there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).expect("readable")).collect()
}

#[test]
fn every_golden_request_is_taken() {
    let now = Instant::now();
    for text in golden_requests() {
        let mut session = ready(now);
        session.handle_input(Input::Text(text.clone()), now);
        match session.poll_output() {
            Some(Output::Ask { .. } | Output::Authenticate { .. }) => {}
            Some(Output::Send(ServerFrame::Result { result: Reply::Ping, .. })) => {}
            other => panic!("{text} led to {other:?}"),
        }
    }
}

#[test]
fn damaged_requests_are_answered_or_end_the_socket() {
    let golden = golden_requests();
    let damage = vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..6);
    let frames = vec((0..golden.len(), damage), 1..20);
    runner(2000)
        .run(&frames, |frames| {
            let now = Instant::now();
            let mut session = ready(now);
            for (which, damage) in frames {
                let mut bytes = golden[which].clone().into_bytes();
                for (at, byte, how) in damage {
                    let at = at.index(bytes.len());
                    match how {
                        0 => bytes[at] = byte,
                        1 => bytes.truncate(at.max(1)),
                        _ => bytes.insert(at, byte),
                    }
                }
                let text = String::from_utf8_lossy(&bytes).into_owned();
                if session.wants_input() {
                    session.handle_input(Input::Text(text), now);
                    let outputs: Vec<_> = std::iter::from_fn(|| session.poll_output()).collect();
                    prop_assert!(!outputs.is_empty(), "every frame has a consequence");
                }
            }
            Ok(())
        })
        .expect("no frame does harm");
}

#[test]
fn text_that_is_no_request_is_malformed() {
    runner(2000)
        .run(&".{0,200}", |text| {
            let now = Instant::now();
            let mut session = ready(now);
            session.handle_input(Input::Text(text), now);
            let Some(Output::Send(ServerFrame::Error { error, .. })) = session.poll_output() else {
                return Err(TestCaseError::fail("no error"));
            };
            prop_assert_eq!(error.code, ErrorCode::Malformed);
            Ok(())
        })
        .expect("random text is never a request");
}

#[test]
fn deep_nesting_is_refused_without_following_it() {
    let now = Instant::now();
    let mut session = ready(now);
    let deep = "[".repeat(100_000);
    session.handle_input(Input::Text(format!(r#"{{"id":1,"op":"ping","x":{deep}"#)), now);
    let output = session.poll_output();
    assert!(matches!(output, Some(Output::Send(ServerFrame::Error { .. }))), "{output:?}");
}
