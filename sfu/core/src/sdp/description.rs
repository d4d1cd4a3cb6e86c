//! An offer as its sender meant it, typed, before anybody decides anything.

use confer_protocol::id::Mid;
use confer_protocol::room::MediaKind;

use super::codec::Feedback;
use crate::transport::dtls::Fingerprint;
use crate::transport::ice::IceCredentials;

/// A whole offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// In the order of the m-lines, which the answer keeps.
    pub sections: Vec<OfferedSection>,
    /// The mids of the first `a=group:BUNDLE`.
    pub bundle: Vec<Mid>,
}

/// One m-line with its attributes and those it inherits from the session level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedSection {
    /// As written; absent in offers that are not fit for bundling.
    pub mid: Option<Mid>,
    pub media: Media,
    /// As in the m-line: `UDP/TLS/RTP/SAVPF`.
    pub protocol: String,
    /// As in the m-line, to be echoed when the section is rejected.
    pub formats: Vec<String>,
    /// Port zero without `a=bundle-only`: the offerer does not want this section (any more).
    pub rejected: bool,
    pub direction: Direction,
    pub ice: Option<IceCredentials>,
    pub fingerprints: Vec<Fingerprint>,
    pub setup: Option<Setup>,
    pub rtcp_mux: bool,
    pub rtcp_rsize: bool,
    pub codecs: Vec<OfferedCodec>,
    pub extensions: Vec<OfferedExtension>,
    /// From `a=ssrc`, in order, without repetition.
    pub ssrcs: Vec<u32>,
    /// From `a=ssrc-group`, FID only (RFC 5576): what repairs what.
    pub groups: Vec<SsrcGroup>,
    /// From `a=rid:… send`, in order (RFC 8851).
    pub send_rids: Vec<String>,
    /// From `a=rid:… recv`: the sender wants to receive simulcast, which we never send.
    pub receive_rids: Vec<String>,
    /// The order of `a=simulcast:send` (RFC 8853), or of the rids when there is none.
    pub simulcast: bool,
}

/// What an m-line is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    Kind(MediaKind),
    /// `application`, and whatever may come. We reject it and keep its place.
    Other(String),
}

/// Seen from the offerer (RFC 8866, section 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    /// Of somebody who sends or receives or both.
    pub fn new(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    pub fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    pub fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The attribute.
    pub fn name(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| direction.name() == name)
    }
}

/// Who says hello in DTLS (RFC 8842, section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setup {
    ActPass,
    Active,
    Passive,
}

impl Setup {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "actpass" => Some(Self::ActPass),
            "active" => Some(Self::Active),
            "passive" => Some(Self::Passive),
            _ => None,
        }
    }
}

/// One payload type, put together from `rtpmap`, `fmtp` and `rtcp-fb` in whatever order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedCodec {
    pub pt: u8,
    /// As written; codec names ignore case.
    pub name: String,
    pub clock_rate: u32,
    /// One when the `rtpmap` does not say.
    pub channels: u8,
    /// As written, empty when there is none.
    pub fmtp: String,
    pub feedback: Feedback,
}

impl OfferedCodec {
    /// The value of a parameter in `fmtp`. Names ignore case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.fmtp.split(';').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// One `a=extmap` (RFC 8285, section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedExtension {
    pub id: u8,
    pub uri: String,
}

/// `a=ssrc-group:FID primary rtx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SsrcGroup {
    pub primary: u32,
    pub rtx: u32,
}

/// The header extensions we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extension {
    /// RFC 9143: which m-line a packet belongs to.
    Mid,
    /// RFC 8852: which simulcast layer it is of.
    Rid,
    /// RFC 8852: which layer a retransmission repairs.
    RepairedRid,
    /// RFC 6464.
    AudioLevel,
    AbsSendTime,
    /// draft-holmer-rmcat-transport-wide-cc-extensions-01.
    TransportCc,
    /// AV1 RTP specification, appendix A. Other codecs use it as well.
    DependencyDescriptor,
}

impl Extension {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Mid,
        Self::Rid,
        Self::RepairedRid,
        Self::AudioLevel,
        Self::AbsSendTime,
        Self::TransportCc,
        Self::DependencyDescriptor,
    ];

    /// The name under which it is offered.
    pub fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::TransportCc => {
                "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
            }
            Self::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
        }
    }

    /// The extension of that name.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|extension| extension.uri() == uri)
    }
}
