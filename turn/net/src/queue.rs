//! What waits for a client's connection: bounded in bytes, and what does not fit is lost. Media
//! that is late is worth nothing, and a slow client must not be others' burden.
//!
//! Over plain TCP, nothing waits for a client that keeps up: the thread writes to its connection by
//! itself, as it does to those over UDP, unless something waits already.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use confer_turn_core::Toll;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::pool::{Pool, room};
use crate::stats::Counters;

/// Entries waiting for one client.
const ENTRIES: usize = 256;
/// Bytes of buffers waiting for one client, those that are being written among them: a tenth of a
/// second of 40 Mbit/s.
const BYTES: usize = 512 * 1024;
/// Entries that are written together.
pub(crate) const BATCH: usize = 16;

/// Something for a client's connection.
#[derive(Debug)]
pub(crate) enum Outbound {
    /// Whole frames.
    Frames(Vec<u8>),
    /// The frames before held the refusal of a ConnectionBind: the connection stays the client's.
    BindRefused,
    /// A ConnectionBind succeeded.
    Splice(Box<Splice>),
}

/// The answer to a ConnectionBind; after it, the connection is the peer's (RFC 6062, section 5.4),
/// until `stop`.
#[derive(Debug)]
pub(crate) struct Splice {
    pub(crate) answer: Vec<u8>,
    pub(crate) peer: TcpStream,
    pub(crate) stop: CancellationToken,
    pub(crate) toll: Toll,
    pub(crate) counters: Arc<Counters>,
}

/// The thread's end.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    entries: mpsc::Sender<Outbound>,
    waiting: Arc<AtomicUsize>,
    holds: Arc<AtomicBool>,
    pool: Arc<Pool>,
    /// The connection itself, where it can be written to from here.
    direct: Weak<OwnedWriteHalf>,
}

/// The connection's end.
#[derive(Debug)]
pub(crate) struct QueueEnd {
    entries: mpsc::Receiver<Outbound>,
    /// What is being written.
    batch: Vec<Outbound>,
    waiting: Arc<AtomicUsize>,
    pool: Arc<Pool>,
    /// Whether the client has an allocation.
    pub(crate) holds: Arc<AtomicBool>,
}

/// With `direct`, a connection that the other end writes to as well.
pub(crate) fn queue(pool: &Arc<Pool>, direct: Weak<OwnedWriteHalf>) -> (Queue, QueueEnd) {
    let (sender, receiver) = mpsc::channel(ENTRIES);
    let waiting = Arc::new(AtomicUsize::new(0));
    let holds = Arc::new(AtomicBool::new(false));
    let (waits, held) = (Arc::clone(&waiting), Arc::clone(&holds));
    let queue =
        Queue { entries: sender, waiting: waits, holds: held, pool: Arc::clone(pool), direct };
    let pool = Arc::clone(pool);
    (queue, QueueEnd { entries: receiver, batch: Vec::new(), waiting, pool, holds })
}

impl Queue {
    /// Writes or queues frames; `false` when they are lost.
    pub(crate) fn frames(&self, frames: &[u8]) -> bool {
        // What the task has written is written before it is no longer waiting.
        let waiting = self.waiting.load(Ordering::Acquire);
        if waiting + room(frames.len()) > BYTES {
            return false;
        }
        let mut frames = frames;
        if waiting == 0
            && let Some(connection) = self.direct.upgrade()
        {
            // Whatever is wrong with it, the task finds out.
            let written = connection.try_write(frames).unwrap_or(0);
            frames = frames.get(written..).unwrap_or_default();
            if frames.is_empty() {
                return true;
            }
        }
        let mut buffer = self.pool.take(frames.len());
        buffer.extend_from_slice(frames);
        self.push(Outbound::Frames(buffer))
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
                let lost = lost.into_inner();
                self.waiting.fetch_sub(lost.bytes(), Ordering::Relaxed);
                if let Outbound::Frames(buffer) = lost {
                    self.pool.give(buffer);
                }
                false
            }
        }
    }
}

