//! The AV1 aggregation header (AV1 RTP payload specification, section 4.4).

/// Whether this packet begins a coded video sequence: the `N` bit, which only the first packet of
/// one carries. It stays readable when the payload behind it is encrypted end to end.
pub fn begins_keyframe(payload: &[u8]) -> bool {
    payload.len() > 1 && payload[0] & 0x08 != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_n_bit_begins_a_sequence() {
        assert!(begins_keyframe(&[0x18, 0x0a, 0x0b]));
        assert!(!begins_keyframe(&[0x10, 0x32]));
        assert!(!begins_keyframe(&[0x08]), "nothing follows");
    }
}
