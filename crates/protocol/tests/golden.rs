//! Every message of the wire has a golden file, and the types read and write exactly that.
//!
//! `tests/golden/client` holds a frame per request, `tests/golden/server` one per reply, event,
//! notice and error code; `sdk/js` reads the same files, and `docs/protocol.md` quotes them.
//! `UPDATE_GENERATED=1 cargo test -p confer-protocol --test golden` writes them; a change there
//! is a change of the protocol.

mod samples;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use confer_protocol::client::{ClientFrame, Request};
use confer_protocol::error::{CloseCode, ErrorCode};
use confer_protocol::server::{Notice, Reply, RoomEvent, ServerFrame};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Names the variants of an enum: the match stops the build when one is added, and the list is
/// what must have samples.
macro_rules! variants {
    ($all:ident, $name:ident: $of:ident { $($variant:ident => $text:literal,)* }) => {
        const $all: &[&str] = &[$($text,)*];

        fn $name(value: &$of) -> &'static str {
            match value {
                $($of::$variant { .. } => $text,)*
            }
        }
    };
}

variants!(REQUESTS, request_name: Request {
    Auth => "auth",
    Ping => "ping",
    Join => "join",
    Resume => "resume",
    Leave => "leave",
    Offer => "offer",
    Candidate => "candidate",
    Mute => "mute",
    Unpublish => "unpublish",
    Subscribe => "subscribe",
    IceServers => "ice_servers",
    Remove => "remove",
    ChatSend => "chat_send",
    ChatHistory => "chat_history",
    ChatMark => "chat_mark",
    ChatSync => "chat_sync",
    ChatTyping => "chat_typing",
});

variants!(REPLIES, reply_name: Reply {
    Auth => "auth",
    Ping => "ping",
    Join => "join",
    Resume => "resume",
    Leave => "leave",
    Offer => "offer",
    Candidate => "candidate",
    Mute => "mute",
    Unpublish => "unpublish",
    Subscribe => "subscribe",
    IceServers => "ice_servers",
    Remove => "remove",
    ChatSend => "chat_send",
    ChatHistory => "chat_history",
    ChatMark => "chat_mark",
    ChatSync => "chat_sync",
    ChatTyping => "chat_typing",
});

variants!(EVENTS, event_name: RoomEvent {
    ParticipantJoined => "participant_joined",
    ParticipantLeft => "participant_left",
    ParticipantAway => "participant_away",
    TrackPublished => "track_published",
    TrackUnpublished => "track_unpublished",
    TrackMuted => "track_muted",
    SlotsChanged => "slots_changed",
    TransportChanged => "transport_changed",
    Removed => "removed",
});

variants!(NOTICES, notice_name: Notice {
    Speakers => "speakers",
    ChatEvent => "chat_event",
    ChatReceipt => "chat_receipt",
    ChatTyping => "chat_typing",
    TokenExpiring => "token_expiring",
    Draining => "draining",
});

#[test]
fn every_request_has_a_golden_file_and_is_read_from_it() {
    let frames = samples::client_frames();
    let names = frames.iter().map(|frame| request_name(&frame.request));
    assert_eq!(names.clone().collect::<BTreeSet<_>>(), REQUESTS.iter().copied().collect());
    let files = names.zip(&frames).map(|(name, frame)| (name.to_owned(), frame));
    check::<ClientFrame>("client", files.collect());
}

#[test]
fn every_reply_event_notice_and_error_has_a_golden_file_and_is_read_from_it() {
    let frames = samples::server_frames();
    let files: Vec<_> = frames.iter().map(|frame| (file_name(frame), frame)).collect();

    let wanted = std::iter::once("welcome".to_owned())
        .chain(REPLIES.iter().map(|name| format!("result_{name}")))
        .chain(EVENTS.iter().map(|name| format!("event_{name}")))
        .chain(NOTICES.iter().map(|name| format!("notice_{name}")))
        .chain(ErrorCode::ALL.iter().map(|code| format!("error_{}", code_name(*code))));
    assert_eq!(
        files.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(),
        wanted.collect(),
    );
    check::<ServerFrame>("server", files);
}

#[test]
fn close_codes_are_those_of_the_golden_file() {
    let codes: Vec<Value> = CloseCode::ALL
        .iter()
        .map(|code| {
            serde_json::json!({
                "name": format!("{code:?}"),
                "code": code.code(),
                "reconnect": code.reconnect(),
            })
        })
        .collect();
    check_file(&golden().join("close_codes.json"), &codes);
}

#[test]
fn fields_that_a_newer_peer_adds_are_passed_over() {
    let frame = r#"{"id":1,"op":"join","room":"00000000-0000-7000-8000-000000000001","hue":3}"#;
    serde_json::from_str::<ClientFrame>(frame).expect("unknown fields do not matter");
}

#[test]
fn optional_fields_of_requests_may_be_left_out() {
    for frame in [
        r#"{"id":1,"op":"candidate"}"#,
        r#"{"id":1,"op":"chat_sync","cursors":[]}"#,
        r#"{"id":1,"op":"chat_mark","conversation":"00000000-0000-7000-8000-000000000001"}"#,
    ] {
        serde_json::from_str::<ClientFrame>(frame).expect("nothing that is needed is missing");
    }
}

fn file_name(frame: &ServerFrame) -> String {
    match frame {
        ServerFrame::Welcome(_) => "welcome".to_owned(),
        ServerFrame::Result { result, .. } => format!("result_{}", reply_name(result)),
        ServerFrame::Error { error, .. } => format!("error_{}", code_name(error.code)),
        ServerFrame::Event { event, .. } => format!("event_{}", event_name(event)),
        ServerFrame::Notice { notice } => format!("notice_{}", notice_name(notice)),
    }
}

fn code_name(code: ErrorCode) -> String {
    let Value::String(name) = serde_json::to_value(code).expect("an enum is JSON") else {
        panic!("a code is a string");
    };
    name
}

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

/// Each sample is its file, each file is a sample, and what is read is what was written.
fn check<T>(folder: &str, files: Vec<(String, &T)>)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    let folder = golden().join(folder);
    fs::create_dir_all(&folder).expect("writable");
    let mut expected = BTreeSet::new();
    for (name, sample) in files {
        let file = folder.join(format!("{name}.json"));
        check_file(&file, sample);
        let text = fs::read_to_string(&file).expect("it was just compared");
        let read: T = serde_json::from_str(&text).expect("a golden file is a valid message");
        assert_eq!(&read, sample, "{}", file.display());
        expected.insert(file);
    }
    let present: BTreeSet<_> = fs::read_dir(&folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    assert_eq!(present, expected, "golden files and samples belong together");
}

fn check_file<T: Serialize>(file: &Path, value: &T) {
    let mut text = serde_json::to_string_pretty(value).expect("the wire is JSON");
    text.push('\n');
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(file, &text).expect("writable");
    }
    let golden = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(golden, text, "{} is not what the types write", file.display());
}
