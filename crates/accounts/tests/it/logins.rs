use std::time::Duration;

use confer_accounts::{AuthenticateError, LoginError, RefreshError, RegisterError, Session};
use confer_auth::{RoomScope, TokenError};
use confer_protocol::error::{ErrorBody, ErrorCode};

use crate::support::{PASSWORD, World, another_node, config};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn register(world: &World, email: &str) -> Session {
    let session = world.accounts.register(email, PASSWORD.to_owned(), "Alice").await;
    session.expect("the address is free")
}

#[tokio::test]
async fn an_account_registers_logs_in_and_is_known_by_its_token() {
    let world = World::new().await;
    let session = register(&world, "alice@example.org").await;
    let identity = world.accounts.authenticate(session.access.expose()).await.expect("it is good");
    assert_eq!(identity.user, session.user);
    assert_eq!(identity.grants.rooms, RoomScope::Member);
    assert_eq!(identity.expires_at, session.access_expires_at);

    let login = world.accounts.login("ALICE@example.org ", PASSWORD.to_owned()).await;
    let login = login.expect("the password is right, and capitals do not matter");
    assert_eq!(login.user, session.user);
    let again = world.accounts.authenticate(login.access.expose()).await.expect("it is good");
    assert_ne!(again.family, identity.family, "two logins are ended apart");
}

#[tokio::test]
async fn an_address_has_one_account_however_it_is_capitalised() {
    let world = World::new().await;
    register(&world, "alice@example.org").await;
    let again = world.accounts.register("Alice@Example.org", PASSWORD.to_owned(), "Eve").await;
    assert!(matches!(again, Err(RegisterError::EmailTaken)), "{again:?}");
    let found = world.accounts.find_by_email("aLiCe@example.org").await.expect("it is readable");
    assert_eq!(found.expect("there is one").name, "Alice");
}

