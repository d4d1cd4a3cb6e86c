//! Which protocol a datagram is, from its first bytes (RFC 7983, RFC 5761).
//!
//! This runs on everything anybody sends to the port, so it allocates nothing and believes
//! nothing: what it calls STUN has only the shape of a connectivity check for one of our ufrags.

use crate::transport::ice::stun;

/// What a datagram seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    /// A STUN binding request whose USERNAME names the ICE agent with this ufrag of ours.
    Stun {
        local_ufrag: &'a [u8],
    },
    Dtls,
    Rtp,
    Rtcp,
    /// Nothing we speak, or STUN that is no connectivity check. To be counted and dropped.
    Unknown,
}

/// Tells the protocols on the media port apart.
pub fn classify(datagram: &[u8]) -> Kind<'_> {
    let [first, second, ..] = *datagram else {
        return Kind::Unknown;
    };
    match first {
        0..=3 => match stun::local_ufrag(datagram) {
            Some(local_ufrag) => Kind::Stun { local_ufrag },
            None => Kind::Unknown,
        },
        20..=63 if datagram.len() >= DTLS_RECORD_HEADER => Kind::Dtls,
        128..=191 => match second {
            // RFC 5761, section 4: the packet types of RTCP lie where no payload type may with
            // the marker bit set.
            192..=223 if datagram.len() >= RTCP_MIN => Kind::Rtcp,
            192..=223 => Kind::Unknown,
            _ if datagram.len() >= RTP_MIN => Kind::Rtp,
            _ => Kind::Unknown,
        },
        _ => Kind::Unknown,
    }
}

/// RFC 6347, section 4.1.
const DTLS_RECORD_HEADER: usize = 13;

/// RFC 3550, section 6.4.2: an empty receiver report, the shortest packet with a sender.
const RTCP_MIN: usize = 8;

/// RFC 3550, section 5.1.
const RTP_MIN: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    fn first_bytes(first: u8, second: u8) -> Vec<u8> {
        let mut datagram = vec![0; 32];
        datagram[0] = first;
        datagram[1] = second;
        datagram
    }

    #[test]
    fn the_first_byte_decides_between_protocols() {
        assert_eq!(classify(&first_bytes(22, 254)), Kind::Dtls);
        assert_eq!(classify(&first_bytes(0x80, 96)), Kind::Rtp);
        assert_eq!(classify(&first_bytes(0x80, 0x80 | 111)), Kind::Rtp);
        assert_eq!(classify(&first_bytes(0x81, 200)), Kind::Rtcp);
        assert_eq!(classify(&first_bytes(0x8f, 206)), Kind::Rtcp);
        assert_eq!(classify(&first_bytes(16, 0)), Kind::Unknown);
        assert_eq!(classify(&first_bytes(64, 0)), Kind::Unknown);
        assert_eq!(classify(&first_bytes(0xff, 0)), Kind::Unknown);
    }

    #[test]
    fn datagrams_shorter_than_their_header_are_unknown() {
        for len in 0..8 {
            for first in [0, 22, 0x80] {
                for second in [1, 111, 200] {
                    let mut datagram = first_bytes(first, second);
                    datagram.truncate(len);
                    assert_eq!(classify(&datagram), Kind::Unknown);
                }
            }
        }
    }
}
