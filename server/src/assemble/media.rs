use std::net::SocketAddr;
use std::sync::Arc;

use confer_inprocess::MediaEnd;
use confer_protocol::media::MediaEvent;
use confer_sfu_net::{SfuHandle, StartError};
use confer_signaling_core::ports::MediaPlane;
use confer_turn_net::TurnHandle;
use tokio::sync::mpsc;

use super::translate;
use crate::config::{Config, Role};
use crate::ports::{self, NoMedia};

/// The media plane, or what stands in its place.
pub(super) struct Media {
    /// Where the events of a media plane that is not there would come from.
    silent: Option<mpsc::Sender<MediaEvent>>,
    pub(super) events: mpsc::Receiver<MediaEvent>,
    pub(super) handle: Option<SfuHandle>,
    pub(super) running: Option<confer_sfu_net::Running>,
}

impl Media {
    /// Starts the media threads if this process is to carry media.
    pub(super) fn start(config: &Config, relay: Vec<MediaEnd>) -> Result<Self, StartError> {
        if !config.runs(Role::Sfu) {
            let (silent, events) = mpsc::channel(1);
            return Ok(Self { silent: Some(silent), events, handle: None, running: None });
        }
        let (handle, events, running) =
            confer_sfu_net::start_beside_relay(translate::sfu(config), relay)?;
        Ok(Self { silent: None, events, handle: Some(handle), running: Some(running) })
    }

    /// What signaling commands.
    pub(super) fn plane(&mut self, relay: Option<TurnHandle>) -> Arc<dyn MediaPlane> {
        match (self.handle.clone(), self.silent.take()) {
            (Some(sfu), _) => Arc::new(ports::Media { sfu, relay }),
            (None, silent) => Arc::new(NoMedia { _events: silent }),
        }
    }

    /// Where media is received, by thread; empty where this process carries none.
    pub(super) fn addresses(&self) -> &[SocketAddr] {
        self.running.as_ref().map_or(&[], confer_sfu_net::Running::local_addresses)
    }
}
