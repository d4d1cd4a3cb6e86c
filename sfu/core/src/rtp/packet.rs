//! A borrowed view of one RTP packet (RFC 3550, section 5.1).

use super::extension::Extensions;
use super::seq::{RtpTime, SeqNo16};

/// Length of a header without CSRCs and extensions.
pub const FIXED_HEADER: usize = 12;

/// Synchronization source: one stream of packets on one transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

/// Payload type: what a session description calls a codec. Below 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pt(pub u8);

/// One packet, already decrypted. Padding is not part of `payload`.
#[derive(Clone, Copy, Debug)]
pub struct RtpView<'a> {
    pub marker: bool,
    pub pt: Pt,
    pub seq: SeqNo16,
    pub timestamp: RtpTime,
    pub ssrc: Ssrc,
    pub extensions: Extensions<'a>,
    pub payload: &'a [u8],
}

impl<'a> RtpView<'a> {
    /// Reads a packet, or says that it is none.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (fixed, mut rest) = bytes.split_first_chunk::<FIXED_HEADER>()?;
        let [v_p_x_cc, m_pt, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] = *fixed;
        if v_p_x_cc >> 6 != 2 {
            return None;
        }
        let csrcs = usize::from(v_p_x_cc & 0x0f);
        rest = rest.get(csrcs * 4..)?;

        let mut extensions = Extensions::none();
        if v_p_x_cc & 0x10 != 0 {
            let (head, after) = rest.split_first_chunk::<4>()?;
            let profile = u16::from_be_bytes([head[0], head[1]]);
            let length = usize::from(u16::from_be_bytes([head[2], head[3]])) * 4;
            extensions = Extensions::new(profile, after.get(..length)?);
            rest = after.get(length..)?;
        }
        if v_p_x_cc & 0x20 != 0 {
            let padding = usize::from(*rest.last()?);
            if padding == 0 || padding > rest.len() {
                return None;
            }
            rest = &rest[..rest.len() - padding];
        }

        Some(Self {
            marker: m_pt & 0x80 != 0,
            pt: Pt(m_pt & 0x7f),
            seq: SeqNo16(u16::from_be_bytes([s0, s1])),
            timestamp: RtpTime(u32::from_be_bytes([t0, t1, t2, t3])),
            ssrc: Ssrc(u32::from_be_bytes([r0, r1, r2, r3])),
            extensions,
            payload: rest,
        })
    }
}

/// What a header's fixed part says.
#[derive(Clone, Copy, Debug)]
pub struct FixedHeader {
    pub marker: bool,
    pub pt: Pt,
    pub seq: SeqNo16,
    pub timestamp: RtpTime,
    pub ssrc: Ssrc,
    pub has_extensions: bool,
    pub has_padding: bool,
}

impl FixedHeader {
    /// The twelve bytes.
    pub fn encode(&self) -> [u8; FIXED_HEADER] {
        let [s0, s1] = self.seq.0.to_be_bytes();
        let [t0, t1, t2, t3] = self.timestamp.0.to_be_bytes();
        let [r0, r1, r2, r3] = self.ssrc.0.to_be_bytes();
        let first = 0x80 | (u8::from(self.has_padding) << 5) | (u8::from(self.has_extensions) << 4);
        let second = (u8::from(self.marker) << 7) | (self.pt.0 & 0x7f);
        [first, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Chromium's first VP8 packet, shortened: two extensions, payload, four bytes of padding.
    const GOLDEN: &[u8] = &[
        0xb0, 0xe0, 0x12, 0x34, 0x00, 0x01, 0x02, 0x03, 0xde, 0xad, 0xbe, 0xef, // fixed
        0xbe, 0xde, 0x00, 0x02, 0x10, 0x30, 0x22, 0x01, 0x02, 0x03, 0x00, 0x00, // extensions
        0x90, 0x80, 0x81, 0x23, 0x10, // payload
        0x00, 0x00, 0x00, 0x04, // padding
    ];

    #[test]
    fn a_captured_packet_is_read_field_by_field() {
        let packet = RtpView::parse(GOLDEN).expect("golden");
        assert!(packet.marker);
        assert_eq!(packet.pt, Pt(96));
        assert_eq!(packet.seq, SeqNo16(0x1234));
        assert_eq!(packet.timestamp, RtpTime(0x0001_0203));
        assert_eq!(packet.ssrc, Ssrc(0xdead_beef));
        assert_eq!(packet.payload, [0x90, 0x80, 0x81, 0x23, 0x10]);

        let found: Vec<_> = packet.extensions.iter().collect();
        assert_eq!(found, [(1, &b"0"[..]), (2, &[1, 2, 3][..])]);
    }

    #[test]
    fn no_cut_of_a_packet_is_read_beyond_its_end() {
        for length in 0..GOLDEN.len() {
            let _ = RtpView::parse(&GOLDEN[..length]);
        }
        assert!(RtpView::parse(&GOLDEN[..11]).is_none());
        let mut lying_padding = GOLDEN.to_vec();
        *lying_padding.last_mut().expect("not empty") = 200;
        assert!(RtpView::parse(&lying_padding).is_none());
    }

    #[test]
    fn a_fixed_header_is_read_as_it_was_written() {
        let header = FixedHeader {
            marker: true,
            pt: Pt(111),
            seq: SeqNo16(65_535),
            timestamp: RtpTime(7),
            ssrc: Ssrc(9),
            has_extensions: false,
            has_padding: false,
        };
        let bytes = header.encode();
        let read = RtpView::parse(&bytes).expect("valid");
        assert_eq!((read.marker, read.pt, read.seq), (true, Pt(111), SeqNo16(65_535)));
        assert_eq!((read.timestamp, read.ssrc), (RtpTime(7), Ssrc(9)));
    }
}
