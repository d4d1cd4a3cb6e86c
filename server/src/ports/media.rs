use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::media::MediaCommand;
use confer_signaling_core::ports::MediaPlane;

/// The media plane of a process that runs none.
pub(crate) struct NoMedia;

impl MediaPlane for NoMedia {
    fn send(&self, _: MediaCommand) -> Result<(), ErrorBody> {
        let message = "This server carries no audio and video (its role `sfu` is off).";
        Err(ErrorBody::new(ErrorCode::Unavailable, message))
    }
}
