//! H.264 payloads (RFC 6184, section 5), as far as keyframes need them.

const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Whether a decoder can begin with this packet.
///
/// A sequence parameter set precedes a keyframe in the stream. An IDR slice without one counts
/// only as the first packet of its frame: then the parameters came in the session description.
pub fn begins_keyframe(payload: &[u8], begins_frame: bool) -> bool {
    let Some(&first) = payload.first() else { return false };
    let begins = |unit: u8| unit == SPS || (unit == IDR && begins_frame);
    match first & 0x1f {
        STAP_A => {
            let mut rest = &payload[1..];
            while let Some((length, after)) = rest.split_first_chunk::<2>() {
                let length = usize::from(u16::from_be_bytes(*length));
                let Some(unit) = after.get(..length) else { return false };
                if unit.first().is_some_and(|head| begins(head & 0x1f)) {
                    return true;
                }
                rest = &after[length..];
            }
            false
        }
        FU_A => payload.get(1).is_some_and(|head| head & 0x80 != 0 && begins(head & 0x1f)),
        unit => begins(unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_begin_a_keyframe_alone_and_aggregated() {
        assert!(begins_keyframe(&[0x67, 0x42], false));
        assert!(begins_keyframe(&[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68], false));
        assert!(!begins_keyframe(&[0x78, 0, 1, 0x68, 0, 1, 0x61], true));
    }

    #[test]
    fn a_slice_begins_a_keyframe_only_at_the_start_of_its_frame() {
        assert!(begins_keyframe(&[0x65, 0x88], true));
        assert!(!begins_keyframe(&[0x65, 0x88], false));
        assert!(begins_keyframe(&[0x7c, 0x85, 0x88], true));
        assert!(!begins_keyframe(&[0x7c, 0x05, 0x88], true), "a later fragment");
        assert!(!begins_keyframe(&[0x61, 0x88], true));
    }

    #[test]
    fn an_aggregate_longer_than_its_packet_begins_nothing() {
        assert!(!begins_keyframe(&[0x78, 0, 9, 0x67], true));
        assert!(!begins_keyframe(&[], true));
    }
}
