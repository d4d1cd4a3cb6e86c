//! From the first signal to the end: soft, then hard.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long a soft stop may take before it becomes a hard one, beside what the relay's allocations
/// are given. Kubernetes kills after 30 s.
pub(crate) const DRAIN_LIMIT: Duration = Duration::from_secs(20);

/// What has been asked of the process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    /// Finish what was begun, then end.
    pub(crate) soft: CancellationToken,
    /// End now.
    pub(crate) hard: CancellationToken,
}

impl Stop {
    /// Listens for SIGTERM and SIGINT from now on: the first one is soft, the second hard.
    pub(crate) fn on_signals() -> io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stop = Self::default();
        let told = stop.clone();
        tokio::spawn(async move {
            for token in [told.soft, told.hard] {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                token.cancel();
            }
        });
        Ok(stop)
    }

    /// Runs `drain` until it is done, a second signal comes, or its time is over. Says whether it
    /// was done.
    pub(crate) async fn drained(&self, limit: Duration, drain: impl Future<Output = ()>) -> bool {
        tokio::select! {
            () = drain => true,
            () = self.hard.cancelled() => false,
            () = tokio::time::sleep(limit) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn draining_ends_by_itself_by_a_second_signal_or_by_time() {
        let stop = Stop::default();
        assert!(stop.drained(DRAIN_LIMIT, async {}).await);
        assert!(!stop.drained(DRAIN_LIMIT, std::future::pending()).await);

        stop.hard.cancel();
        assert!(!stop.drained(DRAIN_LIMIT, std::future::pending()).await);
    }
}
