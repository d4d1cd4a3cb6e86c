use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use confer_protocol::id::RoomId;
use confer_protocol::media::MediaEvent;
use confer_signaling_core::hub::Parting;
use confer_signaling_core::ports::{ChatPlane, Directory, MediaPlane, Presence};
use confer_signaling_core::{ConnectionId, Limits};
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use uuid::Uuid;

use crate::config::Config;
use crate::hub_task::{self, HUB_CAPACITY, ToHub};
use crate::metrics::{Counters, Metrics};
use crate::router;
use crate::waiting_room::WaitingRoom;

/// The parts signaling speaks to.
#[derive(Clone)]
pub struct Ports {
    pub media: Arc<dyn MediaPlane>,
    pub chat: Arc<dyn ChatPlane>,
    pub directory: Arc<dyn Directory>,
}

/// Starts signaling on the current tokio runtime: spawns the hub's task, and returns the handle for
/// other parts and the route `GET /v1/connect`.
///
/// The task ends with the runtime, or when the handle, the router and all sockets are gone.
pub fn start(
    ports: Ports,
    media_events: mpsc::Receiver<MediaEvent>,
    config: Config,
) -> (Signaling, axum::Router) {
    let (hub, inputs) = mpsc::channel(HUB_CAPACITY);
    let shared = Arc::new(Shared {
        hub,
        limits: Arc::new(config.limits.clone()),
        server: config.server.as_str().into(),
        connections: Arc::new(Semaphore::new(config.connections)),
        waiting_room: Arc::new(WaitingRoom::new(
            config.unauthenticated_connections,
            config.unauthenticated_per_address,
        )),
        next_connection: AtomicU64::new(0),
        draining: AtomicBool::new(false),
        tracker: TaskTracker::new(),
        ports,
        config,
        board: Arc::new(Board::default()),
    });
    let task = hub_task::run(
        shared.config.limits.clone(),
        Arc::clone(&shared.ports.media),
        inputs,
        media_events,
        Arc::clone(&shared.board),
    );
    tokio::spawn(task);
    (Signaling(Arc::clone(&shared)), router::router(shared))
}

/// Signaling as other parts see it.
#[derive(Clone)]
pub struct Signaling(Arc<Shared>);

impl Signaling {
    /// What was counted, and what is there now.
    pub fn metrics(&self) -> Metrics {
        let in_call = self.0.board.in_call();
        let rooms = in_call.len() as u64;
        let participants = in_call.values().map(|count| u64::from(*count)).sum();
        self.0.board.counters.snapshot(rooms, participants)
    }

    /// Whether the hub's task lives. When it does not, which only a bug can bring about, sockets
    /// are refused and the process should be started anew.
    pub fn is_alive(&self) -> bool {
        !self.0.hub.is_closed()
    }

    /// Takes in nobody more, tells everybody, and closes all sockets with `Drained`. Returns when
    /// they are closed, or after [`Config::drain_timeout`].
    pub async fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
        let retry_after = self.0.config.drain_retry_after;
        let told = self.0.hub.send(ToHub::Drain { retry_after }).await;
        if told.is_ok() {
            tokio::time::sleep(self.0.config.drain_notice).await;
        }
        self.0.tracker.close();
        let closed = async {
            // Sockets that were in the middle of their handshake arrive after the word.
            while self.0.hub.send(ToHub::CloseAll).await.is_ok() && !self.0.tracker.is_empty() {
                let settle = std::time::Duration::from_millis(100);
                let _ = tokio::time::timeout(settle, self.0.tracker.wait()).await;
            }
        };
        if tokio::time::timeout(self.0.config.drain_timeout, closed).await.is_err() {
            tracing::warn!(sockets = self.0.tracker.len(), "sockets did not close in time");
        }
    }
}

impl Presence for Signaling {
    fn in_call(&self, room: RoomId) -> u32 {
        self.0.board.in_call().get(&room).copied().unwrap_or(0)
    }

    fn revoke(&self, whose: Uuid) {
        self.0.board.urgent().revoked.insert(whose);
        self.0.board.changed.notify_one();
    }
}

/// What every socket's task shares.
pub(crate) struct Shared {
    pub(crate) ports: Ports,
    pub(crate) config: Config,
    pub(crate) limits: Arc<Limits>,
    pub(crate) server: Arc<str>,
    pub(crate) hub: mpsc::Sender<ToHub>,
    pub(crate) board: Arc<Board>,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) waiting_room: Arc<WaitingRoom>,
    pub(crate) draining: AtomicBool,
    next_connection: AtomicU64,
    tracker: TaskTracker,
}

impl Shared {
    pub(crate) fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed))
    }

    /// Held by a socket's task for as long as it runs.
    pub(crate) fn task_token(&self) -> TaskTrackerToken {
        self.tracker.token()
    }
}

/// What the hub's task writes for others, and what reaches it past its queue.
#[derive(Debug, Default)]
pub(crate) struct Board {
    pub(crate) counters: Counters,
    in_call: Mutex<BTreeMap<RoomId, u32>>,
    urgent: Mutex<Urgent>,
    pub(crate) changed: Notify,
}

/// Words that may come from where nobody can wait for room in a queue. Bounded by the users and
/// sockets there are.
#[derive(Debug, Default)]
pub(crate) struct Urgent {
    pub(crate) revoked: BTreeSet<Uuid>,
    /// Sockets whose tasks ended without saying so.
    pub(crate) lost: Vec<(ConnectionId, Parting)>,
}

impl Board {
    pub(crate) fn in_call(&self) -> MutexGuard<'_, BTreeMap<RoomId, u32>> {
        // Nothing that can panic runs under these locks.
        self.in_call.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn urgent(&self) -> MutexGuard<'_, Urgent> {
        self.urgent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
