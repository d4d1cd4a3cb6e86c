//! What unit tests of several modules need.

use std::time::Instant;

use crate::arena::{Arena, Key};
use crate::participant::Participant;
use crate::rtp::packet::FixedHeader;
use crate::rtp::{Pt, RtpTime, SeqNo16, Ssrc};

/// Length of the descriptor that [`vp8_packet`] writes.
pub(crate) const VP8_DESCRIPTOR: usize = 6;

/// The key of a participant that does not exist.
pub(crate) fn nobody(now: Instant) -> Key<Participant> {
    let mut arena = Arena::<Participant>::default();
    arena.insert(Participant::new(
        confer_protocol::id::ParticipantId(uuid::Uuid::nil()),
        confer_protocol::id::RoomId(uuid::Uuid::nil()),
        false,
        (Ssrc(0), 0),
        &crate::limits::Limits::default(),
        now,
    ))
}

/// A packet without extensions that begins a keyframe of VP8, its payload `length` bytes long.
pub(crate) fn vp8_packet(seq: u16, timestamp: u32, length: usize) -> Vec<u8> {
    let fixed = FixedHeader {
        marker: false,
        pt: Pt(96),
        seq: SeqNo16(seq),
        timestamp: RtpTime(timestamp),
        ssrc: Ssrc(5),
        has_extensions: false,
        has_padding: false,
    };
    let mut packet = fixed.encode().to_vec();
    packet.extend_from_slice(&[0x90, 0xe0, 0x80, (seq & 0xff) as u8, 1, 0x20]);
    packet.push(0);
    packet.resize(12 + length, 0x33);
    packet
}

/// An offer with one m-line, mid 0: VP8 as 96, with RTX as 97 or without.
pub(crate) fn offer(kind: &str, direction: &str, has_rtx: bool) -> String {
    let fingerprint = "AB:".repeat(31) + "AB";
    let rtx = if has_rtx { "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n" } else { "" };
    let pts = if has_rtx { "96 97" } else { "96" };
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m={kind} 9 UDP/TLS/RTP/SAVPF {pts}\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n\
         a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
         a=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a={direction}\r\na=extmap:3 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
         a=extmap:4 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n\
         a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n{rtx}"
    )
}
