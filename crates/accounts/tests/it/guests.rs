use std::time::Duration;

use confer_accounts::{AuthenticateError, GuestError, InviteError, RefreshError, Session};
use confer_auth::{Identity, RoomScope};
use confer_protocol::id::RoomId;
use confer_protocol::rest::CreateInviteRequest;
use uuid::Uuid;

use crate::support::{PASSWORD, World};

const HOUR: Duration = Duration::from_secs(60 * 60);

async fn somebody(world: &World, name: &str) -> (Session, Identity) {
    let email = format!("{name}@example.org");
    let session = world.accounts.register(&email, PASSWORD.to_owned(), name).await;
    let session = session.expect("the address is free");
    let identity = world.accounts.authenticate(session.access.expose()).await;
    (session, identity.expect("the token is good"))
}

async fn invite(world: &World, owner: &Identity, request: CreateInviteRequest) -> (RoomId, String) {
    let room = world.rooms.add(&owner.user);
    let invite = world.accounts.create_invite(owner, room, &request).await;
    (room, invite.expect("owners may invite").code)
}

#[tokio::test]
async fn a_guest_comes_in_by_a_link_and_only_into_that_room() {
    let world = World::new().await;
    let (_, alice) = somebody(&world, "alice").await;
    let (room, code) = invite(&world, &alice, CreateInviteRequest::default()).await;

    let preview = world.accounts.preview_invite(&code).await.expect("it works");
    assert_eq!((preview.room.id, preview.invited_by.as_str()), (room, "alice"));
    let session = world.accounts.guest(&code, " Bob ").await.expect("it works");
    assert_eq!(session.room.as_ref().map(|room| room.id), Some(room));
    assert!(session.user.guest);
    assert_eq!(session.user.name, "Bob");
    let bob = world.accounts.authenticate(session.access.expose()).await.expect("it is good");
    assert_eq!(bob.grants.rooms, RoomScope::Only(vec![room]));
    assert!(!bob.grants.create);
}

#[tokio::test]
async fn a_guest_s_time_ends_however_often_it_refreshes() {
    let world = World::new().await;
    let (_, alice) = somebody(&world, "alice").await;
    let (room, code) = invite(&world, &alice, CreateInviteRequest::default()).await;
    let mut session = world.accounts.guest(&code, "Bob").await.expect("it works");
    for _ in 0..11 {
        world.clock.advance(HOUR);
        session = world.accounts.refresh(&session.refresh.expose()).await.expect("within 12 h");
        assert_eq!(session.room.as_ref().map(|room| room.id), Some(room));
        let bob = world.accounts.authenticate(session.access.expose()).await.expect("it is good");
        assert_eq!(bob.grants.rooms, RoomScope::Only(vec![room]));
    }
    world.clock.advance(HOUR);
    let refused = world.accounts.refresh(&session.refresh.expose()).await;
    assert!(matches!(refused, Err(RefreshError::Expired)), "{refused:?}");
}

#[tokio::test]
async fn an_account_accepts_an_invite_and_is_a_member() {
    let world = World::new().await;
    let (_, alice) = somebody(&world, "alice").await;
    let (_, bob) = somebody(&world, "bob").await;
    let once = CreateInviteRequest { max_uses: Some(1), ..CreateInviteRequest::default() };
    let (room, code) = invite(&world, &alice, once).await;
    let joined = world.accounts.accept_invite(&bob, &code).await.expect("it works");
    assert_eq!(joined.id, room);
    assert!(world.rooms.has(room, bob.user_id()));
    let used_up = world.accounts.accept_invite(&bob, &code).await;
    assert!(matches!(used_up, Err(InviteError::NotFound)), "{used_up:?}");
}

#[tokio::test]
async fn whoever_is_a_member_already_uses_nothing_up() {
    let world = World::new().await;
    let (_, alice) = somebody(&world, "alice").await;
    let (_, bob) = somebody(&world, "bob").await;
    let once = CreateInviteRequest { max_uses: Some(1), ..CreateInviteRequest::default() };
    let (_, code) = invite(&world, &alice, once).await;
    for _ in 0..3 {
        world.accounts.accept_invite(&alice, &code).await.expect("alice is a member");
    }
    world.accounts.accept_invite(&bob, &code).await.expect("the one use is left");
}

