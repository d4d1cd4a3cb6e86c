//! What both sides can do.

use confer_protocol::id::Mid;
use confer_protocol::room::MediaKind;

use super::codec::{Codec, CodecFormat, CodecName};
use super::description::{Extension, Media, Offer, OfferedCodec, OfferedSection, Setup};
use super::error::SdpError;
use crate::transport::dtls::{DtlsRole, Fingerprint};
use crate::transport::ice::IceCredentials;

/// What we are ready to do, whatever is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// In the order of preference, which the answer shows: a publisher sends the first.
    pub codecs: Vec<CodecName>,
    pub extensions: Vec<Extension>,
}

impl Default for Capabilities {
    /// Everything. VP8 leads because every client decodes it and some decode nothing else.
    fn default() -> Self {
        Self {
            codecs: vec![
                CodecName::Opus,
                CodecName::Vp8,
                CodecName::H264,
                CodecName::Vp9,
                CodecName::Av1,
            ],
            extensions: Extension::ALL.to_vec(),
        }
    }
}

/// An offer with our decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// As many as the offer has, in its order.
    pub sections: Vec<NegotiatedSection>,
    /// The client's credentials, common to the bundle.
    pub ice: IceCredentials,
    /// Any of these may be the client's certificate (RFC 8122, section 5).
    pub fingerprints: Vec<Fingerprint>,
    /// What we are.
    pub role: DtlsRole,
}

impl Negotiated {
    /// The sections that were not rejected.
    pub fn media(&self) -> impl Iterator<Item = &MediaSection> {
        self.sections.iter().filter_map(|section| match section {
            NegotiatedSection::Media(media) => Some(media),
            NegotiatedSection::Rejected(_) => None,
        })
    }
}

/// One m-line of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NegotiatedSection {
    Media(MediaSection),
    /// It keeps its place with port zero.
    Rejected(RejectedSection),
}

/// An m-line with at least one codec in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSection {
    pub mid: Mid,
    pub kind: MediaKind,
    /// The client offers to send here: a publication, if it was authorised.
    pub client_sends: bool,
    /// The client offers to receive here: a slot.
    pub client_receives: bool,
    /// In our order of preference, never empty.
    pub codecs: Vec<Codec>,
    /// Ids are the offer's.
    pub extensions: Vec<(u8, Extension)>,
    pub rtcp_rsize: bool,
    /// How the client's packets can be told when they carry no `mid`.
    pub incoming: Incoming,
}

impl MediaSection {
    /// The id under which an extension was offered.
    pub fn extension_id(&self, extension: Extension) -> Option<u8> {
        self.extensions.iter().find(|(_, known)| *known == extension).map(|(id, _)| *id)
    }

    /// The codec of a payload type, and whether it is that of its retransmissions.
    pub fn codec_of(&self, pt: u8) -> Option<(&Codec, bool)> {
        self.codecs.iter().find_map(|codec| {
            if codec.pt == pt {
                Some((codec, false))
            } else {
                (codec.rtx_pt == Some(pt)).then_some((codec, true))
            }
        })
    }
}

/// What the offer says of the streams its sender will send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Incoming {
    /// From `a=ssrc` and FID groups. Empty in simulcast offers of Chromium.
    pub sources: Vec<IncomingSource>,
    /// The simulcast layers, in the offer's order; empty when there is one layer without a rid.
    pub rids: Vec<String>,
    /// `a=simulcast:send` was there, so that the answer must take it up.
    pub simulcast: bool,
}

/// One stream and the one that repairs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncomingSource {
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
}

/// An m-line we have no use for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedSection {
    pub mid: Option<Mid>,
    /// `application`, `video`: as in the offer.
    pub media: String,
    pub protocol: String,
    pub formats: Vec<String>,
    /// Refused because no codec is common, not because of what it is or because the offerer gave
    /// it up.
    pub no_common_codec: bool,
}

/// Decides what to do with an offer.
///
/// # Errors
/// When the offer lacks what no call can do without. An m-line that we merely cannot use is
/// rejected and is no error.
pub fn negotiate(offer: &Offer, capabilities: &Capabilities) -> Result<Negotiated, SdpError> {
    let mut sections = Vec::with_capacity(offer.sections.len());
    let mut first_media = None;
    for (index, offered) in offer.sections.iter().enumerate() {
        let section = section(offer, index, offered, capabilities)?;
        if first_media.is_none() && !offered.rejected {
            first_media = Some(offered);
        }
        sections.push(section);
    }

    // RFC 8843, section 9.1: what the bundle shares is taken from its first m-line.
    let tagged = first_media.ok_or(SdpError::NoMedia)?;
    let ice = tagged.ice.clone().ok_or(SdpError::NoIceCredentials)?;
    if tagged.fingerprints.is_empty() {
        return Err(SdpError::NoFingerprint);
    }
    let role = match tagged.setup.ok_or(SdpError::NoSetup)? {
        Setup::ActPass | Setup::Active => DtlsRole::Server,
        Setup::Passive => DtlsRole::Client,
    };
    Ok(Negotiated { sections, ice, fingerprints: tagged.fingerprints.clone(), role })
}

