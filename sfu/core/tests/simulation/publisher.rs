//! A track a client sends: frames of several packets, repaired and restarted as browsers do.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use confer_protocol::id::TrackId;
use confer_sfu_core::rtp::extension::ExtensionWriter;
use confer_sfu_core::rtp::packet::FixedHeader;
use confer_sfu_core::rtp::{Pt, RtpTime, SeqNo16, Ssrc};

use crate::client::{Client, LEVEL_ID, MID_ID, OPUS, TRANSPORT_CC_ID, VP8, VP8_RTX};

/// Packets in a frame of video.
pub(crate) const FRAME_PACKETS: u8 = 6;
/// Of each packet's payload.
pub(crate) const VIDEO_PAYLOAD: usize = 1_000;

/// What every payload says, so that a receiver knows what it got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Content {
    pub(crate) track: u8,
    pub(crate) is_keyframe: bool,
    pub(crate) frame: u32,
    pub(crate) packet: u8,
}

pub(crate) struct Publisher {
    pub(crate) track: TrackId,
    pub(crate) mid: String,
    /// Stands in every payload.
    pub(crate) tag: u8,
    pub(crate) is_video: bool,
    pub(crate) ssrc: Ssrc,
    pub(crate) rtx_ssrc: Ssrc,
    pub(crate) is_on: bool,
    /// -dBov.
    pub(crate) level: u8,
    pub(crate) keyframe_requests: u32,
    pub(crate) frames: u32,
    /// Packets sent for the first time.
    pub(crate) packets: u64,
    pub(crate) repeats: u64,
    seq: u64,
    rtx_seq: u64,
    timestamp: u32,
    picture_id: u16,
    keyframe_wanted: bool,
    due: Instant,
    history: VecDeque<(u16, Vec<u8>)>,
}

impl Publisher {
    pub(crate) fn new(track: TrackId, mid: &str, tag: u8, is_video: bool, now: Instant) -> Self {
        let base = u32::from(tag) * 1_000;
        Self {
            track,
            mid: mid.to_owned(),
            tag,
            is_video,
            ssrc: Ssrc(base + 1),
            rtx_ssrc: Ssrc(base + 2),
            is_on: true,
            level: 127,
            keyframe_requests: 0,
            frames: 0,
            packets: 0,
            repeats: 0,
            // Close to the wrap, so that every run crosses it.
            seq: 65_400 + u64::from(tag),
            rtx_seq: 65_530,
            timestamp: base.wrapping_mul(77_777),
            picture_id: 0x7ff0,
            keyframe_wanted: true,
            due: now,
            history: VecDeque::new(),
        }
    }

    /// Another encoder under another SSRC, with other numbers.
    pub(crate) fn restart(&mut self) {
        self.ssrc = Ssrc(self.ssrc.0 + 500);
        self.rtx_ssrc = Ssrc(self.rtx_ssrc.0 + 500);
        self.seq = 9_000;
        self.timestamp = self.timestamp.wrapping_add(1_000_000_000);
        self.keyframe_wanted = true;
        self.history.clear();
    }

    pub(crate) fn want_keyframe(&mut self) {
        self.keyframe_requests += 1;
        self.keyframe_wanted = true;
    }

    pub(crate) fn handle_timeout(
        &mut self,
        client: &mut Client,
        transport_seq: &mut u16,
        now: Instant,
    ) {
        while self.due <= now {
            let (interval, units) = if self.is_video {
                (Duration::from_micros(33_333), 3_000)
            } else {
                (Duration::from_millis(20), 960)
            };
            self.due += interval;
            self.timestamp = self.timestamp.wrapping_add(units);
            if self.is_on && client.is_connected() {
                self.send_frame(client, transport_seq);
            }
        }
    }

    fn send_frame(&mut self, client: &mut Client, transport_seq: &mut u16) {
        let is_keyframe = self.is_video && std::mem::take(&mut self.keyframe_wanted);
        let count = if self.is_video { FRAME_PACKETS } else { 1 };
        for packet in 0..count {
            let mut payload = Vec::with_capacity(VIDEO_PAYLOAD);
            if self.is_video {
                let start = if packet == 0 { 0x10 } else { 0 };
                payload.extend_from_slice(&[0x80 | start, 0xe0]);
                payload.extend_from_slice(&(self.picture_id | 0x8000).to_be_bytes());
                payload.extend_from_slice(&[7, 0x20]);
                payload.push(u8::from(!is_keyframe));
            }
            payload.extend_from_slice(&[self.tag, u8::from(is_keyframe), packet]);
            payload.extend_from_slice(&self.frames.to_be_bytes());
            if self.is_video {
                payload.resize(VIDEO_PAYLOAD - usize::from(packet), self.tag);
            }
            let pt = if self.is_video { VP8 } else { OPUS };
            let marker = packet + 1 == count;
            let bytes = self.packet((self.ssrc, pt), self.seq, marker, *transport_seq, &payload);
            *transport_seq = transport_seq.wrapping_add(1);
            client.send_rtp(&bytes, self.seq);
            self.history.push_back(((self.seq & 0xffff) as u16, payload));
            if self.history.len() > 500 {
                self.history.pop_front();
            }
            self.seq += 1;
            self.packets += 1;
        }
        self.frames += 1;
        self.picture_id = (self.picture_id + 1) & 0x7fff;
    }

    /// Sends packets again, as RTX.
    pub(crate) fn repeat(&mut self, seq: SeqNo16, client: &mut Client, transport_seq: &mut u16) {
        let Some((_, payload)) = self.history.iter().find(|(known, _)| *known == seq.0) else {
            return;
        };
        let frame_at = if self.is_video { 10 } else { 3 };
        let frame = u32::from_be_bytes(payload[frame_at..frame_at + 4].try_into().expect("4"));
        let behind = self.frames - 1 - frame;
        let units = if self.is_video { 3_000 } else { 960 };
        let mut wrapped = seq.0.to_be_bytes().to_vec();
        wrapped.extend_from_slice(payload);
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_sub(behind * units);
        let marker = payload[9] + 1 == FRAME_PACKETS;
        let bytes =
            self.packet((self.rtx_ssrc, VP8_RTX), self.rtx_seq, marker, *transport_seq, &wrapped);
        self.timestamp = timestamp;
        *transport_seq = transport_seq.wrapping_add(1);
        client.send_rtp(&bytes, self.rtx_seq);
        self.rtx_seq += 1;
        self.repeats += 1;
    }

    fn packet(
        &self,
        (ssrc, pt): (Ssrc, u8),
        seq: u64,
        marker: bool,
        transport_seq: u16,
        payload: &[u8],
    ) -> Vec<u8> {
        let fixed = FixedHeader {
            marker,
            pt: Pt(pt),
            seq: SeqNo16((seq & 0xffff) as u16),
            timestamp: RtpTime(self.timestamp),
            ssrc,
            has_extensions: true,
            has_padding: false,
        };
        let mut bytes = fixed.encode().to_vec();
        let mut block = [0; 64];
        let mut writer = ExtensionWriter::new(&mut block, false);
        writer.push(MID_ID, self.mid.as_bytes());
        writer.push(TRANSPORT_CC_ID, &transport_seq.to_be_bytes());
        if !self.is_video {
            writer.push(LEVEL_ID, &[self.level]);
        }
        let length = writer.finish();
        bytes.extend_from_slice(&block[..length]);
        bytes.extend_from_slice(payload);
        bytes
    }
}
