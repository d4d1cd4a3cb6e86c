//! Waking a reader that sleeps, and only then: a ring of the bell is a system call.
//!
//! The reader says that it will sleep, then looks at its rings once more; the writer writes, then
//! looks whether the reader said so. With a full fence between the two steps of each, one of them
//! sees what the other did.

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// Whether a reader sleeps, and how it is woken.
#[derive(Default)]
pub(crate) struct Sleep {
    asleep: AtomicBool,
    bell: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Sleep {
    /// Says how the reader is woken. Only the first one counts; before it, a reader that sleeps is
    /// not woken.
    pub(crate) fn set_bell(&self, bell: Box<dyn Fn() + Send + Sync>) {
        let _first_stays = self.bell.set(bell);
    }

    /// The reader sleeps unless `has_work`, which is asked after others can see it. `false` when it
    /// must not sleep.
    pub(crate) fn fall_asleep(&self, has_work: impl FnOnce() -> bool) -> bool {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let sleeps = !has_work();
        if !sleeps {
            self.awake();
        }
        sleeps
    }

    /// The reader looks by itself from now on.
    pub(crate) fn awake(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Wakes the reader if it sleeps, after something was written for it. Of several writers one
    /// rings.
    pub(crate) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed)
            && self.asleep.swap(false, Ordering::Relaxed)
            && let Some(ring) = self.bell.get()
        {
            ring();
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("asleep", &self.asleep).finish_non_exhaustive()
    }
}
