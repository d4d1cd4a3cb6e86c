//! The whole story of lost hints: compare what was delivered with the database, often.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

use super::Delivery;
use crate::sql;

/// Heads asked for in one statement.
const PROBES: usize = 1000;

/// Sweeps at every interval, and at once when the bus may have lost something.
pub(super) async fn run(delivery: Arc<Delivery>) {
    let mut ticks = interval(delivery.config.sweep_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = delivery.stop.cancelled() => return,
            _ = ticks.tick() => {}
            () = delivery.sweep_now.notified() => {}
        }
        tokio::select! {
            () = delivery.stop.cancelled() => return,
            result = sweep(&delivery) => if let Err(error) = result {
                tracing::debug!(%error, "heads could not be compared");
            }
        }
    }
}

async fn sweep(delivery: &Arc<Delivery>) -> sqlx::Result<()> {
    for watched in delivery.registry.heads().chunks(PROBES) {
        let ids: Vec<Uuid> = watched.iter().map(|(id, _)| id.0).collect();
        let delivered: HashMap<_, _> = watched.iter().copied().collect();
        for (conversation, head) in sql::conversation::heads(&delivery.pool, &ids).await? {
            let Some(delivered) = delivered.get(&conversation) else { continue };
            if head > *delivered {
                delivery.head(conversation, head);
            } else if head < *delivered {
                tracing::error!(
                    conversation.id = %conversation,
                    "the log is shorter than it was: was a backup restored without a new epoch?"
                );
                delivery.registry.went_back(conversation);
            }
        }
    }
    for users in delivery.registry.users().chunks(PROBES) {
        let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
        for (user, version) in sql::member::versions(&delivery.pool, &ids).await? {
            delivery.memberships(user, version);
        }
    }
    Ok(())
}
