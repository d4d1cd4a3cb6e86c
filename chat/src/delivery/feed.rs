//! What one client hears live.

use std::sync::Arc;

use confer_protocol::server::Notice;
use tokio::sync::mpsc;

use super::Delivery;
use super::registry::FeedId;

/// The live chat notices of one user, in order per conversation and without a hole. Dropping it
/// unsubscribes.
pub struct Feed {
    pub(super) id: FeedId,
    pub(super) notices: mpsc::Receiver<Arc<Notice>>,
    pub(super) delivery: Arc<Delivery>,
}

impl Feed {
    /// The next notice; `None` when the reader fell too far behind or the service stopped, and the
    /// client must sync again. Cancel-safe.
    pub async fn next(&mut self) -> Option<Notice> {
        let notice = tokio::select! {
            biased;
            notice = self.notices.recv() => notice?,
            () = self.delivery.stop.cancelled() => return None,
        };
        Some(Arc::unwrap_or_clone(notice))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.delivery.close(self.id);
    }
}
