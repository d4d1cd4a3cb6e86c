//! What waits for a client's connection: bounded in bytes, and what does not fit is lost. Media
//! that is late is worth nothing, and a slow client must not be others' burden.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Entries waiting for one client.
const ENTRIES: usize = 256;
/// Bytes waiting for one client: a tenth of a second of 40 Mbit/s.
const BYTES: usize = 512 * 1024;

/// Something for a client's connection.
#[derive(Debug)]
pub(crate) enum Outbound {
    Frames(Vec<u8>),
    /// The answer to ConnectionBind; after it, the connection is the peer's (RFC 6062, section
    /// 5.4), until `stop`.
    Splice {
        answer: Vec<u8>,
        peer: TcpStream,
        stop: CancellationToken,
    },
}

/// The thread's end.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    entries: mpsc::Sender<Outbound>,
    waiting: Arc<AtomicUsize>,
    holds: Arc<AtomicBool>,
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct QueueEnd {
    entries: mpsc::Receiver<Outbound>,
    waiting: Arc<AtomicUsize>,
    /// Whether the client has an allocation.
    pub(crate) holds: Arc<AtomicBool>,
}

pub(crate) fn queue() -> (Queue, QueueEnd) {
    let (sender, receiver) = mpsc::channel(ENTRIES);
    let waiting = Arc::new(AtomicUsize::new(0));
    let holds = Arc::new(AtomicBool::new(false));
    let (waits, held) = (Arc::clone(&waiting), Arc::clone(&holds));
    let queue = Queue { entries: sender, waiting: waits, holds: held };
    (queue, QueueEnd { entries: receiver, waiting, holds })
}

impl Queue {
    /// Queues frames; `false` when they are lost.
    pub(crate) fn frames(&self, frames: &[u8]) -> bool {
        if self.waiting.load(Ordering::Relaxed) + frames.len() > BYTES {
            return false;
        }
        self.push(Outbound::Frames(frames.to_vec()))
    }

    /// Notes whether the client has an allocation.
    pub(crate) fn hold(&self, holds: bool) {
        self.holds.store(holds, Ordering::Relaxed);
    }

    pub(crate) fn push(&self, outbound: Outbound) -> bool {
        self.waiting.fetch_add(outbound.bytes(), Ordering::Relaxed);
        match self.entries.try_send(outbound) {
            Ok(()) => true,
            Err(lost) => {
                self.waiting.fetch_sub(lost.into_inner().bytes(), Ordering::Relaxed);
                false
            }
        }
    }
}

impl QueueEnd {
    /// `None` when the thread has forgotten this connection.
    pub(crate) async fn next(&mut self) -> Option<Outbound> {
        let next = self.entries.recv().await?;
        self.waiting.fetch_sub(next.bytes(), Ordering::Relaxed);
        Some(next)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Outbound {
    fn bytes(&self) -> usize {
        match self {
            Self::Frames(bytes) | Self::Splice { answer: bytes, .. } => bytes.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_is_lost_until_there_is_room_again() {
        let (queue, mut end) = queue();
        let half = vec![0; BYTES / 2];
        assert!(queue.frames(&half));
        assert!(queue.frames(&half));
        assert!(!queue.frames(&[0]));
        assert!(matches!(end.next().await, Some(Outbound::Frames(_))));
        assert!(queue.frames(&[0]));
        for _ in 0..ENTRIES {
            queue.frames(&[0]);
        }
        assert!(!queue.frames(&[0]));
    }
}
