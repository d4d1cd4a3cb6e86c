//! What the forwarder must know of a payload: where keyframes begin, and the numbers that must
//! continue across a switch. Payloads are never decoded.

pub mod av1;
pub mod h264;
pub mod vp8;
pub mod vp9;

use confer_protocol::room::MediaKind;

use crate::sdp::CodecName;

/// What one payload says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Description {
    /// A decoder can begin with this packet. Always true of audio.
    pub keyframe: bool,
    pub vp8: Option<vp8::Vp8>,
}

/// Reads what is needed of one payload. `begins_frame` says that no packet with the same timestamp
/// came before this one.
pub fn describe(codec: CodecName, payload: &[u8], begins_frame: bool) -> Description {
    match codec {
        CodecName::Opus => Description { keyframe: true, vp8: None },
        CodecName::Vp8 => {
            let vp8 = vp8::Vp8::parse(payload);
            Description { keyframe: vp8.is_some_and(|vp8| vp8.keyframe), vp8 }
        }
        CodecName::H264 => {
            Description { keyframe: h264::begins_keyframe(payload, begins_frame), vp8: None }
        }
        CodecName::Vp9 => Description { keyframe: vp9::begins_keyframe(payload), vp8: None },
        CodecName::Av1 => Description { keyframe: av1::begins_keyframe(payload), vp8: None },
    }
}

/// Units of RTP time in a second. All codecs of one kind that we forward share a clock.
pub fn clock_hz(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Audio => 48_000,
        MediaKind::Video => 90_000,
    }
}
