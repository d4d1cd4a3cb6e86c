//! Writing answers.

use std::fmt::Write;
use std::net::SocketAddr;

use confer_protocol::id::Mid;
use confer_protocol::room::MediaKind;

use super::capability::{MediaSection, Negotiated, NegotiatedSection, PROTOCOL, RejectedSection};
use super::codec::Codec;
use super::description::Direction;
use crate::transport::dtls::{DtlsRole, Fingerprint};
use crate::transport::ice::IceCredentials;

/// What the answer says about us.
#[derive(Clone, Debug)]
pub struct LocalDescription {
    /// Stays the same for all answers of a participant (RFC 8866, section 5.2).
    pub session_id: u64,
    /// Grows with every answer.
    pub session_version: u64,
    pub ice: IceCredentials,
    pub fingerprint: Fingerprint,
    /// Where to reach us by UDP, best first.
    pub candidates: Vec<SocketAddr>,
    /// The sections in which we take what the client sends.
    pub receiving: Vec<Mid>,
    /// The sections in which we send, and as what.
    pub sending: Vec<(Mid, SendingSource)>,
}

/// How what we send in a section is named. It stays the same whatever the slot carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SendingSource {
    pub ssrc: u32,
    /// Announced when a codec of the section has retransmissions.
    pub rtx_ssrc: Option<u32>,
    /// RFC 7022; without spaces.
    pub cname: String,
    /// The MediaStream and the track that the browser makes (RFC 8830); without spaces.
    pub stream: String,
    pub track: String,
}

/// Writes the answer to a negotiated offer.
///
/// A section's direction is what was offered and what `local` takes up.
pub fn write_answer(negotiated: &Negotiated, local: &LocalDescription) -> String {
    let mut out = String::with_capacity(512 + 1024 * negotiated.sections.len());
    write_session(negotiated, local, &mut out);
    let mut first = true;
    for section in &negotiated.sections {
        match section {
            NegotiatedSection::Media(media) => {
                write_media(media, negotiated.role, local, &mut out);
                if std::mem::take(&mut first) {
                    write_candidates(local, &mut out);
                }
            }
            NegotiatedSection::Rejected(rejected) => write_rejected(rejected, &mut out),
        }
    }
    out
}

/// Appends one line. Writing into a `String` cannot fail.
macro_rules! line {
    ($out:expr, $($text:tt)*) => {{
        write!($out, $($text)*).expect("a String takes everything");
        $out.push_str("\r\n");
    }};
}

fn write_session(negotiated: &Negotiated, local: &LocalDescription, out: &mut String) {
    line!(out, "v=0");
    line!(out, "o=- {} {} IN IP4 127.0.0.1", local.session_id, local.session_version);
    line!(out, "s=-");
    line!(out, "t=0 0");
    let mids = negotiated.media().fold(String::new(), |mut mids, media| {
        mids.push(' ');
        mids.push_str(&media.mid.0);
        mids
    });
    if !mids.is_empty() {
        line!(out, "a=group:BUNDLE{mids}");
    }
    line!(out, "a=extmap-allow-mixed");
    line!(out, "a=msid-semantic: WMS *");
    line!(out, "a=ice-lite");
}

fn write_media(media: &MediaSection, role: DtlsRole, local: &LocalDescription, out: &mut String) {
    let kind = match media.kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    };
    let pts = media.codecs.iter().fold(String::new(), |mut pts, codec| {
        for pt in std::iter::once(codec.pt).chain(codec.rtx_pt) {
            write!(pts, " {pt}").expect("a String takes everything");
        }
        pts
    });
    line!(out, "m={kind} 9 {PROTOCOL}{pts}");
    line!(out, "c=IN IP4 0.0.0.0");
    line!(out, "a=mid:{}", media.mid);
    line!(out, "a=rtcp-mux");
    if media.rtcp_rsize {
        line!(out, "a=rtcp-rsize");
    }
    write_transport(role, local, out);

    let receives = media.client_sends && local.receiving.contains(&media.mid);
    let source = local
        .sending
        .iter()
        .find(|(mid, _)| *mid == media.mid && media.client_receives)
        .map(|(_, source)| source);
    line!(out, "a={}", Direction::new(source.is_some(), receives).name());

    for codec in &media.codecs {
        write_codec(codec, out);
    }
    for (id, extension) in &media.extensions {
        line!(out, "a=extmap:{id} {}", extension.uri());
    }
    if receives && media.incoming.simulcast && !media.incoming.rids.is_empty() {
        for rid in &media.incoming.rids {
            line!(out, "a=rid:{rid} recv");
        }
        line!(out, "a=simulcast:recv {}", media.incoming.rids.join(";"));
    }
    if let Some(source) = source {
        write_source(media, source, out);
    }
}

