//! Changes that need no restart: certificates, and the relay's secrets, users, limits and peers.
//!
//! They are taken on SIGHUP, and when a file that holds one of them has changed. What cannot be
//! used is refused as a whole and logged; what was in force stays.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::relay::Steering;
use crate::config::{Config, Sources, TlsConfig};
use crate::http::tls::{self, Tls};

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(2);

/// Reloads since the start, for the metrics page.
pub(crate) static RELOADS: Outcomes =
    Outcomes { taken: AtomicU64::new(0), refused: AtomicU64::new(0) };

/// How reloads went.
pub(crate) struct Outcomes {
    pub(crate) taken: AtomicU64,
    pub(crate) refused: AtomicU64,
}

/// What a changed configuration is carried to.
#[derive(Clone)]
pub(crate) struct Reload {
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) relay: Option<Steering>,
    pub(super) data_dir: PathBuf,
}

/// Listens for SIGHUP from now on; before, it ends the process. Without it there are the files.
pub(crate) fn hangups() -> Option<Signal> {
    signal(SignalKind::hangup()).ok()
}

/// Listens and looks until it is dropped.
pub(crate) async fn watch(
    reload: Reload,
    mut hangups: Option<Signal>,
    sources: Sources,
    started_with: Config,
) {
    let mut files = files(&started_with);
    let mut seen = times(&files);
    loop {
        let asked = tokio::select! {
            () = hangup(&mut hangups) => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let now = times(&files);
        if !asked && now == seen {
            continue;
        }
        seen = now;
        match reload.take(&sources).await {
            Ok(config) => {
                tracing::info!("configuration reloaded");
                RELOADS.taken.fetch_add(1, Ordering::Relaxed);
                files = self::files(&config);
                seen = times(&files);
            }
            Err(problems) => {
                RELOADS.refused.fetch_add(1, Ordering::Relaxed);
                for problem in problems {
                    tracing::error!(problem, "configuration not reloaded, the one before stays");
                }
            }
        }
    }
}

async fn hangup(hangups: &mut Option<Signal>) {
    match hangups {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

impl Reload {
    /// Reads everything before it changes anything.
    async fn take(&self, sources: &Sources) -> Result<Config, Vec<String>> {
        let told = |error: &dyn std::error::Error| {
            let causes = std::iter::successors(Some(error), |error| error.source());
            causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
        };
        let config = Config::load(sources)
            .map_err(|errors| errors.iter().map(|error| told(error)).collect::<Vec<_>>())?;
        let public_url = config.public_url.as_deref();
        let certificate = match &self.tls {
            Some(_) => tls::certificate(&config.tls, public_url, &self.data_dir)
                .map_err(|error| vec![told(&error)])?,
            None => None,
        };
        if let (Some(tls), Some(certificate)) = (&self.tls, &certificate) {
            tls.set(certificate).map_err(|error| vec![told(&error)])?;
            if let Some(relay) = &self.relay {
                relay.handle.set_certificate(certificate).map_err(|error| vec![told(&error)])?;
            }
        }
        if let Some(relay) = &self.relay {
            relay.apply(&config).await;
        }
        Ok(config)
    }
}

/// Files whose change matters without a restart.
fn files(config: &Config) -> Vec<PathBuf> {
    let mut files = config.turn.files.clone();
    files.extend(config.file.clone());
    if let TlsConfig::Files { certificate, key } = &config.tls {
        files.extend([certificate.clone(), key.clone()]);
    }
    files
}

/// When each was written; a missing one has no time.
fn times(files: &[PathBuf]) -> BTreeMap<PathBuf, Option<SystemTime>> {
    let written = |file: &PathBuf| std::fs::metadata(file).and_then(|data| data.modified()).ok();
    files.iter().map(|file| (file.clone(), written(file))).collect()
}
