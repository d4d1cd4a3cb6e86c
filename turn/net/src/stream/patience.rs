//! How long a connection may go on like this: without a whole frame, or without holding anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use crate::config::Limits;

/// How long a connection is waited for.
#[derive(Debug)]
pub(super) struct Patience<'l> {
    limits: &'l Limits,
    /// When the first whole frame must be there.
    greeting: Instant,
    /// When the last whole frame came.
    heard: Option<Instant>,
    /// Whether the connection has an allocation now.
    holds: Arc<AtomicBool>,
    /// When it was last seen to have one; before, when it began.
    held: Instant,
}

impl<'l> Patience<'l> {
    pub(super) fn new(
        limits: &'l Limits,
        greeting: Instant,
        holds: Arc<AtomicBool>,
        now: Instant,
    ) -> Self {
        Self { limits, greeting, heard: None, holds, held: now }
    }

    /// A whole frame came. Only these count: bytes one at a time would hold a connection for ever.
    pub(super) fn hear(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// When it is over, as things stand.
    pub(super) fn deadline(&mut self, now: Instant) -> Instant {
        if self.holds.load(Ordering::Relaxed) {
            self.held = now;
        }
        match self.heard {
            None => self.greeting,
            Some(heard) => (heard + self.limits.idle).min(self.held + self.limits.unused),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn strangers_have_less_time_than_those_who_hold_something() {
        let limits = Limits::default();
        let (start, holds) = (Instant::now(), Arc::<AtomicBool>::default());
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut patience = Patience::new(&limits, after(10), Arc::clone(&holds), start);
        assert_eq!(patience.deadline(after(5)), after(10));
        patience.hear(after(5));
        assert_eq!(patience.deadline(after(5)), after(60));
        // Whatever it says, as long as it gets nothing by it.
        patience.hear(after(50));
        assert_eq!(patience.deadline(after(50)), after(60));
        holds.store(true, Ordering::Relaxed);
        assert_eq!(patience.deadline(after(59)), after(119));
        assert_eq!(patience.deadline(after(119)), after(179));
        patience.hear(after(170));
        assert_eq!(patience.deadline(after(760)), after(770), "silence for as long as idle");
        holds.store(false, Ordering::Relaxed);
        patience.hear(after(769));
        assert_eq!(patience.deadline(after(769)), after(820));
    }
}
