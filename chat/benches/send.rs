//! How many messages a second become durable, and how long that takes. Service, senders and
//! Postgres share one machine; no HTTP and no WebSocket in between.
//!
//! `cargo bench -p confer-chat --bench send`. It starts a durable Postgres of its own in a temporary
//! directory (`BENCH_DATABASE_URL` names another server and a superuser) and
//! merges its figures into `target/bench/summary.json` (`BENCH_SUMMARY` names another file).

#![expect(clippy::print_stdout, reason = "a benchmark reports to whoever started it")]

#[path = "support/cpu.rs"]
mod cpu;
#[path = "support/database.rs"]
mod database;
#[path = "support/summary.rs"]
mod summary;

use std::time::Duration;

use confer_auth::{Grants, Identity};
use confer_bus::Bus;
use confer_chat::{ChatService, Config, Feed};
use confer_protocol::Timestamp;
use confer_protocol::chat::{Change, NewMessage};
use confer_protocol::id::{ClientMessageId, ConversationId, UserId};
use confer_protocol::room::UserInfo;
use confer_protocol::server::Notice;
use sqlx::PgPool;
use time::OffsetDateTime;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use uuid::Uuid;

use database::Database;
use summary::Quantiles;

/// As long as people write.
const BODY: &str =
    "Shall we meet at the usual place, half an hour later than planned? I bring cake.";

struct Load {
    conversations: usize,
    senders: usize,
    duration: Duration,
}

fn main() {
    // `cargo test --benches` only asks whether it runs.
    let is_test = std::env::args().any(|argument| argument == "--test");
    let duration = Duration::from_millis(if is_test { 200 } else { 10_000 });
    let runtime = tokio::runtime::Runtime::new().expect("threads");
    let database = Database::start();
    summary::print_machine();
    println!("PostgreSQL {}", database.version());

    let many = Load { conversations: 64, senders: 256, duration };
    let hot = Load { conversations: 1, senders: 256, duration };
    let single = Load { conversations: 1, senders: 1, duration };
    let mut figures = Vec::new();
    println!(
        "{:<44} {:>10} {:>10} {:>10} {:>14} {:>14}",
        "", "per second", "p50 ms", "p99 ms", "own CPU us", "Postgres CPU us"
    );
    for (name, title, load) in [
        ("many", "256 senders, 64 conversations", many),
        ("hot", "256 senders, one conversation", hot),
        ("single", "one sender, one message after the other", single),
    ] {
        let before = (cpu::own(), database.cpu());
        let mut acks = runtime.block_on(saturate(&database, &load));
        let after = (cpu::own(), database.cpu());
        let rate = acks.count() as f64 / load.duration.as_secs_f64();
        let (p50, p99) = (acks.at(0.50), acks.at(0.99));
        let own = per_message(before.0, after.0, acks.count());
        let theirs =
            before.1.zip(after.1).map_or(0.0, |(from, to)| per_message(from, to, acks.count()));
        println!("{title:<44} {rate:>10.0} {p50:>10.2} {p99:>10.2} {own:>14.1} {theirs:>14.1}");
        figures.push((format!("chat.{name}.own_cpu_us"), own));
        figures.push((format!("chat.{name}.postgres_cpu_us"), theirs));
        figures.push((format!("chat.{name}.acks_per_second"), rate));
        figures.push((format!("chat.{name}.ack_p50_ms"), p50));
        figures.push((format!("chat.{name}.ack_p99_ms"), p99));
    }
    let (mut acks, mut deliveries) = runtime.block_on(steady(&database, duration));
    for (name, title, quantiles) in [
        ("ack", "1000 a second: send to answer", &mut acks),
        ("delivery", "1000 a second: send to each of 10 readers", &mut deliveries),
    ] {
        let (p50, p99) = (quantiles.at(0.50), quantiles.at(0.99));
        println!("{title:<44} {:>10} {p50:>10.2} {p99:>10.2}", "");
        figures.push((format!("chat.steady.{name}_p50_ms"), p50));
        figures.push((format!("chat.steady.{name}_p99_ms"), p99));
    }
    let before = cpu::own();
    let (rate, deliveries) = runtime.block_on(crowd(&database, duration));
    let own = per_message(before, cpu::own(), deliveries);
    println!(
        "{:<44} {rate:>10.0} {:>10} {:>10} {own:>14.2}",
        "deliveries to 1000 readers of one room", "", ""
    );
    figures.push(("chat.crowd.deliveries_per_second".to_owned(), rate));
    figures.push(("chat.crowd.own_cpu_us".to_owned(), own));
    if !is_test {
        summary::merge(&figures);
    }
    database.stop();
}

fn per_message(before: Duration, after: Duration, messages: usize) -> f64 {
    after.saturating_sub(before).as_secs_f64() * 1e6 / messages as f64
}

