//! Register, make a room, join, write, restart: what was written is there.

use confer_protocol::chat::{Change, HistoryPage, HistoryQuery, NewMessage};
use confer_protocol::client::Request;
use confer_protocol::id::{ClientMessageId, RoomId};
use confer_protocol::rest::{CreateInviteRequest, Invite};
use confer_protocol::server::{Notice, Reply, RoomEvent, ServerFrame};
use rustix::process::Signal;
use uuid::Uuid;

use crate::client::{Person, Socket};
use crate::process::Setup;

async fn join(socket: &mut Socket, room: RoomId) {
    match socket.granted(Request::Join { room }).await {
        Reply::Join(joined) => assert_eq!(joined.snapshot.room.id, room),
        other => panic!("expected a seat, got {other:?}"),
    }
}

async fn follow(socket: &mut Socket) {
    socket.granted(Request::ChatSync { chat_epoch: None, cursors: Vec::new() }).await;
}

fn message(body: &str) -> NewMessage {
    NewMessage { client_id: ClientMessageId(Uuid::new_v4()), body: body.to_owned(), reply_to: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_meet_write_and_find_it_again_after_a_restart() {
    let mut setup = Setup::private();
    let confer = setup.start();
    let alice = Person::register(&confer.url, "alice").await;
    let bob = Person::register(&confer.url, "bob").await;
    let room = alice.create_room("Kitchen").await;
    let invites = format!("/v1/rooms/{}/invites", room.id);
    let invite: Invite = alice.post(&invites, &CreateInviteRequest::default()).await;
    let accept = format!("/v1/invites/{}/accept", invite.code);
    let _: serde_json::Value = bob.post(&accept, &serde_json::json!({})).await;

    let mut alices = alice.connect().await.expect("a good token");
    let mut bobs = bob.connect().await.expect("a good token");
    join(&mut alices, room.id).await;
    join(&mut bobs, room.id).await;
    match alices.news().await {
        ServerFrame::Event { event: RoomEvent::ParticipantJoined { participant }, .. } => {
            assert_eq!(participant.user.name, "bob");
        }
        other => panic!("expected bob, got {other:?}"),
    }

    follow(&mut bobs).await;
    let conversation = room.id.conversation();
    let send = Request::ChatSend { conversation, message: message("Tea?") };
    let Reply::ChatSend(receipt) = alices.granted(send).await else { panic!("a receipt") };
    assert_eq!(receipt.seq.0, 1);
    loop {
        if let ServerFrame::Notice { notice: Notice::ChatEvent { event } } = bobs.news().await
            && let Change::MessageSent { message } = event.change
        {
            assert_eq!(message.body, "Tea?");
            break;
        }
    }
    let mark =
        Request::ChatMark { conversation, delivered: Some(receipt.seq), read: Some(receipt.seq) };
    bobs.granted(mark).await;

    confer.signal(Signal::TERM);
    assert_eq!(confer.wait().code(), Some(0));
    let confer = setup.start();
    assert!(!confer.greeting.contains("First start"), "{}", confer.greeting);

    // The same tokens are good: they are signed with a key that was kept.
    let mut alices = alice.connect().await.expect("the same token");
    let history = Request::ChatHistory { conversation, query: HistoryQuery::default() };
    let Reply::ChatHistory(page) = alices.granted(history).await else { panic!("a page") };
    assert_eq!(page.messages.iter().map(|m| m.body.as_str()).collect::<Vec<_>>(), ["Tea?"]);
    let over_http: HistoryPage =
        alice.get(&format!("/v1/conversations/{conversation}/messages")).await;
    assert_eq!(over_http, page);
    let seen: confer_protocol::chat::Conversation =
        alice.get(&format!("/v1/conversations/{conversation}")).await;
    let bobs_mark = seen.members.iter().find(|member| member.user.name == "bob");
    assert_eq!(bobs_mark.expect("bob is a member").read, receipt.seq);
}
