//! A track a participant sends to us: its layers, its loss, its last packets.

use std::time::{Duration, Instant};

use confer_protocol::id::{Mid, RoomId, TrackId};
use confer_protocol::media::PublishTrack;
use confer_protocol::room::{MediaKind, TrackSource};

use crate::arena::Key;
use crate::cache::{CacheIndex, Cached, PacketCache};
use crate::codec;
use crate::keyframe::KeyframeThrottle;
use crate::nack::{Arrival, NackGenerator};
use crate::participant::Participant;
use crate::reception::Reception;
use crate::rtp::extension::Known;
use crate::rtp::{Pt, RtpTime, RtpView, SeqNo, SeqNo16, Ssrc};
use crate::rtx;
use crate::sdp::{Codec, Feedback, MediaSection};
use crate::speaker::Voice;
use crate::stats::ShardStats;

/// A layer that sent nothing for this long is not sent any more.
const LAYER_SILENCE: Duration = Duration::from_secs(1);
/// How much more another layer must send to become the one that is forwarded.
const LAYER_MARGIN: u64 = 2;

/// One simulcast layer, or the whole track when there is none.
pub(crate) struct Layer {
    pub(crate) rid: Option<String>,
    pub(crate) ssrc: Option<Ssrc>,
    pub(crate) nack: NackGenerator,
    pub(crate) reception: Reception,
    newest_timestamp: Option<RtpTime>,
    heard_at: Option<Instant>,
    /// Since the layers were last compared.
    bytes: u64,
}

impl Layer {
    fn new(rid: Option<String>) -> Self {
        Self {
            rid,
            ssrc: None,
            nack: NackGenerator::default(),
            reception: Reception::default(),
            newest_timestamp: None,
            heard_at: None,
            bytes: 0,
        }
    }

    fn is_sent(&self, now: Instant) -> bool {
        self.heard_at.is_some_and(|at| now.saturating_duration_since(at) < LAYER_SILENCE)
    }
}

/// One subscriber's slot that carries this publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub(crate) participant: Key<Participant>,
    pub(crate) slot: usize,
}

/// See the module.
pub(crate) struct Publication {
    pub(crate) room: RoomId,
    pub(crate) owner: Key<Participant>,
    pub(crate) track: TrackId,
    pub(crate) source: TrackSource,
    pub(crate) mid: Mid,
    pub(crate) is_muted: bool,
    pub(crate) layers: Vec<Layer>,
    /// The one that is forwarded.
    current: usize,
    /// Grows whenever what is forwarded begins anew with other numbers.
    pub(crate) epoch: u32,
    pub(crate) subscribers: Vec<Subscriber>,
    pub(crate) keyframes: KeyframeThrottle,
    pub(crate) voice: Voice,
    codecs: Vec<Codec>,
    /// Made with the first packet: most rooms hold tracks that never send.
    cache: Option<PacketCache>,
    fir_count: u8,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// It is in the cache and to be forwarded.
    Forward(CacheIndex),
    /// It was taken note of, and counted if it should not have come.
    Nothing,
}

impl Publication {
    pub(crate) fn new(
        room: RoomId,
        owner: Key<Participant>,
        publish: &PublishTrack,
        section: &MediaSection,
    ) -> Self {
        let mut publication = Self {
            room,
            owner,
            track: publish.track,
            source: publish.source,
            mid: publish.mid.clone(),
            is_muted: publish.muted,
            layers: Vec::new(),
            current: 0,
            epoch: 0,
            subscribers: Vec::new(),
            keyframes: KeyframeThrottle::default(),
            voice: Voice::default(),
            codecs: Vec::new(),
            cache: None,
            fir_count: 0,
        };
        publication.negotiated(section);
        publication
    }

    pub(crate) fn kind(&self) -> MediaKind {
        self.source.kind()
    }

    /// Takes up what the owner's latest offer says of the m-line.
    pub(crate) fn negotiated(&mut self, section: &MediaSection) {
        self.codecs.clone_from(&section.codecs);
        let rids = &section.incoming.rids;
        let same = if rids.is_empty() {
            self.layers.len() == 1 && self.layers[0].rid.is_none()
        } else {
            self.layers.iter().filter_map(|layer| layer.rid.as_ref()).eq(rids)
        };
        if !same {
            self.layers = match rids.as_slice() {
                [] => vec![Layer::new(None)],
                rids => rids.iter().cloned().map(|rid| Layer::new(Some(rid))).collect(),
            };
            self.current = 0;
            self.epoch += 1;
        }
    }

    /// The owner's transport began anew: nothing that was received before continues.
    pub(crate) fn restart(&mut self) {
        for layer in &mut self.layers {
            *layer = Layer::new(layer.rid.take());
        }
        self.epoch += 1;
    }

    /// The layer a restriction identifier names (RFC 8852).
    pub(crate) fn layer_of(&self, rid: &[u8]) -> Option<usize> {
        self.layers.iter().position(|layer| layer.rid.as_deref().map(str::as_bytes) == Some(rid))
    }

    pub(crate) fn has_pt(&self, pt: Pt) -> bool {
        self.codecs.iter().any(|codec| codec.pt == pt.0 || codec.rtx_pt == Some(pt.0))
    }

    /// Whether a payload type is that of retransmissions.
    pub(crate) fn is_rtx(&self, pt: Pt) -> bool {
        self.codecs.iter().any(|codec| codec.rtx_pt == Some(pt.0))
    }

    /// What the publisher takes of feedback for what it sends now.
    pub(crate) fn feedback(&self) -> Feedback {
        self.codecs.first().map_or_else(Feedback::default, |codec| codec.feedback)
    }

