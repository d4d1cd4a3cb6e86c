//! A DTLS datagram before anybody decrypts it (RFC 6347, section 4.1): whether it can be one, and
//! whose hello it is.

/// Type, version, epoch, sequence number and length of a record.
const HEADER: usize = 13;
/// Type, length, sequence number and fragment of a handshake message (section 4.2.2).
const MESSAGE_HEADER: usize = 12;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;

/// Whether every record of a datagram could be one of DTLS 1.0 to 1.2. Others are to be dropped
/// silently (section 4.1.2.7).
pub fn well_formed(datagram: &[u8]) -> bool {
    let mut rest = datagram;
    while let Some((header, after)) = rest.split_first_chunk::<HEADER>() {
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let known = matches!(header[0], 20..=23) && header[1] == 0xfe;
        match after.get(length..) {
            Some(next) if known && length > 0 => rest = next,
            Some(_) | None => return false,
        }
    }
    rest.is_empty() && !datagram.is_empty()
}

/// The random of a client's first message, in its first handshake (section 4.2.2): the same when
/// the message is repeated, and another for another client at the same address.
pub fn first_hello(datagram: &[u8]) -> Option<[u8; 32]> {
    let (header, message) = datagram.split_first_chunk::<HEADER>()?;
    let (head, body) = message.split_first_chunk::<MESSAGE_HEADER>()?;
    let first = header[0] == HANDSHAKE && head[0] == CLIENT_HELLO && head[4..6] == [0, 0];
    body.get(2..)?.first_chunk().filter(|_| first).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(sequence: u8, random: u8) -> Vec<u8> {
        let mut message = vec![CLIENT_HELLO, 0, 0, 34, 0, sequence, 0, 0, 0, 0, 0, 34, 0xfe, 0xfd];
        message.extend([random; 32]);
        let mut record = vec![HANDSHAKE, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        record.push(u8::try_from(message.len()).expect("short"));
        record.extend(message);
        record
    }

    #[test]
    fn a_first_hello_is_known_by_its_random() {
        assert!(well_formed(&hello(0, 7)));
        assert_eq!(first_hello(&hello(0, 7)), Some([7; 32]));
        assert_eq!(first_hello(&hello(1, 7)), None, "with a cookie");
        assert_eq!(first_hello(&hello(0, 7)[..40]), None, "cut");
    }

    #[test]
    fn records_that_are_none_are_told() {
        let mut two = hello(0, 7);
        two.extend(hello(1, 7));
        assert!(well_formed(&two));
        assert!(!well_formed(&two[..two.len() - 1]), "cut");
        for (at, byte) in [(0, 63), (1, 3), (11, 0xff)] {
            let mut changed = hello(0, 7);
            changed[at] = byte;
            assert!(!well_formed(&changed));
        }
        assert!(!well_formed(&[]));
    }
}
