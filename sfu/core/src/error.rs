//! Why an offer was not taken.

use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::Mid;
use confer_protocol::room::TrackSource;

use crate::sdp::SdpError;

/// Why an offer was refused. Nothing of it was applied.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// The participant has no place here: it never joined, left, or the shard was full.
    #[error("this participant has no place in the room's media; join again")]
    NotJoined,

    /// The offer could not be read, or lacks what no call can do without.
    #[error("the offer was refused")]
    Sdp(#[from] SdpError),

    /// `publish` names an m-line that the offer does not have, or that does not send.
    #[error("m-line {mid} is to be published but the offer does not send on it")]
    NothingSent { mid: Mid },

    /// The m-line is of another kind than the source.
    #[error("m-line {mid} cannot carry a {track_source:?}")]
    WrongKind { mid: Mid, track_source: TrackSource },

    /// The m-line offers no codec that this server forwards.
    #[error("m-line {mid} offers none of opus, VP8, H264, VP9, AV1")]
    NoCommonCodec { mid: Mid },

    /// More tracks than [`Limits::tracks_per_participant`](crate::limits::Limits) or
    /// [`Limits::tracks_per_room`](crate::limits::Limits).
    #[error("at most {limit} tracks can be published here")]
    TooManyTracks { limit: usize },

    /// More receiving m-lines than [`Limits::slots_per_participant`](crate::limits::Limits).
    #[error("at most {limit} receiving m-lines can be offered")]
    TooManySlots { limit: usize },

    /// Our own cryptography failed.
    #[error("the transport could not be made")]
    Transport(#[from] crate::transport::dtls::DtlsError),
}

impl OfferError {
    /// The code clients see.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NotJoined => ErrorCode::NotJoined,
            Self::Sdp(cause) => cause.to_body().code,
            Self::NothingSent { .. } | Self::WrongKind { .. } | Self::TooManySlots { .. } => {
                ErrorCode::BadOffer
            }
            Self::NoCommonCodec { .. } => ErrorCode::NoCommonCodec,
            Self::TooManyTracks { .. } => ErrorCode::TooManyTracks,
            Self::Transport(_) => ErrorCode::Internal,
        }
    }

    /// What the client is told.
    pub fn to_body(&self) -> ErrorBody {
        let body = ErrorBody::new(self.code(), self.to_string());
        match self {
            Self::Sdp(cause) => cause.to_body(),
            Self::NothingSent { mid }
            | Self::WrongKind { mid, .. }
            | Self::NoCommonCodec { mid } => body.with_field("mid", mid.to_string()),
            Self::NotJoined
            | Self::TooManyTracks { .. }
            | Self::TooManySlots { .. }
            | Self::Transport(_) => body,
        }
    }
}
