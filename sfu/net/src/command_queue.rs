//! Commands on their way to a shard's thread, and the bell that wakes it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use confer_protocol::media::{MediaAction, MediaCommand};
use rustix::event::{EventfdFlags, eventfd};

use crate::COMMAND_CAPACITY;

/// Why a command was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// [`COMMAND_CAPACITY`] others wait already.
    Full,
    /// The thread is gone.
    Closed,
}

/// The queue of one shard: many write, its thread alone reads.
///
/// The lock is taken for a push, and by the thread only when the bell rang; no packet waits for it.
pub(crate) struct CommandQueue {
    waiting: Mutex<VecDeque<MediaCommand>>,
    /// Set before the bell rings, so that an awake thread need not ask the kernel.
    rung: AtomicBool,
    bell: OwnedFd,
    closed: AtomicBool,
    stopping: AtomicBool,
}

impl CommandQueue {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            waiting: Mutex::new(VecDeque::new()),
            rung: AtomicBool::new(false),
            bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            closed: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        })
    }

    /// Queues a command and wakes the thread.
    ///
    /// `Leave` is always taken: refusing one would leave a participant behind for ever, and there
    /// are no more of them than participants.
    pub(crate) fn push(&self, command: MediaCommand) -> Result<(), Refusal> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Refusal::Closed);
        }
        let mut waiting = self.lock();
        if waiting.len() >= COMMAND_CAPACITY && !matches!(command.action, MediaAction::Leave) {
            return Err(Refusal::Full);
        }
        waiting.push_back(command);
        drop(waiting);
        self.ring();
        Ok(())
    }

    /// Moves what waits into `taken`, which must be empty.
    ///
    /// The flag goes down first, so that what comes meanwhile rings again.
    pub(crate) fn take(&self, taken: &mut VecDeque<MediaCommand>) {
        debug_assert!(taken.is_empty());
        if self.rung.swap(false, Ordering::AcqRel) {
            std::mem::swap(&mut *self.lock(), taken);
        }
    }

    /// Quiets the bell once it was heard; [`CommandQueue::take`] must follow before the next wait.
    ///
    /// Only here, never in `take`: a ring that was counted away after the flag went down would
    /// leave the flag up with a silent bell, and no later command would wake the thread.
    pub(crate) fn heard(&self) {
        let mut count = [0; 8];
        // Nothing to read means that somebody else's wait was interrupted, which is as good.
        let _count = rustix::io::read(&self.bell, &mut count);
    }

    /// Asks the thread to end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.ring();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Says that nobody reads any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// What becomes readable when the thread must look.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    /// Wakes the thread.
    pub(crate) fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            // The count cannot overflow: it grows once for each time the thread takes.
            let _rung = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
        }
    }

    /// A thread that panicked while pushing has left the queue whole.
    fn lock(&self) -> MutexGuard<'_, VecDeque<MediaCommand>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use confer_protocol::id::{ParticipantId, RoomId};
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    fn command(action: MediaAction) -> MediaCommand {
        let id = Default::default();
        MediaCommand { room: RoomId(id), participant: ParticipantId(id), action }
    }

    fn rings(queue: &CommandQueue) -> bool {
        let bell = queue.bell();
        let mut fds = [PollFd::new(&bell, PollFlags::IN)];
        poll(&mut fds, Some(&rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(1)
    }

    #[test]
    fn the_bell_rings_once_for_many_and_again_after_taking() {
        let queue = CommandQueue::new().expect("there is an eventfd");
        let mut taken = VecDeque::new();
        assert!(!rings(&queue));
        for _ in 0..2 {
            assert_eq!(queue.push(command(MediaAction::Join { subscribe: true })), Ok(()));
            assert_eq!(queue.push(command(MediaAction::Leave)), Ok(()));
            assert!(rings(&queue));
            queue.take(&mut taken);
            assert_eq!(taken.len(), 2);
            taken.clear();
            queue.heard();
            assert!(!rings(&queue));
        }
    }

    #[test]
    fn no_command_is_missed_however_threads_meet() {
        const COMMANDS: usize = 20_000;
        let queue = CommandQueue::new().expect("there is an eventfd");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..COMMANDS {
                    // Goodbyes are never refused.
                    assert_eq!(queue.push(command(MediaAction::Leave)), Ok(()));
                }
            });
            // Far more than it takes; reached only when a ring was missed.
            let patience = rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 };
            let (mut taken, mut count) = (VecDeque::new(), 0);
            while count < COMMANDS {
                let bell = queue.bell();
                let mut fds = [PollFd::new(&bell, PollFlags::IN)];
                assert_eq!(poll(&mut fds, Some(&patience)), Ok(1));
                queue.heard();
                queue.take(&mut taken);
                count += taken.len();
                taken.clear();
            }
        });
    }

    #[test]
    fn a_full_queue_takes_goodbyes_only() {
        let queue = CommandQueue::new().expect("there is an eventfd");
        let candidate = || command(MediaAction::Candidate { candidate: None });
        for _ in 0..COMMAND_CAPACITY {
            assert_eq!(queue.push(candidate()), Ok(()));
        }
        assert_eq!(queue.push(candidate()), Err(Refusal::Full));
        assert_eq!(queue.push(command(MediaAction::Leave)), Ok(()));
        queue.close();
        assert_eq!(queue.push(command(MediaAction::Leave)), Err(Refusal::Closed));
    }
}
