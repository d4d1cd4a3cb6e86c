//! Continuous numbers for a subscriber, whatever its slot carries.
//!
//! A decoder sees one stream for ever. When the slot begins to carry another track, or the same
//! one after a pause, sequence numbers, timestamps and VP8 picture ids go on where they stopped.

use std::time::Instant;

use crate::codec::vp8::Vp8;
use crate::rtp::seq::rtp_units;
use crate::rtp::{RtpTime, SeqNo};

/// The numbers a packet has for one subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Renumbered {
    pub(crate) seq: SeqNo,
    pub(crate) timestamp: RtpTime,
    pub(crate) picture_id: u16,
    pub(crate) tl0: u8,
}

/// What a packet's numbers were before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Original {
    pub(crate) seq: SeqNo,
    pub(crate) timestamp: RtpTime,
    pub(crate) vp8: Option<Vp8>,
}

/// Whether timestamps of before and after a break are of one clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// Another track or layer: time goes on by what has passed here.
    OtherSource,
    /// The same one after a pause: its own clock went on meanwhile.
    Pause,
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Rewriter {
    clock_hz: u32,
    /// Added to what comes in, modulo 2^64.
    seq_offset: u64,
    time_offset: u32,
    picture_offset: u16,
    tl0_offset: u8,
    /// Packets before this one belong to what the slot carried earlier, or to nothing: mapping
    /// them would use a number, and with it an SRTP nonce, a second time.
    first: SeqNo,
    /// The highest numbers that went out.
    last: Renumbered,
    last_at: Option<Instant>,
}

impl Rewriter {
    /// A stream that has not begun. RFC 3711, section 3.3.1 wants the first sequence number in the
    /// lower half, so that nobody mistakes the first wrap.
    pub(crate) fn new(clock_hz: u32, first_seq: u16, first_time: RtpTime) -> Self {
        Self {
            clock_hz,
            seq_offset: 0,
            time_offset: 0,
            picture_offset: 0,
            tl0_offset: 0,
            first: SeqNo(0),
            last: Renumbered {
                seq: SeqNo(u64::from(first_seq & 0x7fff)),
                timestamp: first_time,
                picture_id: first_seq >> 1,
                tl0: 0,
            },
            last_at: None,
        }
    }

    /// The highest sequence number that went out.
    pub(crate) fn highest(&self) -> SeqNo {
        self.last.seq
    }

    /// Where in this stream's time a moment of the source is.
    pub(crate) fn timestamp(&self, source: RtpTime) -> RtpTime {
        source.plus(self.time_offset)
    }

    /// Makes `packet` the next one of the stream.
    pub(crate) fn begin(&mut self, packet: Original, kind: Break, now: Instant) {
        self.first = packet.seq;
        self.seq_offset = self.last.seq.0.wrapping_add(1).wrapping_sub(packet.seq.0);
        if kind == Break::OtherSource || self.last_at.is_none() {
            let passed = self.last_at.map_or(0, |at| {
                let passed = rtp_units(now.saturating_duration_since(at), self.clock_hz);
                // Two frames never share a timestamp: at least 10 ms lie between them.
                passed.max(self.clock_hz / 100)
            });
            let next = self.last.timestamp.plus(passed);
            self.time_offset = next.0.wrapping_sub(packet.timestamp.0);
        }
        if let Some(vp8) = packet.vp8 {
            let picture_id = vp8.picture_id.map_or(0, |id| id.value);
            self.picture_offset =
                self.last.picture_id.wrapping_add(1).wrapping_sub(picture_id) & 0x7fff;
            let tl0 = vp8.tl0.map_or(0, |(tl0, _)| tl0);
            self.tl0_offset = self.last.tl0.wrapping_add(1).wrapping_sub(tl0);
        }
    }

