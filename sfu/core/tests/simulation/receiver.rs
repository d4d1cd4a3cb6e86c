//! What arrives in one slot of a client: a jitter buffer that asks for what is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use confer_sfu_core::rtp::{RtpTime, RtpView, SeqNo, SeqNo16, Ssrc};

use crate::client::{AnsweredSlot, VP8_RTX};
use crate::publisher::{Content, FRAME_PACKETS, VIDEO_PAYLOAD};

/// One packet as the client got it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Got {
    pub(crate) content: Content,
    pub(crate) timestamp: RtpTime,
    pub(crate) picture_id: Option<u16>,
    pub(crate) at: Instant,
}

pub(crate) struct Receiver {
    pub(crate) slot: AnsweredSlot,
    /// By unrolled sequence number.
    pub(crate) got: BTreeMap<u64, Got>,
    /// Packets that came although they had come before, as themselves.
    pub(crate) duplicates: u64,
    pub(crate) by_rtx: u64,
    highest: Option<SeqNo>,
    asked: BTreeMap<u64, (Instant, u8)>,
    pub(crate) senders_reported: u64,
    pub(crate) pli_due: Option<Instant>,
}

impl Receiver {
    pub(crate) fn new(slot: AnsweredSlot) -> Self {
        Self {
            slot,
            got: BTreeMap::new(),
            duplicates: 0,
            by_rtx: 0,
            highest: None,
            asked: BTreeMap::new(),
            senders_reported: 0,
            pli_due: None,
        }
    }

    pub(crate) fn ssrc(&self) -> Ssrc {
        Ssrc(self.slot.ssrc)
    }

    pub(crate) fn is_of(&self, ssrc: Ssrc) -> bool {
        self.slot.ssrc == ssrc.0 || self.slot.rtx_ssrc == Some(ssrc.0)
    }

    pub(crate) fn take(&mut self, view: &RtpView<'_>, now: Instant) {
        let (seq, payload, was_repaired) = if Some(view.ssrc.0) == self.slot.rtx_ssrc {
            assert_eq!(view.pt.0, VP8_RTX);
            let osn = SeqNo16(u16::from_be_bytes([view.payload[0], view.payload[1]]));
            self.by_rtx += 1;
            (osn, &view.payload[2..], true)
        } else {
            (view.seq, view.payload, false)
        };
        let seq = self.highest.map_or_else(|| SeqNo::first(seq), |highest| highest.nearest(seq));
        if self.got.contains_key(&seq.0) {
            if !was_repaired {
                self.duplicates += 1;
            }
            return;
        }
        if self.highest.is_none_or(|highest| seq > highest) {
            self.highest = Some(seq);
        }
        self.asked.remove(&seq.0);
        let is_video = self.slot.kind == "video";
        let at = if is_video { 7 } else { 0 };
        let frame = payload[at + 3..at + 7].try_into().expect("4");
        let content = Content {
            track: payload[at],
            is_keyframe: payload[at + 1] == 1,
            packet: payload[at + 2],
            frame: u32::from_be_bytes(frame),
        };
        if is_video {
            assert_eq!(payload.len(), VIDEO_PAYLOAD - usize::from(content.packet));
            assert!(payload[14..].iter().all(|byte| *byte == content.track), "payload intact");
        }
        let picture_id = is_video.then(|| u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff);
        let got = Got { content, timestamp: view.timestamp, picture_id, at: now };
        self.got.insert(seq.0, got);
    }

    /// Which packets to ask for now.
    pub(crate) fn missing(&mut self, now: Instant) -> Vec<SeqNo16> {
        let (Some((first, _)), Some(highest)) = (self.got.first_key_value(), self.highest) else {
            return Vec::new();
        };
        let from = (*first).max(highest.0.saturating_sub(300));
        let mut due = Vec::new();
        for seq in (from..highest.0).filter(|seq| !self.got.contains_key(seq)) {
            let (asked_at, times) = self.asked.entry(seq).or_insert((now, 0));
            let wait = Duration::from_millis(if *times == 0 { 10 } else { 60 });
            if now.duration_since(*asked_at) >= wait && *times < 8 {
                *asked_at = now;
                *times += 1;
                due.push(SeqNo(seq).truncate());
            }
        }
        due
    }

    /// Frames of a track all of whose packets came.
    pub(crate) fn frames(&self, track: u8) -> BTreeSet<u32> {
        let mut packets: BTreeMap<u32, BTreeSet<u8>> = BTreeMap::new();
        for got in self.got.values().filter(|got| got.content.track == track) {
            packets.entry(got.content.frame).or_default().insert(got.content.packet);
        }
        let whole = if self.slot.kind == "video" { usize::from(FRAME_PACKETS) } else { 1 };
        packets.into_iter().filter(|(_, got)| got.len() == whole).map(|(frame, _)| frame).collect()
    }

    /// Sequence numbers never received below the highest.
    pub(crate) fn holes(&self) -> u64 {
        match (self.got.first_key_value(), self.highest) {
            (Some((first, _)), Some(highest)) => highest.0 - first + 1 - self.got.len() as u64,
            _ => 0,
        }
    }

    /// Holes and duplicates.
    pub(crate) fn flaws(&self) -> (u64, u64) {
        (self.holes(), self.duplicates)
    }

    /// Asserts what a decoder relies on: in order of sequence numbers, frames are whole and follow
    /// each other, timestamps grow with frames and only with them, and so do picture ids.
    pub(crate) fn assert_continuous(&self) {
        let mut before: Option<(u64, Got)> = None;
        for (seq, got) in &self.got {
            if let Some((last_seq, last)) = before
                && *seq == last_seq + 1
            {
                let same_frame = (got.content.track, got.content.frame)
                    == (last.content.track, last.content.frame);
                let step = got.timestamp.after(last.timestamp);
                if same_frame {
                    assert_eq!(step, 0, "one frame, one timestamp: {seq}");
                    assert_eq!(got.picture_id, last.picture_id);
                    assert_eq!(got.content.packet, last.content.packet + 1);
                } else {
                    assert!(step > 0, "time goes on at {seq}: {step}");
                    assert!(step < 90_000 * 20, "no leap at {seq}: {step}");
                    if let (Some(id), Some(last)) = (got.picture_id, last.picture_id) {
                        let next = id.wrapping_sub(last) & 0x7fff;
                        assert!((1..0x4000).contains(&next), "picture ids go on at {seq}: {next}");
                    }
                    if got.content.track != last.content.track && self.slot.kind == "video" {
                        assert!(got.content.is_keyframe, "a track begins with a keyframe");
                        assert_eq!(got.content.packet, 0);
                    }
                }
            }
            before = Some((*seq, *got));
        }
        if let Some(first) = self.got.values().next().filter(|_| self.slot.kind == "video") {
            assert!(first.content.is_keyframe, "the first frame is a keyframe");
        }
    }
}