fn section(
    offer: &Offer,
    index: usize,
    offered: &OfferedSection,
    capabilities: &Capabilities,
) -> Result<NegotiatedSection, SdpError> {
    let reject = |no_common_codec| {
        NegotiatedSection::Rejected(RejectedSection {
            mid: offered.mid.clone(),
            media: offered.media.name().to_owned(),
            protocol: offered.protocol.clone(),
            formats: offered.formats.clone(),
            no_common_codec,
        })
    };
    let kind = match &offered.media {
        Media::Kind(kind) if !offered.rejected => *kind,
        Media::Kind(_) | Media::Other(_) => return Ok(reject(false)),
    };
    let mid = offered.mid.clone().ok_or(SdpError::BadMid { index })?;
    if !offer.bundle.contains(&mid) {
        return Err(SdpError::NotBundled { mid });
    }
    if !offered.rtcp_mux {
        return Err(SdpError::NoRtcpMux { mid });
    }
    if !offered.protocol.eq_ignore_ascii_case(PROTOCOL) {
        return Err(SdpError::NotSecure { mid });
    }

    let extensions = extensions(offered, capabilities);
    let codecs = codecs(offered, kind, capabilities, &extensions);
    if codecs.is_empty() {
        return Ok(reject(true));
    }
    Ok(NegotiatedSection::Media(MediaSection {
        mid,
        kind,
        client_sends: offered.direction.sends(),
        client_receives: offered.direction.receives(),
        codecs,
        extensions,
        rtcp_rsize: offered.rtcp_rsize,
        incoming: incoming(offered),
    }))
}

/// RFC 5764, section 8; the only one browsers offer.
pub(super) const PROTOCOL: &str = "UDP/TLS/RTP/SAVPF";

/// In our order of preference, and in the offer's among the formats of one codec.
fn codecs(
    offered: &OfferedSection,
    kind: MediaKind,
    capabilities: &Capabilities,
    extensions: &[(u8, Extension)],
) -> Vec<Codec> {
    let has_transport_cc =
        extensions.iter().any(|(_, extension)| *extension == Extension::TransportCc);
    let preferred = capabilities.codecs.iter().filter(|name| name.kind() == kind);
    preferred
        .flat_map(|name| {
            offered.codecs.iter().filter_map(move |codec| {
                let format = CodecFormat::of(codec).filter(|format| format.name() == *name)?;
                let mut feedback = codec.feedback;
                // GStreamer offers the feedback without the numbers it would be about.
                feedback.transport_cc &= has_transport_cc;
                Some(Codec {
                    pt: codec.pt,
                    format,
                    clock_rate: codec.clock_rate,
                    channels: codec.channels,
                    fmtp: codec.fmtp.clone(),
                    feedback,
                    rtx_pt: rtx_of(codec, &offered.codecs),
                })
            })
        })
        .collect()
}

/// RFC 4588, section 8.1: `apt` names the payload type that is retransmitted.
fn rtx_of(codec: &OfferedCodec, all: &[OfferedCodec]) -> Option<u8> {
    all.iter()
        .filter(|rtx| rtx.name.eq_ignore_ascii_case("rtx") && rtx.clock_rate == codec.clock_rate)
        .find(|rtx| rtx.parameter("apt").is_some_and(|apt| apt.parse() == Ok(codec.pt)))
        .map(|rtx| rtx.pt)
}

fn extensions(offered: &OfferedSection, capabilities: &Capabilities) -> Vec<(u8, Extension)> {
    let mut kept: Vec<(u8, Extension)> = Vec::new();
    for offered in &offered.extensions {
        let Some(extension) = Extension::from_uri(&offered.uri) else { continue };
        let wanted = capabilities.extensions.contains(&extension);
        let taken = kept.iter().any(|(id, known)| *id == offered.id || *known == extension);
        if wanted && !taken {
            kept.push((offered.id, extension));
        }
    }
    kept
}

fn incoming(offered: &OfferedSection) -> Incoming {
    let repairs = |ssrc: u32| offered.groups.iter().any(|group| group.rtx == ssrc);
    let sources = offered
        .ssrcs
        .iter()
        .filter(|ssrc| !repairs(**ssrc))
        .map(|ssrc| IncomingSource {
            ssrc: *ssrc,
            rtx_ssrc: offered
                .groups
                .iter()
                .find(|group| group.primary == *ssrc)
                .map(|group| group.rtx),
        })
        .collect();
    Incoming { sources, rids: offered.send_rids.clone(), simulcast: offered.simulcast }
}

impl Media {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Kind(MediaKind::Audio) => "audio",
            Self::Kind(MediaKind::Video) => "video",
            Self::Other(name) => name,
        }
    }
}
