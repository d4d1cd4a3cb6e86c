//! Why an offer was refused.

use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::Mid;

/// What is wrong with an offer, in words that tell its sender what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// It is longer than [`SdpLimits::bytes`](super::SdpLimits::bytes).
    #[error("the offer has {len} bytes, at most {limit} are read")]
    TooLong { len: usize, limit: usize },
    /// It has more m-lines than [`SdpLimits::sections`](super::SdpLimits::sections).
    #[error("the offer has more than {limit} m-lines")]
    TooManySections { limit: usize },
    /// It is not a session description.
    #[error("line {line} of the offer is not SDP: {problem}")]
    Syntax { line: usize, problem: &'static str },
    /// It has no m-line that could be answered.
    #[error("the offer has no m-line")]
    NoMedia,
    /// An m-line has no `a=mid`, or one that another has.
    #[error("m-line {index} needs an a=mid of its own")]
    BadMid { index: usize },
    /// RFC 8843: every m-line must share one transport.
    #[error("m-line {mid} must be in a=group:BUNDLE; use bundlePolicy max-bundle")]
    NotBundled { mid: Mid },
    /// RFC 5761.
    #[error("m-line {mid} lacks a=rtcp-mux")]
    NoRtcpMux { mid: Mid },
    /// RFC 8839.
    #[error("the offer lacks a=ice-ufrag or a=ice-pwd")]
    NoIceCredentials,
    /// RFC 8122.
    #[error("the offer lacks an a=fingerprint with sha-256, sha-384 or sha-512")]
    NoFingerprint,
    /// RFC 8842.
    #[error("the offer lacks a usable a=setup; it must be actpass, active or passive")]
    NoSetup,
    /// RFC 5764.
    #[error("m-line {mid} must use UDP/TLS/RTP/SAVPF")]
    NotSecure { mid: Mid },
}

impl SdpError {
    /// What the client is told.
    pub fn to_body(&self) -> ErrorBody {
        let code = match self {
            Self::TooLong { .. } => ErrorCode::TooLarge,
            Self::TooManySections { .. }
            | Self::Syntax { .. }
            | Self::NoMedia
            | Self::BadMid { .. }
            | Self::NotBundled { .. }
            | Self::NoRtcpMux { .. }
            | Self::NoIceCredentials
            | Self::NoFingerprint
            | Self::NoSetup
            | Self::NotSecure { .. } => ErrorCode::BadOffer,
        };
        ErrorBody::new(code, self.to_string()).with_field("sdp", self.to_string())
    }
}
