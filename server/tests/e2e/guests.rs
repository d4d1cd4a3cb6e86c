//! Somebody who has nothing but a link.

use confer_protocol::chat::NewMessage;
use confer_protocol::client::Request;
use confer_protocol::error::ErrorCode;
use confer_protocol::id::ClientMessageId;
use confer_protocol::rest::{
    CreateInviteRequest, CreateRoomRequest, Invite, InvitePreview, RoomList,
};
use confer_protocol::server::Reply;
use uuid::Uuid;

use crate::client::Person;
use crate::process::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_one_room_and_nothing_else() {
    let mut setup = Setup::private();
    let confer = setup.start();
    let alice = Person::register(&confer.url, "alice").await;
    let room = alice.create_room("Kitchen").await;
    let cellar = alice.create_room("Cellar").await;
    let invites = format!("/v1/rooms/{}/invites", room.id);
    let invite: Invite = alice.post(&invites, &CreateInviteRequest::default()).await;

    let preview = reqwest::get(format!("{}/v1/invites/{}", confer.url, invite.code)).await;
    let preview: InvitePreview =
        preview.expect("the server answers").json().await.expect("a preview");
    assert_eq!((preview.room.name.as_str(), preview.invited_by.as_str()), ("Kitchen", "alice"));

    let guest = Person::guest(&confer.url, &invite.code, "Visitor").await;
    assert!(guest.token.user.guest);
    assert_eq!(guest.token.room.as_ref(), Some(&room));
    let mut socket = guest.connect().await.expect("a good token");
    let Reply::Join(joined) = socket.granted(Request::Join { room: room.id }).await else {
        panic!("a seat");
    };
    assert!(!joined.permissions.moderate);
    let client_id = ClientMessageId(Uuid::new_v4());
    let message = NewMessage { client_id, body: "Hello".to_owned(), reply_to: None };
    let conversation = room.id.conversation();
    socket.granted(Request::ChatSend { conversation, message }).await;
    let rooms: RoomList = guest.get("/v1/rooms").await;
    assert_eq!(rooms.rooms.iter().map(|it| it.room.id).collect::<Vec<_>>(), [room.id]);
    let seen: RoomList = alice.get("/v1/rooms").await;
    let kitchen = seen.rooms.iter().find(|it| it.room.id == room.id).expect("her own room");
    assert_eq!((kitchen.in_call, kitchen.unread), (1, 1));

    let mut elsewhere = guest.connect().await.expect("a good token");
    let refused = elsewhere.ask(Request::Join { room: cellar.id }).await.expect("an open socket");
    assert_eq!(refused.expect_err("another room").code, ErrorCode::NotFound);
    let refused = guest.refused("/v1/rooms", &CreateRoomRequest { name: "Mine".to_owned() }).await;
    assert_eq!(refused.code, ErrorCode::Forbidden);
    let refused = guest.refused(&invites, &CreateInviteRequest::default()).await;
    assert_eq!(refused.code, ErrorCode::Forbidden);
}
