use confer_protocol::chat::{HistoryQuery, MessageSeq, NewMessage};
use confer_protocol::client::Request;
use confer_protocol::id::{ClientMessageId, ConversationId};
use confer_protocol::server::{Notice, Reply};
use confer_signaling_net::Config;
use uuid::Uuid;

use crate::client::Client;
use crate::fakes::{serve, user};

const CONVERSATION: ConversationId = ConversationId(Uuid::from_u128(1));

fn send(body: &str) -> Request {
    let client_id = ClientMessageId(Uuid::nil());
    let message = NewMessage { client_id, body: body.to_owned(), reply_to: None };
    Request::ChatSend { conversation: CONVERSATION, message }
}

#[tokio::test]
async fn chat_needs_no_room() {
    let service = serve(Config::default()).await;
    let mut alice = Client::connect(service.address, "alice").await;
    let reply = alice.ask(send("hello")).await;
    let Ok(Reply::ChatSend(receipt)) = reply else { panic!("{reply:?}") };
    assert_eq!(receipt.seq, MessageSeq(1));

    let query = HistoryQuery::default();
    let history = Request::ChatHistory { conversation: CONVERSATION, query };
    assert!(matches!(alice.ask(history).await, Ok(Reply::ChatHistory(_))));
    let mark = Request::ChatMark {
        conversation: CONVERSATION,
        delivered: Some(MessageSeq(1)),
        read: None,
    };
    assert!(matches!(alice.ask(mark).await, Ok(Reply::ChatMark(_))));
}

#[tokio::test]
async fn messages_of_one_socket_keep_their_order_and_hold_up_nothing_else() {
    let service = serve(Config::default()).await;
    let mut alice = Client::connect(service.address, "alice").await;
    let first = alice.post(send("slow")).await;
    let second = alice.post(send("quick")).await;
    assert_eq!(alice.ask(Request::Ping).await, Ok(Reply::Ping));
    assert!(service.chat.bodies(CONVERSATION).is_empty());

    service.chat.go_on();
    assert!(alice.answer(first).await.is_ok());
    assert!(alice.answer(second).await.is_ok());
    assert_eq!(service.chat.bodies(CONVERSATION), ["slow", "quick"]);
}

#[tokio::test]
async fn live_notices_follow_a_sync() {
    let service = serve(Config::default()).await;
    let mut alice = Client::connect(service.address, "alice").await;
    let sync = Request::ChatSync { chat_epoch: None, cursors: Vec::new() };
    assert!(matches!(alice.ask(sync).await, Ok(Reply::ChatSync(_))));
    let mut bob = Client::connect(service.address, "bob").await;
    let typing = Request::ChatTyping { conversation: CONVERSATION };
    assert_eq!(bob.ask(typing).await, Ok(Reply::ChatTyping));
    let notice = Notice::ChatTyping { conversation: CONVERSATION, user: user("bob") };
    assert_eq!(alice.notice().await, notice);
}

#[tokio::test]
async fn a_reader_that_falls_behind_the_feed_is_sent_back_to_its_cursors() {
    let service = serve(Config::default()).await;
    let mut alice = Client::connect(service.address, "alice").await;
    let sync = Request::ChatSync { chat_epoch: None, cursors: Vec::new() };
    assert!(matches!(alice.ask(sync).await, Ok(Reply::ChatSync(_))));
    // More at once than the fake's feed keeps, without a moment for the reader in between.
    for _ in 0..9 {
        service.chat.announce(Notice::ChatTyping { conversation: CONVERSATION, user: user("bob") });
    }
    assert_eq!(alice.closed().await, 4001);
}
