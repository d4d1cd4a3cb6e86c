//! The way to the media plane for everybody else.

use std::sync::{Arc, Mutex, PoisonError};

use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::media::{MediaAction, MediaCommand};

use crate::command_queue::{CommandQueue, Refusal};
use crate::placement::Placement;
use crate::stats::{Published, ShardSnapshot};

/// Sends commands to the shards. Cloning is cheap.
#[derive(Clone)]
pub struct SfuHandle {
    inner: Arc<Inner>,
}

struct Inner {
    placement: Mutex<Placement>,
    shards: Vec<ShardLink>,
}

/// One shard as seen from outside its thread.
pub(crate) struct ShardLink {
    pub(crate) commands: Arc<CommandQueue>,
    pub(crate) published: Arc<Published>,
}

impl SfuHandle {
    pub(crate) fn new(shards: Vec<ShardLink>) -> Self {
        let placement = Mutex::new(Placement::new(shards.len()));
        Self { inner: Arc::new(Inner { placement, shards }) }
    }

    /// Queues a command for the room's home shard. Commands about one participant are applied in
    /// the order in which they were given.
    ///
    /// # Errors
    /// `NotJoined` for a participant whose `Join` was not accepted before, `Unavailable` when the
    /// shard is too far behind or gone. The command is then not applied.
    pub fn send(&self, command: MediaCommand) -> Result<(), ErrorBody> {
        let (room, participant) = (command.room, command.participant);
        // Held while pushing: two commands about one participant must not overtake each other.
        let mut placement = self.inner.placement.lock().unwrap_or_else(PoisonError::into_inner);
        let was_here = placement.has(room, participant);
        let joins = matches!(command.action, MediaAction::Join { .. });
        let leaves = matches!(command.action, MediaAction::Leave);
        if !joins && !was_here {
            return Err(ErrorBody::new(
                ErrorCode::NotJoined,
                "This participant is in no call of this room; join first.",
            ));
        }

        let shard = if joins {
            placement.join(room, participant)
        } else {
            placement.home(room).expect("a room with a participant has a home")
        };
        let pushed = self.inner.shards[shard].commands.push(command);
        if leaves || (joins && !was_here && pushed.is_err()) {
            placement.leave(room, participant);
        }
        pushed.map_err(|refusal| match refusal {
            Refusal::Full => {
                let mut body = ErrorBody::new(
                    ErrorCode::Unavailable,
                    "The media thread of this room is busy; try again.",
                );
                body.retry_after_ms = Some(BUSY_RETRY_MS);
                body
            }
            Refusal::Closed => ErrorBody::new(
                ErrorCode::Unavailable,
                "The media thread of this room has ended; the server must be restarted.",
            ),
        })
    }

    /// What every shard counts, a quarter of a second old at most while it is at work.
    pub fn snapshots(&self) -> Vec<ShardSnapshot> {
        self.inner.shards.iter().map(|shard| shard.published.read()).collect()
    }

    /// Whether every media thread runs.
    pub fn is_alive(&self) -> bool {
        self.inner.shards.iter().all(|shard| !shard.commands.is_closed())
    }
}

/// A full queue is worked off within milliseconds unless the thread is stuck.
const BUSY_RETRY_MS: u32 = 100;
