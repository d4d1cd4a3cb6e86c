//! Reading offers.

use confer_protocol::id::Mid;
use confer_protocol::room::MediaKind;

use super::codec::Feedback;
use super::description::{
    Direction, Media, Offer, OfferedCodec, OfferedExtension, OfferedSection, Setup, SsrcGroup,
};
use super::error::SdpError;
use crate::transport::dtls::Fingerprint;
use crate::transport::ice::IceCredentials;

/// How much of an offer is read. What goes beyond is refused, not cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SdpLimits {
    /// Length of the whole offer in bytes. Default: 256 KiB, some 150 browser m-lines.
    pub bytes: usize,
    /// Number of m-lines. Default: 128.
    pub sections: usize,
    /// Number of `a=ssrc` with different SSRCs in one m-line, and of its groups. Default: 64.
    pub ssrcs_per_section: usize,
    /// Number of `a=rid` in one m-line. Default: 8.
    pub rids_per_section: usize,
    /// Number of `a=fingerprint` at one level. Default: 8.
    pub fingerprints: usize,
}

impl Default for SdpLimits {
    fn default() -> Self {
        Self {
            bytes: 256 * 1024,
            sections: 128,
            ssrcs_per_section: 64,
            rids_per_section: 8,
            fingerprints: 8,
        }
    }
}

/// The longest mid. One that is longer does not fit into a one-byte header extension
/// (RFC 8285, section 4.2).
const MID_LEN: usize = 16;

/// Reads an offer. What is not understood is skipped, as RFC 8866, section 5 wants.
///
/// # Errors
/// When it is not a session description or exceeds `limits`.
pub fn read(offer: &str, limits: &SdpLimits) -> Result<Offer, SdpError> {
    if offer.len() > limits.bytes {
        return Err(SdpError::TooLong { len: offer.len(), limit: limits.bytes });
    }
    let mut reader = Reader::new(*limits);
    let lines = offer.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    for (index, text) in lines.enumerate() {
        if !text.is_empty() {
            reader.line(index, text).map_err(|refusal| refusal.at(index + 1, limits))?;
        }
    }
    reader.finish()
}

/// Why a line was refused; [`read`] adds which it was.
enum Refusal {
    Syntax(&'static str),
    TooManySections,
}

impl Refusal {
    fn at(self, line: usize, limits: &SdpLimits) -> SdpError {
        match self {
            Self::Syntax(problem) => SdpError::Syntax { line, problem },
            Self::TooManySections => SdpError::TooManySections { limit: limits.sections },
        }
    }
}

struct Reader {
    limits: SdpLimits,
    session: Level,
    bundle: Vec<Mid>,
    has_bundle: bool,
    sections: Vec<(OfferedSection, Level)>,
}

/// What may stand at session level, for all m-lines that do not say otherwise.
#[derive(Default)]
struct Level {
    ufrag: Option<String>,
    pwd: Option<String>,
    fingerprints: Vec<Fingerprint>,
    setup: Option<Setup>,
    direction: Option<Direction>,
    extensions: Vec<OfferedExtension>,
    bundle_only: bool,
    port_zero: bool,
    every_feedback: Feedback,
}

impl Reader {
    fn new(limits: SdpLimits) -> Self {
        Self {
            limits,
            session: Level::default(),
            bundle: Vec::new(),
            has_bundle: false,
            sections: Vec::new(),
        }
    }

    fn line(&mut self, index: usize, text: &str) -> Result<(), Refusal> {
        let mut chars = text.chars();
        let (Some(kind), Some('=')) = (chars.next(), chars.next()) else {
            return Err(Refusal::Syntax("it must begin with a letter and ="));
        };
        let value = chars.as_str();
        if index == 0 {
            return match (kind, value) {
                ('v', "0") => Ok(()),
                _ => Err(Refusal::Syntax("the first line must be v=0")),
            };
        }
        match kind {
            'm' => self.media(value),
            'a' => {
                let (name, value) = value.split_once(':').unwrap_or((value, ""));
                self.attribute(name, value.trim())
            }
            _ => Ok(()),
        }
    }

