//! A publisher's pictures for benchmarks: VP8, in packets of equal length, ready to be sealed.

use confer_sfu_core::rtp::extension::ExtensionWriter;
use confer_sfu_core::rtp::packet::FixedHeader;
use confer_sfu_core::rtp::{Pt, RtpTime, SeqNo16, Ssrc};

use crate::client::{MID_ID, TRANSPORT_CC_ID, VP8};

/// The tag of AES-GCM (RFC 7714, section 13).
const TAG: usize = 16;

/// One picture of the track with mid 0.
#[derive(Clone, Copy)]
pub(crate) struct Picture {
    /// Its number (RFC 7741, section 4.2).
    pub(crate) id: u16,
    pub(crate) timestamp: u32,
    pub(crate) is_keyframe: bool,
    /// How many packets it has.
    pub(crate) packets: u32,
    /// Bytes of each once it is sealed.
    pub(crate) packet_bytes: usize,
}

impl Picture {
    /// One of its packets, not sealed yet. `seq` counts the packets of the track without wrapping.
    pub(crate) fn packet(&self, index: u32, seq: u64, transport_seq: u16) -> Vec<u8> {
        let fixed = FixedHeader {
            marker: index + 1 == self.packets,
            pt: Pt(VP8),
            seq: SeqNo16((seq & 0xffff) as u16),
            timestamp: RtpTime(self.timestamp),
            ssrc: Ssrc(42),
            has_extensions: true,
            has_padding: false,
        };
        let mut bytes = fixed.encode().to_vec();
        let mut block = [0; 32];
        let mut writer = ExtensionWriter::new(&mut block, false);
        writer.push(MID_ID, b"0");
        writer.push(TRANSPORT_CC_ID, &transport_seq.to_be_bytes());
        let length = writer.finish();
        bytes.extend_from_slice(&block[..length]);
        let start = if index == 0 { 0x10 } else { 0 };
        bytes.extend_from_slice(&[0x80 | start, 0xe0]);
        bytes.extend_from_slice(&(self.id | 0x8000).to_be_bytes());
        bytes.extend_from_slice(&[1, 0x20, u8::from(!self.is_keyframe)]);
        bytes.resize(self.packet_bytes - TAG, 0x5a);
        bytes
    }
}