#[tokio::test]
async fn two_at_once_cannot_take_the_same_last_use() {
    let world = World::new().await;
    let (_, alice) = somebody(&world, "alice").await;
    let once = CreateInviteRequest { max_uses: Some(1), ..CreateInviteRequest::default() };
    let (_, code) = invite(&world, &alice, once).await;
    let (bob, carol) =
        tokio::join!(world.accounts.guest(&code, "Bob"), world.accounts.guest(&code, "Carol"));
    let refused = [bob.err(), carol.err()];
    assert_eq!(refused.iter().flatten().count(), 1, "{refused:?}");
    let guests: i64 = sqlx::query_scalar("SELECT count(*) FROM users WHERE guest")
        .fetch_one(&world.database.pool())
        .await
        .expect("the table is there");
    assert_eq!(guests, 1, "the loser leaves nobody behind");
}

#[tokio::test]
async fn an_invite_ends_by_time_and_by_word() {
    let world = World::new().await;
    let (_, alice) = somebody(&world, "alice").await;
    let hour = CreateInviteRequest { expires_in: Some(3600), ..CreateInviteRequest::default() };
    let (_, short) = invite(&world, &alice, hour).await;
    let (_, revoked) = invite(&world, &alice, CreateInviteRequest::default()).await;
    world.accounts.revoke_invite(&alice, &revoked).await.expect("it is hers");
    world.clock.advance(HOUR);
    for code in [short.as_str(), revoked.as_str(), "junk", ""] {
        let preview = world.accounts.preview_invite(code).await;
        assert!(matches!(preview, Err(InviteError::NotFound)), "{code}: {preview:?}");
        let guest = world.accounts.guest(code, "Bob").await;
        assert!(matches!(guest, Err(GuestError::Invite(InviteError::NotFound))), "{guest:?}");
    }
}

#[tokio::test]
async fn only_those_who_may_invite_do_and_strangers_learn_nothing() {
    let world = World::new().await;
    let (_, alice) = somebody(&world, "alice").await;
    let (_, bob) = somebody(&world, "bob").await;
    let (room, code) = invite(&world, &alice, CreateInviteRequest::default()).await;
    let request = CreateInviteRequest::default();

    let stranger = world.accounts.create_invite(&bob, room, &request).await;
    assert!(matches!(stranger, Err(InviteError::NoRoom)), "{stranger:?}");
    let nowhere = world.accounts.create_invite(&bob, RoomId(Uuid::nil()), &request).await;
    assert!(matches!(nowhere, Err(InviteError::NoRoom)), "{nowhere:?}");
    let revoked = world.accounts.revoke_invite(&bob, &code).await;
    assert!(matches!(revoked, Err(InviteError::NoRoom)), "{revoked:?}");

    world.rooms.join(room, bob.user_id());
    let member = world.accounts.create_invite(&bob, room, &request).await;
    assert!(matches!(member, Err(InviteError::NotAllowed)), "{member:?}");

    let session = world.accounts.guest(&code, "Carol").await.expect("it works");
    let guest = world.accounts.authenticate(session.access.expose()).await.expect("it is good");
    let accepted = world.accounts.accept_invite(&guest, &code).await;
    assert!(matches!(accepted, Err(InviteError::NotAnAccount)), "{accepted:?}");
}

#[tokio::test]
async fn revoking_a_guest_ends_its_stay() {
    let world = World::new().await;
    let (_, alice) = somebody(&world, "alice").await;
    let (_, code) = invite(&world, &alice, CreateInviteRequest::default()).await;
    let session = world.accounts.guest(&code, "Bob").await.expect("it works");
    world.accounts.revoke_user(session.user.id).await.expect("it is written");
    let refused = world.accounts.authenticate(session.access.expose()).await;
    assert!(matches!(refused, Err(AuthenticateError::Revoked)), "{refused:?}");
}

#[tokio::test]
async fn senseless_invites_are_refused_by_field() {
    let world = World::new().await;
    let (_, alice) = somebody(&world, "alice").await;
    let room = world.rooms.add(&alice.user);
    let senseless = [
        CreateInviteRequest { expires_in: Some(0), max_uses: None },
        CreateInviteRequest { expires_in: None, max_uses: Some(0) },
        CreateInviteRequest { expires_in: None, max_uses: Some(u32::MAX) },
    ];
    for request in senseless {
        let refused = world.accounts.create_invite(&alice, room, &request).await;
        assert!(matches!(refused, Err(InviteError::Invalid(_))), "{request:?}: {refused:?}");
    }
    let long = CreateInviteRequest { expires_in: Some(u32::MAX), max_uses: None };
    let invite = world.accounts.create_invite(&alice, room, &long).await.expect("it is shortened");
    assert_eq!(invite.expires_at.0, world.clock.now().0 + 90 * 24 * HOUR);
}
