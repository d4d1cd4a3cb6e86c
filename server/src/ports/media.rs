use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::media::{MediaCommand, MediaEvent};
use confer_sfu_net::SfuHandle;
use confer_signaling_core::ports::MediaPlane;
use confer_turn_net::TurnHandle;
use tokio::sync::mpsc;
use uuid::Uuid;

/// The media plane, as signaling sees it.
pub(crate) struct Media {
    pub(crate) sfu: SfuHandle,
    pub(crate) relay: Option<TurnHandle>,
}

impl MediaPlane for Media {
    fn send(&self, command: MediaCommand) -> Result<(), ErrorBody> {
        self.sfu.send(command)
    }

    fn cut(&self, login: Uuid) {
        if let Some(relay) = self.relay.clone() {
            tokio::spawn(async move { relay.kick(&login.to_string()).await });
        }
    }
}

/// The media plane of a process that runs none.
pub(crate) struct NoMedia {
    /// Signaling takes the end of this channel for the end of the media plane.
    pub(crate) _events: Option<mpsc::Sender<MediaEvent>>,
}

impl MediaPlane for NoMedia {
    fn send(&self, _: MediaCommand) -> Result<(), ErrorBody> {
        let message = "This server carries no audio and video (its role `sfu` is off).";
        Err(ErrorBody::new(ErrorCode::Unavailable, message))
    }
}
