use std::sync::Arc;

use confer_protocol::media::MediaEvent;
use confer_sfu_net::{SfuHandle, StartError};
use confer_signaling_core::ports::MediaPlane;
use tokio::sync::mpsc;

use super::translate;
use crate::config::{Config, Role};
use crate::ports::{self, NoMedia};

/// The media plane, or what stands in its place.
pub(super) struct Media {
    pub(super) plane: Arc<dyn MediaPlane>,
    pub(super) events: mpsc::Receiver<MediaEvent>,
    pub(super) handle: Option<SfuHandle>,
    pub(super) running: Option<confer_sfu_net::Running>,
}

impl Media {
    /// Starts the media threads if this process is to carry media.
    pub(super) fn start(config: &Config) -> Result<Self, StartError> {
        if !config.runs(Role::Sfu) {
            let (events_end, events) = mpsc::channel(1);
            let plane = Arc::new(NoMedia { _events: events_end });
            return Ok(Self { plane, events, handle: None, running: None });
        }
        let (handle, events, running) = confer_sfu_net::start(translate::sfu(config))?;
        let plane = Arc::new(ports::Media(handle.clone()));
        Ok(Self { plane, events, handle: Some(handle), running: Some(running) })
    }
}
