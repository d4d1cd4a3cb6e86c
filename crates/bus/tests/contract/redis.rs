use std::time::Duration;

use bytes::Bytes;
use confer_bus::{Bus, BusError, RedisConfig, Signal, Topic};

use confer_testdb::RedisServer;

use crate::carrier::{message, next, node, signal};

#[tokio::test]
async fn while_redis_is_away_own_subscribers_hear_and_others_are_told_afterwards() {
    let mut redis = RedisServer::start();
    let (one, two) = (node(&redis), node(&redis));
    let topic = Topic::new("weather");
    let mut here = one.subscribe(&topic);
    let mut there = two.subscribe(&topic);
    assert_eq!(signal(&mut here).await, Signal::Lagged);
    assert_eq!(signal(&mut there).await, Signal::Lagged);

    redis.kill();
    for n in 0..10 {
        one.publish(&topic, message(n));
        assert_eq!(next(&mut here).await, message(n));
    }
    redis.restart();
    // Both may have missed something, and both hear each other again.
    assert_eq!(signal(&mut here).await, Signal::Lagged);
    let mut heard = signal(&mut there).await;
    assert!(matches!(heard, Signal::Lagged), "{heard:?}");
    let mut n = 100;
    loop {
        // The publisher finds its connection broken with the first message it sends.
        one.publish(&topic, message(n));
        let waiting = tokio::time::timeout(Duration::from_millis(100), there.next()).await;
        if let Ok(signal) = waiting {
            heard = signal;
            if matches!(heard, Signal::Message(_)) {
                break;
            }
        }
        n += 1;
        assert!(n < 300, "messages cross again");
    }
    assert!(one.stats().disconnects >= 1);
}

#[tokio::test]
async fn a_bus_whose_redis_is_not_there_yet_works_alone_and_never_waits() {
    let mut redis = RedisServer::start();
    redis.kill();
    let bus = node(&redis);
    let topic = Topic::new("alone");
    let mut heard = bus.subscribe(&topic);
    for n in 0..10_000 {
        bus.publish(&topic, message(n));
    }
    assert!(bus.stats().dropped > 0, "what did not fit the queue was counted");
    assert_eq!(signal(&mut heard).await, Signal::Lagged);
    redis.restart();
    // The rest of the flood, then the word that other nodes are heard from now on.
    while signal(&mut heard).await != Signal::Lagged {}
}

#[tokio::test]
async fn redis_is_asked_only_for_topics_somebody_listens_to() {
    let redis = RedisServer::start();
    let bus = node(&redis);
    let (first, second) = (Topic::new("first"), Topic::new("second"));
    let mut first_heard = bus.subscribe(&first);
    let mut second_heard = bus.subscribe(&second);
    assert_eq!(signal(&mut first_heard).await, Signal::Lagged);
    assert_eq!(signal(&mut second_heard).await, Signal::Lagged);

    let client = ::redis::Client::open(redis.url()).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("the server lives");
    drop(first_heard);
    loop {
        let channels: Vec<String> = ::redis::cmd("PUBSUB")
            .arg("CHANNELS")
            .query_async(&mut connection)
            .await
            .expect("the server lives");
        if channels == ["confer:second"] {
            break;
        }
    }
    // Whatever else is published there is no message of a bus.
    for stray in ["", "too short"] {
        let () = ::redis::cmd("PUBLISH")
            .arg("confer:second")
            .arg(stray)
            .query_async(&mut connection)
            .await
            .expect("the server lives");
    }
    let other = node(&redis);
    other.publish(&second, Bytes::from_static(b"real"));
    assert_eq!(next(&mut second_heard).await, Bytes::from_static(b"real"));
}

#[tokio::test]
async fn what_is_no_redis_url_is_refused_without_repeating_it() {
    let secret = "http://:password@example.org";
    let Err(error) = Bus::redis(RedisConfig::new(secret)) else { panic!("accepted") };
    let BusError::BadUrl(cause) = &error;
    assert!(!format!("{error} {cause}").contains("password"));
}