    /// A packet of layer `layer` came; `is_rtx` when as a retransmission.
    pub(crate) fn receive(
        &mut self,
        view: &RtpView<'_>,
        known: &Known<'_>,
        layer: usize,
        is_rtx: bool,
        now: Instant,
        stats: &mut ShardStats,
    ) -> Received {
        let Some(index) = self.codecs.iter().position(|codec| {
            if is_rtx { codec.rtx_pt == Some(view.pt.0) } else { codec.pt == view.pt.0 }
        }) else {
            stats.dropped_payload += 1;
            return Received::Nothing;
        };
        if is_rtx {
            // Padding of a probing sender carries nothing.
            let Some((osn, payload)) = rtx::unwrap(view.payload) else { return Received::Nothing };
            if self.layers[layer].nack.highest().is_none() {
                return Received::Nothing;
            }
            return self.accept(view, known, layer, (osn, payload), index, now, stats);
        }

        let this = &mut self.layers[layer];
        if this.ssrc != Some(view.ssrc) {
            if this.ssrc.is_some() {
                // The sender restarted this stream under another SSRC and other numbers.
                *this = Layer::new(this.rid.take());
                if layer == self.current {
                    self.epoch += 1;
                }
            }
            self.layers[layer].ssrc = Some(view.ssrc);
        }
        let clock_hz = codec::clock_hz(self.source.kind());
        self.layers[layer].reception.note(view.seq, view.timestamp, clock_hz, now);
        self.accept(view, known, layer, (view.seq, view.payload), index, now, stats)
    }

    #[expect(clippy::too_many_arguments, reason = "one packet, taken apart on the stack")]
    fn accept(
        &mut self,
        view: &RtpView<'_>,
        known: &Known<'_>,
        layer: usize,
        (seq, payload): (SeqNo16, &[u8]),
        codec: usize,
        now: Instant,
        stats: &mut ShardStats,
    ) -> Received {
        let this = &mut self.layers[layer];
        let seq = this.nack.unroll(seq);
        let arrival = this.nack.note(seq, now);
        match arrival {
            Arrival::Newest => {}
            Arrival::Repair => stats.repaired += 1,
            Arrival::Useless => {
                stats.dropped_duplicate += 1;
                return Received::Nothing;
            }
        }
        this.heard_at = Some(now);
        this.bytes += payload.len() as u64;
        let begins_frame = this.newest_timestamp != Some(view.timestamp);
        if arrival == Arrival::Newest {
            this.newest_timestamp = Some(view.timestamp);
        }
        if self.is_muted {
            stats.dropped_muted += 1;
            return Received::Nothing;
        }
        let audio_level = known.audio_level.filter(|_| self.kind() == MediaKind::Audio);
        if let Some(level) = audio_level {
            self.voice.note(level, now);
        }

        let format = self.codecs[codec].format;
        let description = codec::describe(format.name(), payload, begins_frame);
        if layer != self.current && !(description.keyframe && self.prefers(layer, now)) {
            return Received::Nothing;
        }
        if layer != self.current {
            self.current = layer;
            self.epoch += 1;
        }
        if description.keyframe && self.kind() == MediaKind::Video {
            stats.keyframes_in += 1;
            self.keyframes.arrived();
        }

        let packet = Cached {
            seq,
            timestamp: view.timestamp,
            format,
            marker: view.marker,
            keyframe: description.keyframe,
            audio_level,
            vp8: description.vp8,
        };
        let kind = self.kind();
        let cache = self.cache.get_or_insert_with(|| match kind {
            MediaKind::Audio => PacketCache::for_audio(),
            MediaKind::Video => PacketCache::for_video(),
        });
        match cache.push(packet, known.dependency, payload, now) {
            Some(index) => Received::Forward(index),
            None => {
                stats.dropped_payload += 1;
                Received::Nothing
            }
        }
    }

    /// Whether a layer that begins a keyframe now should be forwarded from here on.
    fn prefers(&self, layer: usize, now: Instant) -> bool {
        let current = &self.layers[self.current];
        !current.is_sent(now) || self.layers[layer].bytes > current.bytes * LAYER_MARGIN
    }

    /// Compares layers, once a second: one that sends clearly more, or the only one left, needs a
    /// keyframe to become the one that is forwarded.
    pub(crate) fn compare_layers(&mut self, now: Instant) {
        let better = (0..self.layers.len()).any(|layer| {
            layer != self.current && self.layers[layer].is_sent(now) && self.prefers(layer, now)
        });
        if better && !self.is_muted {
            self.keyframes.want();
        }
        for layer in &mut self.layers {
            layer.bytes /= 2;
        }
    }

    /// Mutes or unmutes; `true` when that changed anything.
    pub(crate) fn mute(&mut self, muted: bool) -> bool {
        if self.is_muted == muted {
            return false;
        }
        self.is_muted = muted;
        self.voice.silence();
        true
    }

    /// The highest packet of the forwarded layer.
    pub(crate) fn highest(&self) -> Option<SeqNo> {
        self.layers.get(self.current).and_then(|layer| layer.nack.highest())
    }

    /// The forwarded layer, for reports.
    pub(crate) fn current_layer(&self) -> &Layer {
        &self.layers[self.current]
    }

    /// Whether anything of the track came lately.
    pub(crate) fn is_sent(&self, now: Instant) -> bool {
        self.layers.iter().any(|layer| layer.is_sent(now))
    }

    pub(crate) fn cache(&self) -> Option<&PacketCache> {
        self.cache.as_ref()
    }

    /// The number of the next FIR (RFC 5104, section 4.3.1.1).
    pub(crate) fn next_fir(&mut self) -> u8 {
        self.fir_count = self.fir_count.wrapping_add(1);
        self.fir_count
    }
}

#[cfg(test)]
mod tests;
