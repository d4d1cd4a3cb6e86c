//! Two nodes on one carrier.

use std::time::Duration;

use bytes::Bytes;
use confer_bus::{Bus, RedisConfig, Signal, Subscription, Topic};
use confer_testdb::RedisServer;

/// Longer than anything takes here; reached only when something is lost for good.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    Memory,
    Redis,
}

pub(crate) struct Nodes {
    pub(crate) one: Bus,
    pub(crate) two: Bus,
    carrier: Carrier,
    /// Ends with the test.
    _redis: Option<RedisServer>,
}

impl Nodes {
    pub(crate) async fn start(carrier: Carrier) -> Self {
        match carrier {
            Carrier::Memory => {
                let bus = Bus::memory();
                Self { one: bus.clone(), two: bus, carrier, _redis: None }
            }
            Carrier::Redis => {
                let redis = RedisServer::start();
                let (one, two) = (node(&redis), node(&redis));
                // A first message that crosses shows that the publishing side is connected too.
                for (from, to) in [(&one, &two), (&two, &one)] {
                    let topic = Topic::new("hello");
                    let mut heard = to.subscribe(&topic);
                    assert_eq!(signal(&mut heard).await, Signal::Lagged);
                    from.publish(&topic, Bytes::new());
                    assert_eq!(signal(&mut heard).await, Signal::Message(Bytes::new()));
                }
                Self { one, two, carrier, _redis: Some(redis) }
            }
        }
    }

    /// Subscribes and waits until the other node is heard as well.
    pub(crate) async fn listen(&self, node: &Bus, topic: &Topic) -> Subscription {
        let mut subscription = node.subscribe(topic);
        let is_first = subscription_is_first(node, topic);
        if self.carrier == Carrier::Redis && is_first {
            assert_eq!(signal(&mut subscription).await, Signal::Lagged);
        }
        subscription
    }
}

/// Only a node's first subscription to a topic makes it ask Redis, and is told when that is done.
fn subscription_is_first(node: &Bus, topic: &Topic) -> bool {
    node.subscribers(topic) == 1
}

pub(crate) fn message(number: u32) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}

/// The next message, whatever else is signalled.
pub(crate) async fn next(subscription: &mut Subscription) -> Bytes {
    loop {
        if let Signal::Message(bytes) = signal(subscription).await {
            return bytes;
        }
    }
}

pub(crate) async fn signal(subscription: &mut Subscription) -> Signal {
    tokio::time::timeout(PATIENCE, subscription.next()).await.expect("a signal comes")
}

/// A node on this server that does not wait long for it.
pub(crate) fn node(redis: &RedisServer) -> Bus {
    let config = RedisConfig {
        first_pause: Duration::from_millis(5),
        longest_pause: Duration::from_millis(50),
        ..RedisConfig::new(redis.url())
    };
    Bus::redis(config).expect("a URL")
}
