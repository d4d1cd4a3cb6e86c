//! The way to other nodes: Redis pub/sub.
//!
//! Two tasks, one that publishes and one that listens, each with its own connection, each
//! reconnecting by itself. Every message carries the id of the bus it comes from, because a node
//! hears its own messages too and has delivered them already.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use ::redis::{AsyncConnectionConfig, Client, Msg, RedisError};
use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tracing::{debug, info, warn};
use uuid::Uuid;

use crate::local::Local;
use crate::{Counters, Topic};

/// Messages waiting for Redis. Beyond, new ones are dropped and counted.
const PUBLISH_CAPACITY: usize = 4096;

/// Messages sent to Redis in one round trip.
const PIPELINE_LENGTH: usize = 256;

/// Bytes of the sender's id before every payload.
const ORIGIN_BYTES: usize = 16;

/// Where Redis is and how patient the bus is with it.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// `redis://host:port` or `redis+unix:///path`. May contain a password, so it is never logged.
    pub url: String,
    /// Put before every topic, so that several installations can share one server. Default:
    /// `confer`.
    pub prefix: String,
    /// How long connecting or an answer may take. Default: 3 s.
    pub patience: Duration,
    /// Pause after a first failure; it doubles up to `longest_pause`. Default: 50 ms.
    pub first_pause: Duration,
    /// Default: 2 s.
    pub longest_pause: Duration,
    /// How often a silent connection is asked whether it lives. Default: 5 s.
    pub ping_interval: Duration,
}

impl RedisConfig {
    /// The defaults for the server at `url`.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "confer".to_owned(),
            patience: Duration::from_secs(3),
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(2),
            ping_interval: Duration::from_secs(5),
        }
    }
}

/// Why a bus could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The URL does not name a Redis server. The cause does not repeat it.
    #[error("the Redis URL cannot be used")]
    BadUrl(#[source] RedisError),
}

/// Handle of the two tasks; they end when it is dropped.
pub(crate) struct Remote {
    outgoing: mpsc::Sender<(Topic, Bytes)>,
    local: Arc<Local>,
    counters: Arc<Counters>,
    tasks: [JoinHandle<()>; 2],
}

impl Remote {
    pub(crate) fn start(
        config: RedisConfig,
        local: Arc<Local>,
        counters: Arc<Counters>,
    ) -> Result<Self, BusError> {
        let client = Client::open(config.url.as_str()).map_err(BusError::BadUrl)?;
        let link = Link {
            client,
            config,
            origin: Uuid::new_v4(),
            local: Arc::clone(&local),
            counters: Arc::clone(&counters),
        };
        let (outgoing, queue) = mpsc::channel(PUBLISH_CAPACITY);
        let tasks =
            [tokio::spawn(publish_all(link.clone(), queue)), tokio::spawn(listen_forever(link))];
        Ok(Self { outgoing, local, counters, tasks })
    }

    pub(crate) fn publish(&self, topic: &Topic, payload: Bytes) {
        if self.outgoing.try_send((topic.clone(), payload)).is_err() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn topics_changed(&self) {
        self.local.changed.notify_one();
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What both tasks know.
#[derive(Clone)]
struct Link {
    client: Client,
    config: RedisConfig,
    origin: Uuid,
    local: Arc<Local>,
    counters: Arc<Counters>,
}

impl Link {
    fn channel(&self, topic: &Topic) -> String {
        format!("{}:{}", self.config.prefix, topic.as_str())
    }

    fn topic<'a>(&self, channel: &'a str) -> Option<&'a str> {
        channel.strip_prefix(self.config.prefix.as_str())?.strip_prefix(':')
    }
}

/// Sends what is queued; what cannot be sent is dropped and counted.
async fn publish_all(link: Link, mut queue: mpsc::Receiver<(Topic, Bytes)>) {
    let mut connection: Option<MultiplexedConnection> = None;
    let mut pause = Pause::new(&link.config);
    let mut batch = Vec::with_capacity(PIPELINE_LENGTH);
    while queue.recv_many(&mut batch, PIPELINE_LENGTH).await > 0 {
        let published = match connection.take() {
            Some(connected) => publish_batch(&link, connected, &batch).await,
            None => match connect(&link).await {
                Ok(connected) => publish_batch(&link, connected, &batch).await,
                Err(error) => Err(error),
            },
        };
        match published {
            Ok(connected) => {
                connection = Some(connected);
                pause.reset();
            }
            Err(error) => {
                debug!(%error, messages = batch.len(), "hints for other nodes are dropped");
                link.counters.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
                pause.wait().await;
            }
        }
        batch.clear();
    }
}

async fn connect(link: &Link) -> Result<MultiplexedConnection, RedisError> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(link.config.patience))
        .set_response_timeout(Some(link.config.patience));
    link.client.get_multiplexed_async_connection_with_config(&config).await
}

