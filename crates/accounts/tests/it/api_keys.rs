use std::time::Duration;

use confer_accounts::AuthenticateError;
use confer_auth::{Claims, Grants, RoomScope, SigningKey, TokenError};

use crate::support::World;

const MINUTE: Duration = Duration::from_secs(60);

fn token(key: &SigningKey, claims: &Claims) -> String {
    key.sign(claims).expect("it is small").expose().to_owned()
}

fn claims(world: &World, sub: &str, name: Option<&str>) -> Claims {
    let grants = Grants { rooms: RoomScope::All, subscribe: true, ..Grants::default() };
    let name = name.map(str::to_owned);
    Claims { name, grants, ..Claims::new(sub, world.clock.now(), MINUTE) }
}

#[tokio::test]
async fn an_application_s_user_becomes_a_user_here_and_stays_the_same() {
    let world = World::new().await;
    let key = world.accounts.create_api_key().await.expect("it is written").signing_key();
    let first = token(&key, &claims(&world, "customer-17", Some("Alice")));
    let first = world.accounts.authenticate(&first).await.expect("it is good");
    assert_eq!(first.user.name, "Alice");
    assert_eq!(first.grants.rooms, RoomScope::All);
    assert!(first.grants.subscribe && !first.grants.chat_read);

    let renamed = token(&key, &claims(&world, "customer-17", Some("Alicia")));
    let renamed = world.accounts.authenticate(&renamed).await.expect("it is good");
    assert_eq!(renamed.user.id, first.user.id);
    let stored: String = sqlx::query_scalar("SELECT name FROM users WHERE id = $1")
        .bind(first.user.id.0)
        .fetch_one(&world.database.pool())
        .await
        .expect("there is a row");
    assert_eq!(stored, "Alicia");

    let nameless = token(&key, &claims(&world, "customer-18", None));
    let nameless = world.accounts.authenticate(&nameless).await.expect("it is good");
    assert_eq!(nameless.user.name, "customer-18");
    assert_ne!(nameless.user.id, first.user.id);
}

#[tokio::test]
async fn the_same_name_under_two_keys_is_two_people() {
    let world = World::new().await;
    let mut users = Vec::new();
    for _ in 0..2 {
        let key = world.accounts.create_api_key().await.expect("it is written").signing_key();
        let token = token(&key, &claims(&world, "alice", None));
        users.push(world.accounts.authenticate(&token).await.expect("it is good").user.id);
    }
    assert_ne!(users[0], users[1]);
}

#[tokio::test]
async fn many_first_requests_at_once_are_one_user() {
    let world = World::new().await;
    let key = world.accounts.create_api_key().await.expect("it is written").signing_key();
    let token = token(&key, &claims(&world, "alice", None));
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (accounts, token) = (world.accounts.clone(), token.clone());
            tokio::spawn(async move { accounts.authenticate(&token).await })
        })
        .collect();
    let mut users = Vec::new();
    for task in tasks {
        users.push(task.await.expect("no panic").expect("it is good").user.id);
    }
    users.dedup();
    assert_eq!(users.len(), 1);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
        .fetch_one(&world.database.pool())
        .await
        .expect("the table is there");
    assert_eq!(rows, 1);
}

#[tokio::test]
async fn a_subject_cannot_pose_as_a_user_or_a_guest() {
    let world = World::new().await;
    let victim = world.accounts.register("a@example.org", "correct horse".to_owned(), "Alice");
    let victim = victim.await.expect("the address is free").user;
    let key = world.accounts.create_api_key().await.expect("it is written").signing_key();
    let posing = Claims { guest: true, ..claims(&world, &victim.id.to_string(), None) };
    let identity = world.accounts.authenticate(&token(&key, &posing)).await.expect("it is good");
    assert_ne!(identity.user.id, victim.id);
    assert!(!identity.user.guest);
}

#[tokio::test]
async fn a_revoked_key_and_an_unknown_one_are_refused() {
    let world = World::new().await;
    let key = world.accounts.create_api_key().await.expect("it is written");
    let token = token(&key.signing_key(), &claims(&world, "alice", None));
    world.accounts.authenticate(&token).await.expect("it is good");
    assert!(world.accounts.revoke_api_key(&key.id).await.expect("it is written"));
    let refused = world.accounts.authenticate(&token).await;
    let unknown = Err(TokenError::UnknownKey(key.id.clone()));
    assert!(
        matches!(&refused, Err(AuthenticateError::Token(error)) if Err::<(), _>(error.clone()) == unknown),
        "{refused:?}"
    );
    assert!(!world.accounts.revoke_api_key(&key.id).await.expect("it is readable"));
}

#[tokio::test]
async fn revoking_a_user_refuses_what_the_application_signed_before() {
    let world = World::new().await;
    let key = world.accounts.create_api_key().await.expect("it is written").signing_key();
    let before = token(&key, &claims(&world, "alice", None));
    let alice = world.accounts.authenticate(&before).await.expect("it is good");
    world.accounts.revoke_user(alice.user_id()).await.expect("it is written");
    let refused = world.accounts.authenticate(&before).await;
    assert!(matches!(refused, Err(AuthenticateError::Revoked)), "{refused:?}");
    world.clock.advance(Duration::from_secs(1));
    let after = token(&key, &claims(&world, "alice", None));
    world.accounts.authenticate(&after).await.expect("the application let her in again");
}

#[tokio::test]
async fn the_first_key_is_made_once() {
    let world = World::new().await;
    let keys = world.accounts.api_keys();
    assert!(keys.oldest().await.expect("it is readable").is_none());
    let (one, other) = tokio::join!(keys.create_first(), keys.create_first());
    let made: Vec<_> = [one, other].into_iter().filter_map(|key| key.expect("it works")).collect();
    assert_eq!(made.len(), 1);
    let oldest = keys.oldest().await.expect("it is readable").expect("there is one");
    assert_eq!(oldest.id(), &made[0].id);
    assert!(made[0].secret.starts_with("confer_sk_"));
    assert!(!format!("{:?}", made[0]).contains(&made[0].secret));
}