/// Every sender sends its next message as soon as the last one is answered.
async fn saturate(database: &Database, load: &Load) -> Quantiles {
    let pool = database.fresh().await;
    let (service, running) =
        ChatService::start(pool.clone(), Bus::memory(), Config::default()).await.expect("migrated");
    let alice = person(&pool).await;
    let rooms = rooms(&service, &alice, load.conversations).await;

    let until = Instant::now() + load.duration;
    let mut senders = JoinSet::new();
    for sender in 0..load.senders {
        let (service, alice) = (service.clone(), alice.clone());
        let conversation = rooms[sender % rooms.len()];
        senders.spawn(async move {
            let mut acks = Vec::new();
            while Instant::now() < until {
                let sent_at = Instant::now();
                service.send(&alice, conversation, message()).await.expect("stored");
                acks.push(sent_at.elapsed());
            }
            acks
        });
    }
    let acks: Vec<Duration> = senders.join_all().await.into_iter().flatten().collect();
    running.stop().await;
    pool.close().await;
    Quantiles::new(acks)
}

/// A thousand messages a second in 50 rooms with ten readers each.
async fn steady(database: &Database, duration: Duration) -> (Quantiles, Quantiles) {
    const ROOMS: usize = 50;
    const READERS: usize = 10;
    let pool = database.fresh().await;
    let (service, running) =
        ChatService::start(pool.clone(), Bus::memory(), Config::default()).await.expect("migrated");
    let alice = person(&pool).await;
    let rooms = rooms(&service, &alice, ROOMS).await;
    let started = Instant::now();
    let mut readers = JoinSet::new();
    for room in &rooms {
        for _ in 0..READERS {
            let reader = person(&pool).await;
            service.add_member(room.room(), &reader.user).await.expect("added");
            let (_, feed) = service.sync(&reader, None, Vec::new()).await.expect("synced");
            readers.spawn(read(feed, started));
        }
    }

    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sends = JoinSet::new();
    let until = Instant::now() + duration;
    let mut turn = 0;
    while Instant::now() < until {
        let sent_at = ticks.tick().await;
        let (service, alice, room) = (service.clone(), alice.clone(), rooms[turn % ROOMS]);
        turn += 1;
        sends.spawn(async move {
            // The text tells readers when it was due.
            let body = (sent_at - started).as_nanos().to_string();
            let message = NewMessage { body, ..message() };
            service.send(&alice, room, message).await.expect("stored");
            sent_at.elapsed()
        });
    }
    let acks = Quantiles::new(sends.join_all().await);
    running.stop().await;
    let deliveries: Vec<Duration> = readers.join_all().await.into_iter().flatten().collect();
    assert!(deliveries.len() >= turn * READERS * 99 / 100, "readers get everything");
    pool.close().await;
    (acks, Quantiles::new(deliveries))
}

/// Sixteen senders in one room that a thousand people read.
async fn crowd(database: &Database, duration: Duration) -> (f64, usize) {
    const READERS: usize = 1000;
    const SENDERS: usize = 16;
    let pool = database.fresh().await;
    let (service, running) =
        ChatService::start(pool.clone(), Bus::memory(), Config::default()).await.expect("migrated");
    let alice = person(&pool).await;
    let room = rooms(&service, &alice, 1).await[0];
    let mut readers = JoinSet::new();
    for _ in 0..READERS {
        let reader = person(&pool).await;
        service.add_member(room.room(), &reader.user).await.expect("added");
        let (_, feed) = service.sync(&reader, None, Vec::new()).await.expect("synced");
        readers.spawn(count(feed));
    }
    let until = Instant::now() + duration;
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let (service, alice) = (service.clone(), alice.clone());
        senders.spawn(async move {
            while Instant::now() < until {
                service.send(&alice, room, message()).await.expect("stored");
            }
        });
    }
    senders.join_all().await;
    running.stop().await;
    let deliveries: usize = readers.join_all().await.into_iter().sum();
    pool.close().await;
    (deliveries as f64 / duration.as_secs_f64(), deliveries)
}

async fn count(mut feed: Feed) -> usize {
    let mut events = 0;
    while let Some(notice) = feed.next().await {
        events += usize::from(matches!(notice, Notice::ChatEvent { .. }));
    }
    events
}

async fn read(mut feed: Feed, started: Instant) -> Vec<Duration> {
    let mut latencies = Vec::new();
    while let Some(notice) = feed.next().await {
        if let Notice::ChatEvent { event } = notice
            && let Change::MessageSent { message } = event.change
            && let Ok(sent) = message.body.parse()
        {
            latencies.push(started.elapsed() - Duration::from_nanos(sent));
        }
    }
    latencies
}

async fn person(pool: &PgPool) -> Identity {
    let id = Uuid::now_v7();
    sqlx::query("INSERT INTO users (id, name, kind) VALUES ($1, 'alice', 'account')")
        .bind(id)
        .execute(pool)
        .await
        .expect("migrated");
    Identity {
        user: UserInfo { id: UserId(id), name: "alice".to_owned(), guest: false },
        grants: Grants::account(),
        expires_at: Timestamp(OffsetDateTime::UNIX_EPOCH),
        family: Uuid::nil(),
    }
}

async fn rooms(service: &ChatService, owner: &Identity, count: usize) -> Vec<ConversationId> {
    let mut rooms = Vec::with_capacity(count);
    for n in 0..count {
        let room = service.create_room(owner, &format!("Room {n}")).await.expect("created");
        rooms.push(room.id.conversation());
    }
    rooms
}

fn message() -> NewMessage {
    NewMessage { client_id: ClientMessageId(Uuid::new_v4()), body: BODY.to_owned(), reply_to: None }
}
