//! Retransmission payloads (RFC 4588, section 4): the original sequence number, then the original
//! payload.

use crate::rtp::SeqNo16;

/// Length of the original sequence number.
pub(crate) const OSN: usize = 2;

/// Takes a retransmission apart. `None` for padding, which senders use to probe for bandwidth.
pub(crate) fn unwrap(payload: &[u8]) -> Option<(SeqNo16, &[u8])> {
    let (osn, original) = payload.split_first_chunk::<OSN>()?;
    Some((SeqNo16(u16::from_be_bytes(*osn)), original))
}

/// What stands in front of the original payload.
pub(crate) fn prefix(original: SeqNo16) -> [u8; OSN] {
    original.0.to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_wrapped_comes_out_and_padding_is_nothing() {
        let mut packet = prefix(SeqNo16(65_000)).to_vec();
        packet.extend_from_slice(b"payload");
        assert_eq!(unwrap(&packet), Some((SeqNo16(65_000), &b"payload"[..])));
        assert_eq!(unwrap(&[]), None);
        assert_eq!(unwrap(&[1]), None);
    }
}
