//! The schema, as every node applies it when it starts.

use confer_bus::Bus;
use confer_chat::{ChatService, Config};
use confer_protocol::chat::HistoryQuery;
use confer_testdb::TestDatabase;
use sqlx::ConnectOptions;
use tokio::task::JoinSet;

use crate::support::{cursor, setup, text};

#[tokio::test(flavor = "multi_thread")]
async fn several_nodes_that_start_at_once_apply_each_migration_once() {
    let database = TestDatabase::create_empty().await;
    let early = ChatService::start(database.pool(), Bus::memory(), Config::default()).await;
    assert!(early.is_err(), "without its tables there is no service");

    let mut nodes = JoinSet::new();
    for _ in 0..4 {
        let pool = database.pool();
        nodes.spawn(async move { confer_chat::migrations().run(&pool).await });
    }
    for applied in nodes.join_all().await {
        applied.expect("one applies, the others wait for it");
    }
    let applied: i64 = sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success")
        .fetch_one(&database.pool())
        .await
        .expect("migrated");
    assert_eq!(applied as usize, confer_chat::migrations().iter().count());
    let (_, running) = ChatService::start(database.pool(), Bus::memory(), Config::default())
        .await
        .expect("migrated");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_young_database_is_probed_by_key_and_never_read_from_end_to_end() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let reader = bob.clone();
    let mut senders = JoinSet::new();
    for sender in [alice, bob] {
        for _ in 0..10 {
            let (service, sender) = (setup.service.clone(), sender.clone());
            senders.spawn(async move {
                for _ in 0..20 {
                    service.send(&sender, room.conversation(), text("hello")).await.expect("sent");
                }
            });
        }
    }
    senders.join_all().await;
    // Reads as often as it takes for statements to be planned once and for all.
    for _ in 0..20 {
        let reader = &reader;
        let cursors = vec![cursor(room.conversation(), 2)];
        let synced = setup.service.sync(reader, Some(setup.service.epoch()), cursors).await;
        assert_eq!(synced.expect("synced").0.conversations[0].events.len(), 300);
        setup.service.conversations(reader).await.expect("readable");
        let query = HistoryQuery::default();
        setup.service.history(reader, room.conversation(), query).await.expect("readable");
    }
    let (options, pool) = (setup.database.options(), setup.pool());
    setup.running.stop().await;
    pool.close().await;

    // Statistics are complete when the sessions that they are of have ended.
    let mut connection = options.connect().await.expect("the server lives");
    loop {
        let others: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()
               AND backend_type = 'client backend'",
        )
        .fetch_one(&mut connection)
        .await
        .expect("readable");
        if others == 0 {
            break;
        }
    }
    let (whole, probes): (i64, i64) = sqlx::query_as(
        "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'messages'",
    )
    .fetch_one(&mut connection)
    .await
    .expect("readable");
    assert!(probes >= 400, "each message was looked up: {probes}");
    assert_eq!(whole, 0);
}
