//! What reaches a thread from elsewhere, and the bell that wakes it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use confer_turn_core::{ConnectFailure, ConnectionId, FiveTuple, SessionInfo};
use rustix::event::{EventfdFlags, eventfd};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

use crate::pool::Pool;
use crate::queue::Queue;

/// Frames and news of connections waiting for a thread; then senders wait, or lose if they cannot.
pub(crate) const INBOUND_CAPACITY: usize = 1024;
/// Requests of other parts waiting for a thread; then they wait.
pub(crate) const CONTROL_CAPACITY: usize = 64;

/// The way to one thread.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    inbound: mpsc::Sender<Inbound>,
    control: mpsc::Sender<Control>,
    bell: Arc<Bell>,
    /// The buffers that go between the thread and its connections.
    pub(crate) pool: Arc<Pool>,
}

/// The thread's end of a [`Link`].
#[derive(Debug)]
pub(crate) struct LinkEnd {
    pub(crate) inbound: mpsc::Receiver<Inbound>,
    pub(crate) control: mpsc::Receiver<Control>,
    pub(crate) bell: Arc<Bell>,
}

/// Something that happened on a connection or another thread.
#[derive(Debug)]
pub(crate) enum Inbound {
    /// A client connected; frames for it go into this queue.
    Connected {
        tuple: FiveTuple,
        outbound: Queue,
    },
    /// Whole frames of a client's stream.
    Frames {
        tuple: FiveTuple,
        frames: Vec<u8>,
    },
    Disconnected {
        tuple: FiveTuple,
    },
    /// A peer connected to a relayed TCP address.
    PeerIncoming {
        relayed: SocketAddr,
        peer: SocketAddr,
        stream: TcpStream,
    },
    /// How connecting to a peer went.
    PeerConnected {
        id: ConnectionId,
        outcome: Result<TcpStream, ConnectFailure>,
    },
    /// A datagram that another thread received, for an allocation or a token of this one.
    HandedOver {
        from: usize,
        tuple: FiveTuple,
        packet: Vec<u8>,
    },
    /// This client, whose datagrams arrive here, has its allocation on another thread.
    LivesAt {
        tuple: FiveTuple,
        thread: usize,
    },
    /// It has none any more.
    LivesNoMore {
        tuple: FiveTuple,
    },
}

/// A request of another part of the server.
#[derive(Debug)]
pub(crate) enum Control {
    /// With `until`, as [`confer_turn_core::Server::revoke`] has it.
    Kick {
        user: String,
        until: Option<u64>,
        ended: oneshot::Sender<usize>,
    },
    Sessions {
        found: oneshot::Sender<Vec<SessionInfo>>,
    },
    Drain,
    Reconfigure {
        core: Box<confer_turn_core::Config>,
    },
}

impl Link {
    pub(crate) fn new() -> io::Result<(Self, LinkEnd)> {
        let (inbound, inbound_end) = mpsc::channel(INBOUND_CAPACITY);
        let (control, control_end) = mpsc::channel(CONTROL_CAPACITY);
        let bell = Arc::new(Bell::new()?);
        let end = LinkEnd { inbound: inbound_end, control: control_end, bell: Arc::clone(&bell) };
        Ok((Self { inbound, control, bell, pool: Arc::new(Pool::new()) }, end))
    }

    /// Waits for room. `false` when the thread is gone.
    pub(crate) async fn send(&self, inbound: Inbound) -> bool {
        let sent = self.inbound.send(inbound).await.is_ok();
        self.bell.ring();
        sent
    }

    /// `false` when there is no room now.
    pub(crate) fn try_send(&self, inbound: Inbound) -> bool {
        let sent = self.inbound.try_send(inbound).is_ok();
        self.bell.ring();
        sent
    }

    /// Waits for room. `false` when the thread is gone.
    pub(crate) async fn request(&self, control: Control) -> bool {
        let sent = self.control.send(control).await.is_ok();
        self.bell.ring();
        sent
    }

    /// What wakes the thread.
    pub(crate) fn bell(&self) -> impl Fn() + Send + Sync + 'static {
        let bell = Arc::clone(&self.bell);
        move || bell.ring()
    }

    /// Asks the thread to end.
    pub(crate) fn stop(&self) {
        self.bell.stop();
    }
}

/// Wakes a thread that waits for its sockets.
#[derive(Debug)]
pub(crate) struct Bell {
    /// Set before the bell rings, so that an awake thread need not ask the kernel.
    rung: AtomicBool,
    stopping: AtomicBool,
    fd: OwnedFd,
}

impl Bell {
    fn new() -> io::Result<Self> {
        Ok(Self {
            rung: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            fd: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// What becomes readable when the thread must look.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Makes it ready to ring again; to be called before looking.
    ///
    /// First the kernel's count, then the flag: the other way round, a ring in between would be
    /// counted away with its flag left up, and no later one would be heard.
    pub(crate) fn rearm(&self) {
        let mut count = [0; 8];
        // Nothing to read means that it was not heard yet, which is as good.
        let _unheard = rustix::io::read(&self.fd, &mut count);
        self.rung.swap(false, Ordering::AcqRel);
    }

    /// Whether there is something to look at.
    pub(crate) fn is_rung(&self) -> bool {
        self.rung.load(Ordering::Acquire)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // The count cannot overflow: the thread clears the flag only after reading it.
            let _rung = rustix::io::write(&self.fd, &1u64.to_ne_bytes());
        }
    }

    fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.ring();
    }
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    #[test]
    fn no_ring_is_missed_however_threads_meet() {
        const NEWS: u64 = 20_000;
        let bell = Bell::new().expect("there is an eventfd");
        let told = std::sync::atomic::AtomicU64::new(0);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..NEWS {
                    told.fetch_add(1, Ordering::Release);
                    bell.ring();
                }
            });
            // Far more than it takes; reached only when a ring was missed.
            let patience = Timespec { tv_sec: 20, tv_nsec: 0 };
            while told.load(Ordering::Acquire) < NEWS {
                let fd = bell.fd();
                let mut fds = [PollFd::new(&fd, PollFlags::IN)];
                assert_eq!(poll(&mut fds, Some(&patience)), Ok(1));
                bell.rearm();
            }
        });
    }
}