async fn publish_batch(
    link: &Link,
    mut connection: MultiplexedConnection,
    batch: &[(Topic, Bytes)],
) -> Result<MultiplexedConnection, RedisError> {
    let mut pipeline = ::redis::pipe();
    for (topic, payload) in batch {
        let mut message = Vec::with_capacity(ORIGIN_BYTES + payload.len());
        message.extend_from_slice(link.origin.as_bytes());
        message.extend_from_slice(payload);
        pipeline.cmd("PUBLISH").arg(link.channel(topic)).arg(message).ignore();
    }
    pipeline.query_async::<()>(&mut connection).await?;
    Ok(connection)
}

/// Listens, and comes back whenever the connection is lost.
async fn listen_forever(link: Link) {
    let mut pause = Pause::new(&link.config);
    let mut reported = false;
    loop {
        let connected_at = Instant::now();
        let lost = match timeout(link.config.patience, link.client.get_async_pubsub()).await {
            Ok(Ok(connection)) => {
                let (sink, stream) = connection.split();
                info!("connected to Redis");
                reported = false;
                let lost = listen(&link, sink, stream).await;
                link.counters.disconnects.fetch_add(1, Ordering::Relaxed);
                lost
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "connecting took too long".to_owned(),
        };
        if !reported {
            warn!(reason = %lost, "Redis is away: other nodes are told of changes with a delay");
            reported = true;
        }
        if connected_at.elapsed() > link.config.longest_pause {
            pause.reset();
        }
        pause.wait().await;
    }
}

/// Returns why the connection can no longer be used.
async fn listen(link: &Link, mut sink: PubSubSink, mut stream: PubSubStream) -> String {
    let mut subscribed = HashSet::new();
    let mut ping = interval(link.config.ping_interval);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        if let Err(reason) = follow_topics(link, &mut sink, &mut subscribed).await {
            return reason;
        }
        // Messages first; topics that changed meanwhile have left a permit in `changed`.
        loop {
            tokio::select! {
                biased;
                message = stream.next() => match message {
                    Some(message) => receive(link, &message),
                    None => return "Redis closed the connection".to_owned(),
                },
                () = link.local.changed.notified() => break,
                _ = ping.tick() => {
                    let answer = timeout(link.config.patience, sink.ping::<::redis::Value>()).await;
                    if !matches!(answer, Ok(Ok(_))) {
                        return "Redis does not answer".to_owned();
                    }
                }
            }
        }
    }
}

/// Makes the subscriptions at Redis those of this process, and tells subscribers from where on they
/// hear other nodes.
async fn follow_topics(
    link: &Link,
    sink: &mut PubSubSink,
    subscribed: &mut HashSet<Topic>,
) -> Result<(), String> {
    let wanted: HashSet<Topic> = link.local.topics().into_iter().collect();
    let added: Vec<Topic> = wanted.difference(subscribed).cloned().collect();
    let removed: Vec<Topic> = subscribed.difference(&wanted).cloned().collect();
    let channels = |topics: &[Topic]| -> Vec<String> {
        topics.iter().map(|topic| link.channel(topic)).collect()
    };
    let change = async {
        if !added.is_empty() {
            sink.subscribe(channels(&added)).await?;
        }
        if !removed.is_empty() {
            sink.unsubscribe(channels(&removed)).await?;
        }
        Ok::<(), RedisError>(())
    };
    match timeout(link.config.patience, change).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("Redis does not answer".to_owned()),
    }
    link.local.lagged(&added);
    *subscribed = wanted;
    Ok(())
}

fn receive(link: &Link, message: &Msg) {
    let bytes = message.get_payload_bytes();
    let Some((origin, payload)) = bytes.split_at_checked(ORIGIN_BYTES) else {
        debug!("a message without a sender was ignored");
        return;
    };
    if origin == link.origin.as_bytes() {
        return;
    }
    if let Some(topic) = link.topic(message.get_channel_name()) {
        link.local.deliver(&Topic::new(topic), &Bytes::copy_from_slice(payload));
    }
}

/// Growing pauses between attempts.
struct Pause {
    next: Duration,
    first: Duration,
    longest: Duration,
}

impl Pause {
    fn new(config: &RedisConfig) -> Self {
        Self { next: config.first_pause, first: config.first_pause, longest: config.longest_pause }
    }

    fn reset(&mut self) {
        self.next = self.first;
    }

    async fn wait(&mut self) {
        let pause = self.next;
        self.next = (pause * 2).min(self.longest);
        sleep(pause).await;
    }
}
