//! Two nodes with Redis between them: losing it costs latency and nothing else.

use std::time::Duration;

use confer_bus::{Bus, RedisConfig};
use confer_chat::Config;
use confer_testdb::RedisServer;

use crate::support::{assert_gap_free, body, cursor, next_event, quick, setup, text};

fn node_bus(redis: &RedisServer) -> Bus {
    let config = RedisConfig {
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(50),
        ..RedisConfig::new(redis.url())
    };
    Bus::redis(config).expect("a URL")
}

/// Sweeps so rarely that only a sign of the bus explains what arrives.
fn rarely_sweeping() -> Config {
    Config { sweep_interval: Duration::from_secs(3600), ..quick() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_crosses_to_another_node_by_hint() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let redis = RedisServer::start();
    let (here, here_running) = setup.another_node(node_bus(&redis), rarely_sweeping()).await;
    let (there, there_running) = setup.another_node(node_bus(&redis), rarely_sweeping()).await;
    let (_, mut feed) = there.sync(&bob, None, Vec::new()).await.expect("synced");
    // Whether this is heard live or found when the subscription is confirmed, it is heard.
    for n in 0..50 {
        here.send(&alice, room.conversation(), text(&format!("{n}"))).await.expect("sent");
        assert_eq!(body(&next_event(&mut feed).await), format!("{n}"));
    }
    here_running.stop().await;
    there_running.stop().await;
    setup.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_killed_and_back_loses_nothing_doubles_nothing_and_heals_by_itself() {
    let setup = setup().await;
    let (alice, bob, room) = setup.room_of_two().await;
    let mut redis = RedisServer::start();
    // The reading node sweeps as in production; the sends go through the other one.
    let sweeping = Config { sweep_interval: Duration::from_millis(100), ..quick() };
    let (here, here_running) = setup.another_node(node_bus(&redis), rarely_sweeping()).await;
    let (there, there_running) = setup.another_node(node_bus(&redis), sweeping).await;
    let conversation = room.conversation();
    let (synced, mut feed) =
        there.sync(&bob, Some(there.epoch()), vec![cursor(conversation, 0)]).await.expect("synced");
    let mut heard = synced.conversations[0].events.clone();
    for n in 0..60 {
        match n {
            20 => redis.kill(),
            40 => redis.restart(),
            _ => {}
        }
        let sent = here.send(&alice, conversation, text(&format!("{n}"))).await;
        sent.expect("Redis is not needed to send");
        let event = next_event(&mut feed).await;
        assert_eq!(body(&event), format!("{n}"));
        heard.push(event);
    }
    assert_gap_free(heard.iter().map(|event| event.event_seq.0));
    assert_eq!(heard.len(), 62);
    here_running.stop().await;
    there_running.stop().await;
    setup.stop().await;
}