#[tokio::test]
async fn two_registrations_at_once_make_one_account() {
    let world = World::new().await;
    let register = || world.accounts.register("alice@example.org", PASSWORD.to_owned(), "Alice");
    let (first, second) = tokio::join!(register(), register());
    assert_eq!([first.is_ok(), second.is_ok()].iter().filter(|ok| **ok).count(), 1);
    let users: i64 = sqlx::query_scalar("SELECT count(*) FROM users")
        .fetch_one(&world.database.pool())
        .await
        .expect("the table is there");
    assert_eq!(users, 1, "the loser leaves nobody behind");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_get_the_same_answer() {
    let world = World::new().await;
    register(&world, "alice@example.org").await;
    for (email, password) in [
        ("alice@example.org", "incorrect horse"),
        ("nobody@example.org", PASSWORD),
        ("no address", PASSWORD),
        ("alice@example.org", ""),
        ("alice@example.org", "x".repeat(300).as_str()),
    ] {
        let refused = world.accounts.login(email, password.to_owned()).await;
        assert!(matches!(refused, Err(LoginError::WrongCredentials)), "{email}: {refused:?}");
    }
}

#[tokio::test]
async fn an_account_is_guarded_against_guessing_from_everywhere_at_once() {
    let world = World::new().await;
    register(&world, "alice@example.org").await;
    let mut refusals = Vec::new();
    for _ in 0..11 {
        refusals.push(world.accounts.login("Alice@example.org", "incorrect".to_owned()).await);
    }
    let last = refusals.pop().expect("there were eleven");
    assert!(matches!(last, Err(LoginError::RateLimited(_))), "{last:?}");
    assert!(refusals.iter().all(|r| matches!(r, Err(LoginError::WrongCredentials))));
    assert!(world.accounts.login("bob@example.org", "incorrect".to_owned()).await.is_err());
}

#[tokio::test]
async fn refresh_tokens_are_replaced_and_the_login_stays_the_same() {
    let world = World::new().await;
    let first = register(&world, "alice@example.org").await;
    world.clock.advance(DAY);
    let refused = world.accounts.authenticate(first.access.expose()).await;
    assert!(matches!(refused, Err(AuthenticateError::Token(TokenError::Expired))), "{refused:?}");

    let second = world.accounts.refresh(&first.refresh.expose()).await.expect("it is current");
    assert_ne!(second.refresh, first.refresh);
    assert_eq!(second.user, first.user);
    assert!(second.refresh_expires_at > first.refresh_expires_at, "use keeps a login alive");
    let identity = world.accounts.authenticate(second.access.expose()).await.expect("it is good");
    world.clock.advance(DAY);
    let third = world.accounts.refresh(&second.refresh.expose()).await.expect("it is current");
    let again = world.accounts.authenticate(third.access.expose()).await.expect("it is good");
    assert_eq!(again.family, identity.family);
}

#[tokio::test]
async fn within_the_grace_a_spent_token_yields_the_same_successor() {
    let world = World::new().await;
    let first = register(&world, "alice@example.org").await;
    let token = first.refresh.expose();
    let (one, other) = tokio::join!(world.accounts.refresh(&token), world.accounts.refresh(&token));
    let (one, other) = (one.expect("one is first"), other.expect("the other is forgiven"));
    assert_eq!(one.refresh, other.refresh);
    world.clock.advance(config().refresh_grace);
    let late = world.accounts.refresh(&token).await.expect("the grace lasts this long");
    assert_eq!(late.refresh, one.refresh);
    world.accounts.refresh(&one.refresh.expose()).await.expect("the successor is good");
}

#[tokio::test]
async fn reuse_after_the_grace_ends_the_login_and_its_access_tokens() {
    let world = World::new().await;
    let first = register(&world, "alice@example.org").await;
    let other = world.accounts.login("alice@example.org", PASSWORD.to_owned()).await;
    let other = other.expect("the password is right");
    let second = world.accounts.refresh(&first.refresh.expose()).await.expect("it is current");
    world.clock.advance(config().refresh_grace + Duration::from_millis(1));

    let mut ended = world.accounts.ended();
    let identity = world.accounts.authenticate(second.access.expose()).await.expect("it is good");
    let reused = world.accounts.refresh(&first.refresh.expose()).await;
    assert!(matches!(reused, Err(RefreshError::Reused)), "{reused:?}");
    assert!(ended.try_recv().expect("sessions are told").covers(&identity));
    let thief = world.accounts.refresh(&second.refresh.expose()).await;
    assert!(matches!(thief, Err(RefreshError::Revoked)), "{thief:?}");
    let revoked = world.accounts.authenticate(second.access.expose()).await;
    assert!(matches!(revoked, Err(AuthenticateError::Revoked)), "{revoked:?}");

    world.accounts.refresh(&other.refresh.expose()).await.expect("another login is untouched");
    world.accounts.authenticate(other.access.expose()).await.expect("another login is untouched");
}

#[tokio::test]
async fn the_grandparent_of_a_token_is_reuse_even_within_the_grace() {
    let world = World::new().await;
    let first = register(&world, "alice@example.org").await;
    let second = world.accounts.refresh(&first.refresh.expose()).await.expect("it is current");
    world.accounts.refresh(&second.refresh.expose()).await.expect("it is current");
    let reused = world.accounts.refresh(&first.refresh.expose()).await;
    assert!(matches!(reused, Err(RefreshError::Reused)), "{reused:?}");
}

#[tokio::test]
async fn junk_refreshes_nothing_and_ends_nobody_s_login() {
    let world = World::new().await;
    let session = register(&world, "alice@example.org").await;
    let mut forged = session.refresh.expose();
    let last = if forged.pop() == Some('A') { 'Q' } else { 'A' };
    forged.push(last);
    for junk in ["", "junk", forged.as_str()] {
        let refused = world.accounts.refresh(junk).await;
        assert!(matches!(refused, Err(RefreshError::Unknown)), "{refused:?}");
    }
    world.accounts.refresh(&session.refresh.expose()).await.expect("the login goes on");
}

#[tokio::test]
async fn a_login_that_nobody_uses_expires() {
    let world = World::new().await;
    let session = register(&world, "alice@example.org").await;
    world.clock.advance(30 * DAY);
    let refused = world.accounts.refresh(&session.refresh.expose()).await;
    assert!(matches!(refused, Err(RefreshError::Expired)), "{refused:?}");
}

#[tokio::test]
async fn logging_out_ends_this_login_and_no_other() {
    let world = World::new().await;
    let here = register(&world, "alice@example.org").await;
    let there = world.accounts.login("alice@example.org", PASSWORD.to_owned()).await;
    let there = there.expect("the password is right");
    world.accounts.logout(&here.refresh.expose()).await.expect("it is written");
    let refused = world.accounts.refresh(&here.refresh.expose()).await;
    assert!(matches!(refused, Err(RefreshError::Revoked)), "{refused:?}");
    let refused = world.accounts.authenticate(here.access.expose()).await;
    assert!(matches!(refused, Err(AuthenticateError::Revoked)), "{refused:?}");
    world.accounts.authenticate(there.access.expose()).await.expect("the other login goes on");
    world.accounts.logout("junk").await.expect("nobody is logged out already");
}

#[tokio::test]
async fn revoking_a_user_ends_every_login_but_not_the_next() {
    let world = World::new().await;
    let session = register(&world, "alice@example.org").await;
    world.accounts.revoke_user(session.user.id).await.expect("it is written");
    assert!(world.accounts.authenticate(session.access.expose()).await.is_err());
    assert!(world.accounts.refresh(&session.refresh.expose()).await.is_err());
    world.clock.advance(Duration::from_secs(1));
    let next = world.accounts.login("alice@example.org", PASSWORD.to_owned()).await;
    let next = next.expect("an account outlives its logins");
    world.accounts.authenticate(next.access.expose()).await.expect("it is newer");
}

#[tokio::test]
async fn what_one_node_revokes_another_hears_of() {
    let world = World::new().await;
    let quick = confer_accounts::Config { mirror_interval: Duration::from_millis(5), ..config() };
    let (other, _running) =
        another_node(&world.database, world.rooms.clone(), quick, world.clock.clone()).await;
    let session = register(&world, "alice@example.org").await;
    let identity = other.authenticate(session.access.expose()).await.expect("it is good there too");
    let mut ended = other.ended();
    world.accounts.logout(&session.refresh.expose()).await.expect("it is written");
    assert!(ended.recv().await.expect("the other node looks").covers(&identity));
    assert!(other.authenticate(session.access.expose()).await.is_err());
}

#[tokio::test]
async fn without_the_database_tokens_are_still_known_and_the_rest_says_to_try_again() {
    let world = World::new().await;
    let session = register(&world, "alice@example.org").await;
    world.database.pool().close().await;
    world.accounts.authenticate(session.access.expose()).await.expect("it needs no database");
    let login = world.accounts.login("alice@example.org", PASSWORD.to_owned()).await;
    let refresh = world.accounts.refresh(&session.refresh.expose()).await;
    let register = world.accounts.register("b@example.org", PASSWORD.to_owned(), "Bob").await;
    let errors: [ErrorBody; 3] = [
        login.expect_err("it is away").into(),
        refresh.expect_err("it is away").into(),
        register.expect_err("it is away").into(),
    ];
    for error in errors {
        assert_eq!(error.code, ErrorCode::Unavailable);
        assert!(error.retry_after_ms.is_some());
    }
}

#[tokio::test]
async fn a_cheap_hash_is_raised_at_the_next_login() {
    let world = World::new().await;
    register(&world, "alice@example.org").await;
    let mut dearer = config();
    dearer.password_cost.memory_kib = 32;
    let (raised, _running) =
        another_node(&world.database, world.rooms.clone(), dearer, world.clock.clone()).await;
    raised.login("alice@example.org", PASSWORD.to_owned()).await.expect("the password is right");
    let hash: String = sqlx::query_scalar("SELECT password_hash FROM credentials")
        .fetch_one(&world.database.pool())
        .await
        .expect("there is one account");
    assert!(hash.contains("m=32,"), "{hash}");
    raised.login("alice@example.org", PASSWORD.to_owned()).await.expect("it still is");
}

#[tokio::test]
async fn secrets_are_stored_hashed() {
    let world = World::new().await;
    let session = register(&world, "alice@example.org").await;
    let dump: String = sqlx::query_scalar(
        "SELECT string_agg(f::text, ' ') || (SELECT string_agg(c::text, ' ') FROM credentials c)
         FROM families f",
    )
    .fetch_one(&world.database.pool())
    .await
    .expect("the tables are there");
    assert!(!dump.contains(PASSWORD) && !dump.contains(&session.refresh.expose()), "{dump}");
    assert!(dump.contains("$argon2id$"));
}

#[tokio::test]
async fn rows_nobody_can_use_are_forgotten() {
    let world = World::new().await;
    let session = register(&world, "alice@example.org").await;
    world.accounts.logout(&session.refresh.expose()).await.expect("it is written");
    world.clock.advance(31 * DAY + MINUTE);
    // Another node cleans up when it starts.
    let (_other, _running) =
        another_node(&world.database, world.rooms.clone(), config(), world.clock.clone()).await;
    let pool = world.database.pool();
    loop {
        let left: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM families) + (SELECT count(*) FROM revocations)",
        )
        .fetch_one(&pool)
        .await
        .expect("the tables are there");
        if left == 0 {
            break;
        }
    }
}
