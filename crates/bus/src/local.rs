//! Subscribers of this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::{Signal, Topic};

/// Messages a subscriber may be behind on one topic. Beyond, the oldest are dropped and the
/// subscriber is told [`Signal::Lagged`].
pub(crate) const SUBSCRIPTION_CAPACITY: usize = 1024;

/// Who listens to what. Locked for the length of a lookup, never across an await.
#[derive(Default)]
pub(crate) struct Local {
    topics: Mutex<HashMap<Topic, broadcast::Sender<Signal>>>,
    /// Woken when the set of topics changed.
    pub(crate) changed: Notify,
}

impl Local {
    pub(crate) fn subscribe(local: &Arc<Self>, topic: &Topic) -> Subscription {
        let receiver = local
            .lock()
            .entry(topic.clone())
            .or_insert_with(|| broadcast::Sender::new(SUBSCRIPTION_CAPACITY))
            .subscribe();
        Subscription { local: Arc::clone(local), topic: topic.clone(), receiver: Some(receiver) }
    }

    pub(crate) fn deliver(&self, topic: &Topic, payload: &Bytes) {
        if let Some(sender) = self.lock().get(topic) {
            // An error says that nobody listens any more, which is no error here.
            let _ = sender.send(Signal::Message(payload.clone()));
        }
    }

    pub(crate) fn subscribers(&self, topic: &Topic) -> usize {
        self.lock().get(topic).map_or(0, broadcast::Sender::receiver_count)
    }

    /// Tells the subscribers of these topics that they may have missed something.
    pub(crate) fn lagged(&self, topics: &[Topic]) {
        let known = self.lock();
        for sender in topics.iter().filter_map(|topic| known.get(topic)) {
            let _ = sender.send(Signal::Lagged);
        }
    }

    /// What is listened to now.
    pub(crate) fn topics(&self) -> Vec<Topic> {
        self.lock().keys().cloned().collect()
    }

    fn leave(&self, topic: &Topic) {
        let mut topics = self.lock();
        if topics.get(topic).is_some_and(|sender| sender.receiver_count() == 0) {
            topics.remove(topic);
            self.changed.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Topic, broadcast::Sender<Signal>>> {
        // Nothing panics while it is held; the map is whole either way.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The messages of one topic, until it is dropped.
pub struct Subscription {
    local: Arc<Local>,
    topic: Topic,
    /// Gone only while this is being dropped.
    receiver: Option<broadcast::Receiver<Signal>>,
}

impl Subscription {
    /// What is subscribed to.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// The next signal. Cancel-safe.
    pub async fn next(&mut self) -> Signal {
        let received = match &mut self.receiver {
            Some(receiver) => receiver.recv().await,
            None => Err(RecvError::Closed),
        };
        match received {
            Ok(signal) => signal,
            Err(RecvError::Lagged(_)) => Signal::Lagged,
            // The sender lives in the map as long as a receiver does; nothing more can come.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // Before the count is looked at.
        self.receiver = None;
        self.local.leave(&self.topic);
    }
}
