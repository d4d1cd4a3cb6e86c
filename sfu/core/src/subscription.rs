//! A slot of a subscriber, and the subscription it carries: an outgoing track.

use std::time::Instant;

use confer_protocol::id::Mid;
use confer_protocol::room::MediaKind;

use crate::arena::Key;
use crate::cache::{CacheIndex, Cached};
use crate::codec;
use crate::nack::{NackResponder, Sent};
use crate::publication::Publication;
use crate::rewriter::{Break, Original, Rewriter};
use crate::rtp::{ExtensionIds, Pt, RtpTime, SeqNo, Ssrc};
use crate::sdp::{Codec, CodecFormat, MediaSection};
use crate::stats::ShardStats;

/// One pre-negotiated outgoing m-line. Its SSRCs never change, whatever it carries.
pub(crate) struct Slot {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    pub(crate) ssrc: Ssrc,
    pub(crate) rtx_ssrc: Ssrc,
    pub(crate) extensions: ExtensionIds,
    /// The one-byte form of RFC 8285 has no room for an id or for the mid.
    pub(crate) needs_two_bytes: bool,
    pub(crate) carries: Option<Key<Publication>>,
    codecs: Vec<Codec>,
    progress: Progress,
    rewriter: Rewriter,
    /// Made with the first packet: most slots are never used.
    responder: Option<NackResponder>,
    /// What packets of the format that came last are sent as.
    outgoing: Option<Outgoing>,
    rtx_seq: SeqNo,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
}

/// How a format is sent.
#[derive(Clone, Copy, Debug)]
struct Outgoing {
    format: CodecFormat,
    pt: Pt,
}

/// How far a subscription is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// It begins with the next packet a decoder can begin with.
    Waiting(Break),
    /// It follows this epoch of its publication.
    Flowing { epoch: u32 },
}

/// What a slot does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It goes out under this number.
    Send(SeqNo),
    /// It goes out, and those that came before it although they follow it go as well.
    Begin(SeqNo),
    /// It cannot be decoded yet: a keyframe is needed.
    NeedsKeyframe,
    Drop,
}

impl Slot {
    /// A slot for a receiving m-line. `seeds` are random.
    pub(crate) fn new(section: &MediaSection, ssrc: Ssrc, rtx_ssrc: Ssrc, seeds: [u16; 4]) -> Self {
        let first_time = RtpTime((u32::from(seeds[2]) << 16) | u32::from(seeds[3]));
        let mut slot = Self {
            mid: section.mid.clone(),
            kind: section.kind,
            ssrc,
            rtx_ssrc,
            extensions: ExtensionIds::default(),
            needs_two_bytes: false,
            carries: None,
            codecs: Vec::new(),
            progress: Progress::Waiting(Break::OtherSource),
            rewriter: Rewriter::new(codec::clock_hz(section.kind), seeds[0], first_time),
            responder: None,
            outgoing: None,
            rtx_seq: SeqNo(u64::from(seeds[1] & 0x7fff)),
            packets: 0,
            octets: 0,
        };
        slot.negotiated(section);
        slot
    }

    /// Takes up what the latest offer says of the m-line.
    pub(crate) fn negotiated(&mut self, section: &MediaSection) {
        self.codecs.clone_from(&section.codecs);
        self.outgoing = None;
        self.extensions = ExtensionIds::default();
        for (id, extension) in &section.extensions {
            self.extensions.set(*extension, *id);
        }
        let has_high_id = section.extensions.iter().any(|(id, _)| *id > 14);
        self.needs_two_bytes = has_high_id || section.mid.0.len() > 16;
    }

    /// Carries something else from now on, or nothing.
    pub(crate) fn carry(&mut self, publication: Option<Key<Publication>>) {
        self.carries = publication;
        self.progress = Progress::Waiting(Break::OtherSource);
    }

    /// What the slot carries paused: a decoder can go on only with a keyframe.
    pub(crate) fn pause(&mut self) {
        if matches!(self.progress, Progress::Flowing { .. }) {
            self.progress = Progress::Waiting(Break::Pause);
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.progress, Progress::Waiting(_))
    }

    /// Decides about a packet of what the slot carries, and numbers it.
    pub(crate) fn take(
        &mut self,
        publication: Key<Publication>,
        epoch: u32,
        index: CacheIndex,
        packet: &Cached,
        now: Instant,
        stats: &mut ShardStats,
    ) -> Decision {
        let Some(pt) = self.pt_of(packet.format) else {
            stats.dark_no_codec += 1;
            return Decision::Drop;
        };
        let original = Original { seq: packet.seq, timestamp: packet.timestamp, vp8: packet.vp8 };
        let mut begins = false;
        if self.progress != (Progress::Flowing { epoch }) {
            if !packet.keyframe {
                stats.dark_no_keyframe += 1;
                return Decision::NeedsKeyframe;
            }
            let kind = match self.progress {
                Progress::Waiting(kind) => kind,
                Progress::Flowing { .. } => Break::OtherSource,
            };
            self.rewriter.begin(original, kind, now);
            self.progress = Progress::Flowing { epoch };
            begins = true;
        }
        let Some(numbers) = self.rewriter.rewrite(original, now) else { return Decision::Drop };
        let kind = self.kind;
        let responder = self.responder.get_or_insert_with(|| match kind {
            MediaKind::Audio => NackResponder::for_audio(),
            MediaKind::Video => NackResponder::for_video(),
        });
        responder.note(Sent::new(publication, index, pt, numbers));
        if begins { Decision::Begin(numbers.seq) } else { Decision::Send(numbers.seq) }
    }

    /// The payload type under which this subscriber gets a format.
    fn pt_of(&mut self, format: CodecFormat) -> Option<Pt> {
        if let Some(outgoing) = self.outgoing.filter(|outgoing| outgoing.format == format) {
            return Some(outgoing.pt);
        }
        let codec = self.codecs.iter().find(|codec| codec.format == format)?;
        let outgoing = Outgoing { format, pt: Pt(codec.pt) };
        self.outgoing = Some(outgoing);
        Some(outgoing.pt)
    }

    /// The payload type of retransmissions of packets with payload type `pt`.
    pub(crate) fn rtx_pt(&self, pt: Pt) -> Option<Pt> {
        self.codecs.iter().find(|codec| codec.pt == pt.0)?.rtx_pt.map(Pt)
    }

    /// Whether the subscriber has this codec at all.
    pub(crate) fn decodes(&self, codec: crate::sdp::CodecName) -> bool {
        self.codecs.iter().any(|known| known.format.name() == codec)
    }

    pub(crate) fn responder(&mut self) -> Option<&mut NackResponder> {
        self.responder.as_mut()
    }

    pub(crate) fn rewriter(&self) -> &Rewriter {
        &self.rewriter
    }

    /// The number of the next retransmission packet. Never given twice.
    pub(crate) fn next_rtx_seq(&mut self) -> SeqNo {
        self.rtx_seq = self.rtx_seq.next();
        self.rtx_seq
    }
}