/// Repeated in every section, for readers that do not look at the first one of the bundle.
fn write_transport(role: DtlsRole, local: &LocalDescription, out: &mut String) {
    line!(out, "a=ice-ufrag:{}", local.ice.ufrag);
    line!(out, "a=ice-pwd:{}", local.ice.pwd);
    line!(out, "a=fingerprint:{}", local.fingerprint);
    let setup = match role {
        DtlsRole::Server => "passive",
        DtlsRole::Client => "active",
    };
    line!(out, "a=setup:{setup}");
}

/// In the first section of the bundle only, where everybody looks for them
/// (RFC 8843, section 7.1.3): an answer may have many sections.
fn write_candidates(local: &LocalDescription, out: &mut String) {
    for (at, address) in local.candidates.iter().enumerate() {
        let priority = host_priority(at);
        let (ip, port) = (address.ip().to_canonical(), address.port());
        line!(out, "a=candidate:{} 1 udp {priority} {ip} {port} typ host", at + 1);
    }
    line!(out, "a=end-of-candidates");
}

/// RFC 8445, section 5.1.2.1, for host candidates of one component in our order of preference.
fn host_priority(at: usize) -> u32 {
    const HOST: u32 = 126;
    let preference = u32::try_from(at).map_or(0, |at| 65_535u32.saturating_sub(at));
    (HOST << 24) | (preference << 8) | 255
}

fn write_codec(codec: &Codec, out: &mut String) {
    let name = codec.format.name().rtpmap();
    let (pt, rate) = (codec.pt, codec.clock_rate);
    match codec.channels {
        0 | 1 => line!(out, "a=rtpmap:{pt} {name}/{rate}"),
        channels => line!(out, "a=rtpmap:{pt} {name}/{rate}/{channels}"),
    }
    if !codec.fmtp.is_empty() {
        line!(out, "a=fmtp:{pt} {}", codec.fmtp);
    }
    for value in codec.feedback.values() {
        line!(out, "a=rtcp-fb:{pt} {value}");
    }
    if let Some(rtx) = codec.rtx_pt {
        line!(out, "a=rtpmap:{rtx} rtx/{rate}");
        line!(out, "a=fmtp:{rtx} apt={pt}");
    }
}

fn write_source(media: &MediaSection, source: &SendingSource, out: &mut String) {
    let SendingSource { ssrc, cname, stream, track, .. } = source;
    line!(out, "a=msid:{stream} {track}");
    let repairs = media.codecs.iter().any(|codec| codec.rtx_pt.is_some());
    if let Some(rtx) = source.rtx_ssrc.filter(|_| repairs) {
        line!(out, "a=ssrc-group:FID {ssrc} {rtx}");
        line!(out, "a=ssrc:{ssrc} cname:{cname}");
        line!(out, "a=ssrc:{rtx} cname:{cname}");
    } else {
        line!(out, "a=ssrc:{ssrc} cname:{cname}");
    }
}

/// RFC 9429, section 5.3.1: port zero, and nothing that matters.
fn write_rejected(rejected: &RejectedSection, out: &mut String) {
    let formats =
        if rejected.formats.is_empty() { "0".to_owned() } else { rejected.formats.join(" ") };
    line!(out, "m={} 0 {} {formats}", rejected.media, rejected.protocol);
    line!(out, "c=IN IP4 0.0.0.0");
    if let Some(mid) = &rejected.mid {
        line!(out, "a=mid:{mid}");
    }
    line!(out, "a=inactive");
}
