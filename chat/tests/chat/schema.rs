//! The schema, as every node applies it when it starts.

use confer_bus::Bus;
use confer_chat::{ChatService, Config};
use confer_testdb::TestDatabase;
use tokio::task::JoinSet;

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