impl QueueEnd {
    /// Waits for a batch, after the one before was written. `false` when the thread has forgotten
    /// this connection.
    pub(crate) async fn next(&mut self) -> bool {
        self.entries.recv_many(&mut self.batch, BATCH).await > 0
    }

    /// What of the batch is to be written, in order.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &[u8]> {
        self.batch.iter().filter_map(|entry| match entry {
            Outbound::Frames(bytes) => Some(bytes.as_slice()),
            Outbound::BindRefused => None,
            Outbound::Splice(splice) => Some(splice.answer.as_slice()),
        })
    }

    /// The batch was written; says what it was besides frames. At most one entry is, because a
    /// connection waits for it.
    pub(crate) fn written(&mut self) -> Option<Outbound> {
        let mut other = None;
        for entry in self.batch.drain(..) {
            self.waiting.fetch_sub(entry.bytes(), Ordering::Release);
            match entry {
                Outbound::Frames(buffer) => self.pool.give(buffer),
                entry @ (Outbound::BindRefused | Outbound::Splice(_)) => other = Some(entry),
            }
        }
        other
    }
}

impl Outbound {
    /// What it holds, rather than what is in it.
    fn bytes(&self) -> usize {
        match self {
            Self::Frames(buffer) => buffer.capacity(),
            Self::BindRefused => 0,
            Self::Splice(splice) => splice.answer.capacity(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_does_not_fit_is_lost_until_it_was_written() {
        let (queue, mut end) = queue(&Arc::new(Pool::new()), Weak::new());
        let packet = [7; 1200];
        let fits = (0..=ENTRIES).take_while(|_| queue.frames(&packet)).count();
        assert_eq!(fits, BYTES / room(packet.len()));
        assert!(end.next().await);
        assert_eq!(end.runs().count(), BATCH);
        assert!(!queue.frames(&packet), "what is being written is not gone");
        assert!(end.written().is_none());
        assert!((0..BATCH).all(|_| queue.frames(&packet)));
        assert!(!queue.frames(&packet));
    }

    #[tokio::test]
    async fn who_keeps_up_is_written_to_at_once_and_the_rest_of_a_frame_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let mut client = TcpStream::connect(address).await.expect("it listens");
        let (server, _) = listener.accept().await.expect("somebody connected");
        server.writable().await.expect("connected");
        let (_reader, server) = server.into_split();
        let server = Arc::new(server);
        let (queue, mut end) = queue(&Arc::new(Pool::new()), Arc::downgrade(&server));
        let run: Vec<u8> = (0..=250).cycle().take(60_000).collect();
        let mut taken = 0;
        while queue.waiting.load(Ordering::Relaxed) == 0 {
            assert!(queue.frames(&run));
            taken += run.len();
        }
        assert!(queue.frames(b"after it"));
        assert!(end.next().await);
        let waiting: Vec<u8> = end.runs().flatten().copied().collect();
        let mut heard = vec![0; taken + 8 - waiting.len()];
        client.read_exact(&mut heard).await.expect("connected");
        heard.extend(&waiting);
        assert!(heard == [run.repeat(taken / run.len()), b"after it".to_vec()].concat());
        assert!(end.written().is_none());
        server.writable().await.expect("connected");
        assert!(queue.frames(b"soon") && end.entries.is_empty(), "it keeps up again");
    }

    #[tokio::test]
    async fn a_batch_says_what_it_was_besides_frames() {
        let (queue, mut end) = queue(&Arc::new(Pool::new()), Weak::new());
        assert!(queue.frames(b"refused") && queue.push(Outbound::BindRefused));
        assert!(end.next().await);
        assert_eq!(end.runs().collect::<Vec<_>>(), [b"refused"]);
        assert!(matches!(end.written(), Some(Outbound::BindRefused)));
        drop(queue);
        assert!(!end.next().await);
    }
}
