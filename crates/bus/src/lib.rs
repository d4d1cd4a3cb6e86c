//! Hints between the parts and nodes of one installation.
//!
//! A [`Bus`] carries small messages by [`Topic`] to whoever subscribed: inside this process at once,
//! and, over Redis, to the other nodes. **It may lose anything**, and says so: publishing never
//! waits, full queues drop, and a [`Subscription`] that may have missed something receives
//! [`Signal::Lagged`]. Whoever needs the truth keeps it elsewhere and reads it again then.
//!
//! Both carriers keep the contract of `tests/contract.rs`: messages of one publisher on one topic
//! arrive in order or not at all, topics do not mix, nobody waits for a slow subscriber.

mod local;
mod redis;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;

pub use crate::local::Subscription;
pub use crate::redis::{BusError, RedisConfig};

use crate::local::Local;
use crate::redis::Remote;

/// What a message is about. Equal names are the same topic on every node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Topic(Arc<str>);

impl Topic {
    /// A topic by name. Names are chosen by code, not by users.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a subscriber is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Somebody published this.
    Message(Bytes),
    /// Something may have been missed: the subscriber was slow, or the way to other nodes was away
    /// and is back. Over Redis also the word that other nodes are heard from here on, when nobody
    /// in this process had subscribed to the topic before.
    Lagged,
}

/// Publishes and subscribes. Clones share one carrier, which ends with the last of them.
#[derive(Clone)]
pub struct Bus {
    local: Arc<Local>,
    remote: Option<Arc<Remote>>,
    counters: Arc<Counters>,
}

/// How a bus has fared since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusStats {
    /// Messages handed to [`Bus::publish`].
    pub published: u64,
    /// Messages other nodes did not get, because the queue was full or Redis was away.
    pub dropped: u64,
    /// Times the way to other nodes was lost.
    pub disconnects: u64,
}

#[derive(Default)]
struct Counters {
    published: AtomicU64,
    dropped: AtomicU64,
    disconnects: AtomicU64,
}

impl Bus {
    /// A bus inside this process: all a single node needs.
    pub fn memory() -> Self {
        Self { local: Arc::default(), remote: None, counters: Arc::default() }
    }

    /// A bus that also reaches the other nodes through Redis.
    ///
    /// Redis need not be there yet, or stay: the bus connects when it can, and until then reaches
    /// this process only. Call it inside a Tokio runtime.
    ///
    /// # Errors
    /// When the configuration cannot mean a Redis server.
    pub fn redis(config: RedisConfig) -> Result<Self, BusError> {
        let local = Arc::<Local>::default();
        let counters = Arc::<Counters>::default();
        let remote = Remote::start(config, Arc::clone(&local), Arc::clone(&counters))?;
        Ok(Self { local, remote: Some(Arc::new(remote)), counters })
    }

    /// Tells everybody who subscribed to `topic`. Never waits, and may lose the message.
    pub fn publish(&self, topic: &Topic, payload: Bytes) {
        self.counters.published.fetch_add(1, Ordering::Relaxed);
        // Own subscribers get it without a detour, so that losing Redis costs this node nothing.
        self.local.deliver(topic, &payload);
        if let Some(remote) = &self.remote {
            remote.publish(topic, payload);
        }
    }

    /// Whether anybody could hear `topic`: a subscriber in this process, or another node.
    pub fn reaches_anybody(&self, topic: &Topic) -> bool {
        self.remote.is_some() || self.local.subscribers(topic) > 0
    }

    /// How many subscriptions of this process there are to `topic`.
    pub fn subscribers(&self, topic: &Topic) -> usize {
        self.local.subscribers(topic)
    }

    /// Receives what is published on `topic` from now on, until it is dropped.
    pub fn subscribe(&self, topic: &Topic) -> Subscription {
        let subscription = Local::subscribe(&self.local, topic);
        if let Some(remote) = &self.remote {
            remote.topics_changed();
        }
        subscription
    }

    /// How the bus has fared.
    pub fn stats(&self) -> BusStats {
        BusStats {
            published: self.counters.published.load(Ordering::Relaxed),
            dropped: self.counters.dropped.load(Ordering::Relaxed),
            disconnects: self.counters.disconnects.load(Ordering::Relaxed),
        }
    }
}