    fn media(&mut self, value: &str) -> Result<(), Refusal> {
        if self.sections.len() >= self.limits.sections {
            return Err(Refusal::TooManySections);
        }
        let mut words = value.split_ascii_whitespace();
        let (Some(media), Some(port), Some(protocol)) = (words.next(), words.next(), words.next())
        else {
            return Err(Refusal::Syntax("an m-line needs media, port, protocol and formats"));
        };
        let port = port.split('/').next().unwrap_or(port);
        let Ok(port) = port.parse::<u16>() else {
            return Err(Refusal::Syntax("the port of the m-line is not a number"));
        };
        let formats: Vec<String> = words.map(str::to_owned).collect();
        let media = match media {
            "audio" => Media::Kind(MediaKind::Audio),
            "video" => Media::Kind(MediaKind::Video),
            other => Media::Other(other.to_owned()),
        };
        let codecs = match media {
            Media::Kind(_) => formats.iter().filter_map(|pt| payload_type(pt)).collect(),
            Media::Other(_) => Vec::new(),
        };
        let section = OfferedSection {
            mid: None,
            media,
            protocol: protocol.to_owned(),
            formats,
            rejected: false,
            direction: Direction::SendRecv,
            ice: None,
            fingerprints: Vec::new(),
            setup: None,
            rtcp_mux: false,
            rtcp_rsize: false,
            codecs: unique_codecs(codecs),
            extensions: Vec::new(),
            ssrcs: Vec::new(),
            groups: Vec::new(),
            send_rids: Vec::new(),
            receive_rids: Vec::new(),
            simulcast: false,
        };
        self.sections.push((section, Level { port_zero: port == 0, ..Level::default() }));
        Ok(())
    }

    /// Attributes come in any order; `fmtp` may precede the `rtpmap` it belongs to.
    fn attribute(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        let limits = self.limits;
        if name == "group" {
            return self.group(value);
        }
        let level = match self.sections.last_mut() {
            Some((_, level)) => level,
            None => &mut self.session,
        };
        match name {
            "ice-ufrag" => level.ufrag = Some(credential(value, 4)?),
            "ice-pwd" => level.pwd = Some(credential(value, 22)?),
            "setup" => level.setup = Setup::from_name(value),
            "fingerprint" => {
                bounded(level.fingerprints.len(), limits.fingerprints, "too many a=fingerprint")?;
                // Hash functions that prove nothing are as good as absent.
                level.fingerprints.extend(value.parse::<Fingerprint>().ok());
            }
            "extmap" => level.extension(value)?,
            "bundle-only" => level.bundle_only = true,
            "rtcp-fb" => {
                if let Some(("*", feedback)) = value.split_once(' ') {
                    level.every_feedback.note(feedback);
                }
            }
            _ => {
                if let Some(direction) = Direction::from_name(name) {
                    level.direction = Some(direction);
                }
            }
        }
        match self.sections.last_mut() {
            Some((section, _)) => section.attribute(name, value, &limits),
            None => Ok(()),
        }
    }

