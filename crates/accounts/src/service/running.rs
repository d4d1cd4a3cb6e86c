use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Accounts;
use crate::error::StoreError;
use crate::sql;

/// How often rows that nobody can use any more are removed.
const FORGET_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The service's own task, which ends when this is dropped or stopped.
#[derive(Debug)]
pub struct Running {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    pub(super) fn start(accounts: Accounts) -> Self {
        let (stop, stopped) = watch::channel(false);
        Self { stop, task: tokio::spawn(keep_up(accounts, stopped)) }
    }

    /// Ends the task after what it is doing.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Reads keys and revocations again and again, and cleans up now and then.
async fn keep_up(accounts: Accounts, mut stopped: watch::Receiver<bool>) {
    let mut renew = tokio::time::interval(accounts.inner.config.mirror_interval);
    let mut forget = tokio::time::interval(FORGET_INTERVAL);
    renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        let done = tokio::select! {
            _ = stopped.changed() => return,
            _ = renew.tick() => {
                accounts.inner.mirror.refresh(&accounts.inner.pool, accounts.now()).await
            }
            _ = forget.tick() => clean_up(&accounts).await,
        };
        // Said once: an outage is long, and whoever is woken by it knows.
        match done {
            Err(error) if !failing => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(cause, "keys and revocations are not up to date: {error}");
                failing = true;
            }
            Err(_) => {}
            Ok(()) if failing => {
                tracing::info!("keys and revocations are up to date again");
                failing = false;
            }
            Ok(()) => {}
        }
    }
}

async fn clean_up(accounts: &Accounts) -> Result<(), StoreError> {
    let (pool, now) = (&accounts.inner.pool, accounts.now());
    let families = sql::family::forget(pool, now).await?;
    let invites = sql::invite::forget(pool, now).await?;
    let revocations = sql::revocation::forget(pool, now).await?;
    tracing::debug!(families, invites, revocations, "forgot what nobody can use any more");
    Ok(())
}
