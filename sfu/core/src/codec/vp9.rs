//! The VP9 payload descriptor (RFC 9628, section 4.2), as far as keyframes need it.

/// Whether a decoder can begin with this packet: the first of a frame that is predicted from
/// nothing, on the lowest spatial layer.
pub fn begins_keyframe(payload: &[u8]) -> bool {
    parse(payload).unwrap_or(false)
}

fn parse(payload: &[u8]) -> Option<bool> {
    let (&first, mut rest) = payload.split_first()?;
    let has_picture_id = first & 0x80 != 0;
    let is_inter_picture = first & 0x40 != 0;
    let has_layers = first & 0x20 != 0;
    let begins_frame = first & 0x08 != 0;
    if has_picture_id {
        let long = rest.first()? & 0x80 != 0;
        rest = rest.get(if long { 2 } else { 1 }..)?;
    }
    let spatial_layer = if has_layers { (rest.first()? >> 1) & 0x07 } else { 0 };
    Some(!is_inter_picture && begins_frame && spatial_layer == 0 && rest.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_start_of_an_intra_frame_on_the_lowest_layer_begins_a_keyframe() {
        // I, L, F = 0, B; long picture id; layer byte; TL0PICIDX; payload.
        assert!(begins_keyframe(&[0xa8, 0x81, 0x00, 0x00, 0x01, 0xff]));
        assert!(!begins_keyframe(&[0xe8, 0x81, 0x00, 0x00, 0x01, 0xff]), "P is set");
        assert!(!begins_keyframe(&[0xa0, 0x81, 0x00, 0x00, 0x01, 0xff]), "B is not set");
        assert!(!begins_keyframe(&[0xa8, 0x81, 0x00, 0x02, 0x01, 0xff]), "spatial layer 1");
        assert!(begins_keyframe(&[0x88, 0x05, 0xff, 0xff]), "short picture id, no layers");
    }

    #[test]
    fn a_cut_descriptor_begins_nothing() {
        for length in 0..3 {
            assert!(!begins_keyframe(&[0xa8, 0x81, 0x00][..length]));
        }
    }
}