    /// RFC 8843: the first BUNDLE is the one that counts.
    fn group(&mut self, value: &str) -> Result<(), Refusal> {
        let mut words = value.split_ascii_whitespace();
        if words.next() == Some("BUNDLE") && !self.has_bundle {
            self.has_bundle = true;
            for mid in words {
                bounded(self.bundle.len(), self.limits.sections, "too many mids in a=group")?;
                self.bundle.push(Mid(mid.to_owned()));
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<Offer, SdpError> {
        if self.sections.is_empty() {
            return Err(SdpError::NoMedia);
        }
        let mut sections: Vec<OfferedSection> = Vec::with_capacity(self.sections.len());
        for (index, (mut section, level)) in self.sections.into_iter().enumerate() {
            section.inherit(level, &self.session);
            let mid = section.mid.as_ref();
            if mid.is_some_and(|mid| sections.iter().any(|other| other.mid.as_ref() == Some(mid))) {
                return Err(SdpError::BadMid { index });
            }
            sections.push(section);
        }
        Ok(Offer { sections, bundle: self.bundle })
    }
}

impl Level {
    /// `a=extmap:2/recvonly uri attributes`. Ids above 255 fit into no packet.
    fn extension(&mut self, value: &str) -> Result<(), Refusal> {
        let mut words = value.split_ascii_whitespace();
        let (Some(id), Some(uri)) = (words.next(), words.next()) else {
            return Err(Refusal::Syntax("a=extmap needs an id and a URI"));
        };
        let id = id.split('/').next().unwrap_or(id);
        if let Ok(id @ 1..) = id.parse::<u8>()
            && !self.extensions.iter().any(|known| known.id == id)
        {
            self.extensions.push(OfferedExtension { id, uri: uri.to_owned() });
        }
        Ok(())
    }
}

impl OfferedSection {
    fn attribute(&mut self, name: &str, value: &str, limits: &SdpLimits) -> Result<(), Refusal> {
        match name {
            "mid" => {
                let fits = (1..=MID_LEN).contains(&value.len());
                if !fits || value.contains(char::is_whitespace) {
                    return Err(Refusal::Syntax("a mid has 1 to 16 characters and no spaces"));
                }
                self.mid = Some(Mid(value.to_owned()));
            }
            "rtcp-mux" => self.rtcp_mux = true,
            "rtcp-rsize" => self.rtcp_rsize = true,
            "rtpmap" => self.rtpmap(value)?,
            "fmtp" => {
                if let Some((codec, parameters)) = self.codec(value) {
                    codec.fmtp = parameters.to_owned();
                }
            }
            "rtcp-fb" => {
                if let Some((codec, feedback)) = self.codec(value) {
                    codec.feedback.note(feedback);
                }
            }
            "ssrc" => {
                let ssrc = value.split_ascii_whitespace().next().and_then(|ssrc| ssrc.parse().ok());
                let ssrc = ssrc.ok_or(Refusal::Syntax("a=ssrc needs a number"))?;
                if !self.ssrcs.contains(&ssrc) {
                    bounded(self.ssrcs.len(), limits.ssrcs_per_section, "too many a=ssrc")?;
                    self.ssrcs.push(ssrc);
                }
            }
            "ssrc-group" => {
                let mut words = value.split_ascii_whitespace();
                if words.next() == Some("FID") {
                    let mut next = || words.next().and_then(|ssrc| ssrc.parse().ok());
                    let (Some(primary), Some(rtx)) = (next(), next()) else {
                        return Err(Refusal::Syntax("a=ssrc-group:FID needs two SSRCs"));
                    };
                    bounded(self.groups.len(), limits.ssrcs_per_section, "too many a=ssrc-group")?;
                    self.groups.push(SsrcGroup { primary, rtx });
                }
            }
            "rid" => self.rid(value, limits)?,
            "simulcast" => {
                self.simulcast |= value.split_ascii_whitespace().any(|word| word == "send");
            }
            _ => {}
        }
        Ok(())
    }

    /// `a=rtpmap:111 opus/48000/2`.
    fn rtpmap(&mut self, value: &str) -> Result<(), Refusal> {
        let Some((codec, encoding)) = self.codec(value) else { return Ok(()) };
        let mut parts = encoding.trim().split('/');
        let name = parts.next().unwrap_or_default();
        let rate = parts.next().and_then(|rate| rate.parse().ok());
        let Some(rate) = rate.filter(|_| !name.is_empty()) else {
            return Err(Refusal::Syntax("a=rtpmap needs a name and a clock rate"));
        };
        codec.name = name.to_owned();
        codec.clock_rate = rate;
        codec.channels = parts.next().and_then(|channels| channels.parse().ok()).unwrap_or(1);
        Ok(())
    }

    /// The codec an attribute speaks of, and the rest of its value. Attributes of payload types
    /// that the m-line does not list are skipped.
    fn codec<'v>(&mut self, value: &'v str) -> Option<(&mut OfferedCodec, &'v str)> {
        let (pt, rest) = value.split_once(' ')?;
        let pt: u8 = pt.parse().ok()?;
        let codec = self.codecs.iter_mut().find(|codec| codec.pt == pt)?;
        Some((codec, rest.trim()))
    }

    /// `a=rid:hi send pt=97`.
    fn rid(&mut self, value: &str, limits: &SdpLimits) -> Result<(), Refusal> {
        let mut words = value.split_ascii_whitespace();
        let (Some(rid), Some(direction)) = (words.next(), words.next()) else {
            return Err(Refusal::Syntax("a=rid needs an id and a direction"));
        };
        let rids = match direction {
            "send" => &mut self.send_rids,
            "recv" => &mut self.receive_rids,
            _ => return Err(Refusal::Syntax("the direction of a=rid is send or recv")),
        };
        if !rids.iter().any(|known| known == rid) {
            bounded(rids.len(), limits.rids_per_section, "too many a=rid")?;
            rids.push(rid.to_owned());
        }
        Ok(())
    }

    fn inherit(&mut self, level: Level, session: &Level) {
        let ufrag = level.ufrag.or_else(|| session.ufrag.clone());
        let pwd = level.pwd.or_else(|| session.pwd.clone());
        self.ice = ufrag.zip(pwd).map(|(ufrag, pwd)| IceCredentials { ufrag, pwd });
        self.fingerprints = if level.fingerprints.is_empty() {
            session.fingerprints.clone()
        } else {
            level.fingerprints
        };
        self.setup = level.setup.or(session.setup);
        self.direction = level.direction.or(session.direction).unwrap_or(Direction::SendRecv);
        self.extensions = level.extensions;
        for inherited in &session.extensions {
            if !self.extensions.iter().any(|own| own.id == inherited.id) {
                self.extensions.push(inherited.clone());
            }
        }
        // RFC 8843, section 6: port zero is how an m-line that exists only in a bundle is written.
        self.rejected = level.port_zero && !level.bundle_only;
        for codec in &mut self.codecs {
            codec.feedback.merge(level.every_feedback);
        }
        self.codecs.retain(|codec| !codec.name.is_empty());
    }
}

/// Dynamic and static payload types; those that would look like RTCP are none (RFC 5761).
fn payload_type(text: &str) -> Option<u8> {
    text.parse().ok().filter(|pt| matches!(pt, 0..=63 | 96..=127))
}

fn unique_codecs(pts: Vec<u8>) -> Vec<OfferedCodec> {
    let mut codecs: Vec<OfferedCodec> = Vec::new();
    for pt in pts {
        if !codecs.iter().any(|codec| codec.pt == pt) {
            codecs.push(OfferedCodec {
                pt,
                name: String::new(),
                clock_rate: 0,
                channels: 1,
                fmtp: String::new(),
                feedback: Feedback::default(),
            });
        }
    }
    codecs
}

/// RFC 8839, section 5.4: at most 256 characters, at least as many as make guessing hopeless.
fn credential(value: &str, at_least: usize) -> Result<String, Refusal> {
    let is_ice_char =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=');
    if (at_least..=256).contains(&value.len()) && value.chars().all(is_ice_char) {
        Ok(value.to_owned())
    } else {
        Err(Refusal::Syntax("not an ICE user name fragment or password"))
    }
}

fn bounded(len: usize, limit: usize, problem: &'static str) -> Result<(), Refusal> {
    if len < limit { Ok(()) } else { Err(Refusal::Syntax(problem)) }
}
