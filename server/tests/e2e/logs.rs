//! What is written to standard error, and what never is.

use confer_protocol::chat::NewMessage;
use confer_protocol::client::Request;
use confer_protocol::id::ClientMessageId;
use rustix::process::Signal;
use uuid::Uuid;

use crate::client::Person;
use crate::process::Setup;

const CHAT_TEXT: &str = "the-secret-recipe";

/// Lives through a short conversation, and returns everything that was logged.
async fn logged(level: &str) -> (String, Person) {
    let mut setup =
        Setup::private().argument("--log=json").argument(&format!("--log-level={level}"));
    let confer = setup.start();
    let alice = Person::register(&confer.url, "alice").await;
    let room = alice.create_room("Kitchen").await;
    let mut socket = alice.connect().await.expect("a good token");
    socket.granted(Request::Join { room: room.id }).await;
    let client_id = ClientMessageId(Uuid::new_v4());
    let message = NewMessage { client_id, body: CHAT_TEXT.to_owned(), reply_to: None };
    let conversation = room.id.conversation();
    socket.granted(Request::ChatSend { conversation, message }).await;
    // Something that fails is logged more eagerly.
    let refused = reqwest::Client::new().get(format!("{}/v1/me", confer.url));
    let refused = refused.bearer_auth(format!("{}x", alice.token.access_token)).send().await;
    assert_eq!(refused.expect("the server answers").status(), 401);
    confer.signal(Signal::TERM);
    assert_eq!(confer.wait().code(), Some(0));
    (confer.log(), alice)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_confidential_is_logged_at_any_level_we_use() {
    let (log, alice) = logged("debug").await;
    assert!(!log.is_empty());
    for secret in [CHAT_TEXT, alice.token.access_token.as_str(), "correct horse", "alice@"] {
        assert!(!log.contains(secret), "{secret} is in:\n{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_json_and_name_no_address_up_to_info() {
    let (log, _) = logged("info").await;
    for line in log.lines() {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(line);
        let parsed = parsed.unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(parsed["level"].is_string() && parsed["message"].is_string(), "{line}");
        assert!(!line.contains("127.0.0.1"), "{line}");
    }
}
