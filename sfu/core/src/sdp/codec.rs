//! Codecs we forward, and when two descriptions of one mean the same stream.

use confer_protocol::room::MediaKind;

use super::description::OfferedCodec;

/// A codec, whatever its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CodecName {
    Opus,
    Vp8,
    H264,
    Vp9,
    Av1,
}

impl CodecName {
    /// The name in `a=rtpmap`, in its registered spelling.
    pub fn rtpmap(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Vp8 => "VP8",
            Self::H264 => "H264",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
        }
    }

    pub fn kind(self) -> MediaKind {
        match self {
            Self::Opus => MediaKind::Audio,
            Self::Vp8 | Self::H264 | Self::Vp9 | Self::Av1 => MediaKind::Video,
        }
    }
}

/// A codec with the parameters that make its streams decodable or not.
///
/// Equal formats can be forwarded into each other; nothing else can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodecFormat {
    Opus,
    Vp8,
    H264(H264Format),
    /// Profile 0: 8 bits, 4:2:0.
    Vp9,
    /// Profile 0 (Main).
    Av1,
}

impl CodecFormat {
    /// The codec of that format.
    pub fn name(self) -> CodecName {
        match self {
            Self::Opus => CodecName::Opus,
            Self::Vp8 => CodecName::Vp8,
            Self::H264(_) => CodecName::H264,
            Self::Vp9 => CodecName::Vp9,
            Self::Av1 => CodecName::Av1,
        }
    }

    /// What an offered payload type means, when it is something we forward.
    pub fn of(codec: &OfferedCodec) -> Option<Self> {
        let named = |name: CodecName| codec.name.eq_ignore_ascii_case(name.rtpmap());
        let video = codec.clock_rate == 90_000;
        if named(CodecName::Opus) {
            // RFC 7587, section 7: always this rate and two channels, whatever is in them.
            (codec.clock_rate == 48_000 && codec.channels == 2).then_some(Self::Opus)
        } else if named(CodecName::Vp8) && video {
            Some(Self::Vp8)
        } else if named(CodecName::H264) && video {
            H264Format::of(codec).map(Self::H264)
        } else if named(CodecName::Vp9) && video {
            matches!(codec.parameter("profile-id"), None | Some("0")).then_some(Self::Vp9)
        } else if named(CodecName::Av1) && video {
            matches!(codec.parameter("profile"), None | Some("0")).then_some(Self::Av1)
        } else {
            None
        }
    }
}

/// What RFC 6184, section 8.2.2 wants to be the same on both sides. The level is not among it:
/// it bounds what a receiver takes and does not change the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct H264Format {
    pub profile: H264Profile,
    /// Whether fragments and aggregates occur: `packetization-mode=1`.
    pub fragments: bool,
}

/// Profiles by what a decoder must be able to do (RFC 6184, table 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum H264Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    Extended,
    ConstrainedHigh,
    High,
    /// `profile_idc` and the constraint bits of any other.
    Other {
        idc: u8,
        constraints: u8,
    },
}

impl H264Format {
    fn of(codec: &OfferedCodec) -> Option<Self> {
        let profile = match codec.parameter("profile-level-id") {
            // RFC 6184, section 8.1: the default is the Baseline profile, level 1.
            None => H264Profile::Baseline,
            Some(text) => H264Profile::from_hex(text)?,
        };
        let fragments = match codec.parameter("packetization-mode") {
            None | Some("0") => false,
            Some("1") => true,
            // Mode 2 interleaves; nobody sends it.
            Some(_) => return None,
        };
        Some(Self { profile, fragments })
    }
}

impl H264Profile {
    /// From the six hexadecimal digits of `profile-level-id`: different bytes may mean the same
    /// profile, because constraint flags restrict one to what another is.
    fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 6 || !text.is_ascii() {
            return None;
        }
        let idc = u8::from_str_radix(&text[..2], 16).ok()?;
        let constraints = u8::from_str_radix(&text[2..4], 16).ok()?;
        u8::from_str_radix(&text[4..], 16).ok()?;

        let is = |mask: u8, value: u8| constraints & mask == value;
        Some(match idc {
            0x42 if is(0x4f, 0x40) => Self::ConstrainedBaseline,
            0x4d if is(0x8f, 0x80) => Self::ConstrainedBaseline,
            0x58 if is(0xcf, 0xc0) => Self::ConstrainedBaseline,
            0x42 if is(0x4f, 0x00) => Self::Baseline,
            0x58 if is(0xcf, 0x80) => Self::Baseline,
            0x4d if is(0xaf, 0x00) => Self::Main,
            0x58 if is(0xcf, 0x00) => Self::Extended,
            0x64 if constraints == 0x00 => Self::High,
            0x64 if constraints == 0x0c => Self::ConstrainedHigh,
            _ => Self::Other { idc, constraints },
        })
    }
}

/// Which RTCP feedback a payload type takes (RFC 4585, RFC 5104).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// `nack`
    pub nack: bool,
    /// `nack pli`
    pub pli: bool,
    /// `ccm fir`
    pub fir: bool,
    /// `transport-cc`
    pub transport_cc: bool,
}

impl Feedback {
    /// Notes one `a=rtcp-fb` value. Others than these are not ours.
    pub(super) fn note(&mut self, value: &str) {
        let mut words = value.split_ascii_whitespace();
        match (words.next(), words.next()) {
            (Some("nack"), None) => self.nack = true,
            (Some("nack"), Some("pli")) => self.pli = true,
            (Some("ccm"), Some("fir")) => self.fir = true,
            (Some("transport-cc"), None) => self.transport_cc = true,
            _ => {}
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.nack |= other.nack;
        self.pli |= other.pli;
        self.fir |= other.fir;
        self.transport_cc |= other.transport_cc;
    }

    /// The values of `a=rtcp-fb` that say this.
    pub(super) fn values(self) -> impl Iterator<Item = &'static str> {
        [
            (self.nack, "nack"),
            (self.pli, "nack pli"),
            (self.fir, "ccm fir"),
            (self.transport_cc, "transport-cc"),
        ]
        .into_iter()
        .filter_map(|(taken, value)| taken.then_some(value))
    }
}

/// A codec both sides do, under the offer's payload types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Codec {
    pub pt: u8,
    pub format: CodecFormat,
    pub clock_rate: u32,
    /// Of audio; one for video.
    pub channels: u8,
    /// Echoed from the offer.
    pub fmtp: String,
    pub feedback: Feedback,
    /// The payload type of its retransmissions (RFC 4588), when the offer has one.
    pub rtx_pt: Option<u8>,
}