    /// The numbers of a packet of what the slot carries; `None` when it is from before that.
    pub(crate) fn rewrite(&mut self, packet: Original, now: Instant) -> Option<Renumbered> {
        if packet.seq < self.first {
            return None;
        }
        let seq = SeqNo(packet.seq.0.wrapping_add(self.seq_offset));
        let timestamp = packet.timestamp.plus(self.time_offset);
        let (picture_id, tl0) = packet.vp8.map_or((0, 0), |vp8| {
            let picture_id = vp8
                .picture_id
                .map_or(0, |id| id.value.wrapping_add(self.picture_offset) & id.mask());
            let tl0 = vp8.tl0.map_or(0, |(tl0, _)| tl0.wrapping_add(self.tl0_offset));
            (picture_id, tl0)
        });
        let renumbered = Renumbered { seq, timestamp, picture_id, tl0 };
        if seq > self.last.seq {
            self.last = Renumbered {
                // Codecs without picture ids leave the numbering where it was.
                picture_id: if packet.vp8.is_some() { picture_id } else { self.last.picture_id },
                tl0: if packet.vp8.is_some() { tl0 } else { self.last.tl0 },
                ..renumbered
            };
            self.last_at = Some(now);
        }
        Some(renumbered)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::codec::vp8::PictureId;

    fn video(seq: u64, timestamp: u32, picture: u16, tl0: u8) -> Original {
        let picture_id = Some(PictureId { value: picture, is_long: true, offset: 2 });
        Original {
            seq: SeqNo(seq),
            timestamp: RtpTime(timestamp),
            vp8: Some(Vp8 { picture_id, tl0: Some((tl0, 4)), keyframe: false }),
        }
    }

    #[test]
    fn numbers_go_on_across_a_switch() {
        let start = Instant::now();
        let mut rewriter = Rewriter::new(90_000, 100, RtpTime(1_000));
        rewriter.begin(video(70_000, 5, 9, 200), Break::OtherSource, start);
        let first = rewriter.rewrite(video(70_000, 5, 9, 200), start).expect("in");
        assert_eq!((first.seq, first.timestamp), (SeqNo(101), RtpTime(1_000)));
        let second = rewriter.rewrite(video(70_001, 3_005, 10, 201), start).expect("in");

        let later = start + Duration::from_millis(40);
        rewriter.begin(video(80, 77, 5, 7), Break::OtherSource, later);
        let third = rewriter.rewrite(video(80, 77, 5, 7), later).expect("in");
        assert_eq!(third.seq, second.seq.next());
        assert_eq!(third.timestamp, second.timestamp.plus(3_600));
        assert_eq!(third.picture_id, second.picture_id + 1);
        assert_eq!(third.tl0, second.tl0.wrapping_add(1));
    }

    #[test]
    fn a_pause_keeps_the_clock_and_closes_the_gap() {
        let start = Instant::now();
        let mut rewriter = Rewriter::new(48_000, 0, RtpTime(0));
        let audio = |seq, time| Original { seq: SeqNo(seq), timestamp: RtpTime(time), vp8: None };
        rewriter.begin(audio(10, 960), Break::OtherSource, start);
        let before = rewriter.rewrite(audio(10, 960), start).expect("in");
        rewriter.begin(audio(500, 96_960), Break::Pause, start);
        let after = rewriter.rewrite(audio(500, 96_960), start).expect("in");
        assert_eq!(after.seq, before.seq.next());
        assert_eq!(after.timestamp, before.timestamp.plus(96_000));
    }

    #[test]
    fn a_packet_from_before_the_switch_gets_no_number() {
        let start = Instant::now();
        let mut rewriter = Rewriter::new(90_000, 0, RtpTime(0));
        rewriter.begin(video(100, 0, 0, 0), Break::OtherSource, start);
        assert_eq!(rewriter.rewrite(video(99, 0, 0, 0), start), None);
    }

    #[test]
    fn a_reordered_packet_fills_its_gap_and_moves_nothing() {
        let start = Instant::now();
        let mut rewriter = Rewriter::new(90_000, 0, RtpTime(0));
        rewriter.begin(video(100, 0, 0, 0), Break::OtherSource, start);
        rewriter.rewrite(video(100, 0, 0, 0), start);
        let ahead = rewriter.rewrite(video(102, 0, 0, 0), start).expect("in");
        let late = rewriter.rewrite(video(101, 0, 0, 0), start).expect("in");
        assert_eq!(late.seq.next(), ahead.seq);
        assert_eq!(rewriter.highest(), ahead.seq);
    }
}
