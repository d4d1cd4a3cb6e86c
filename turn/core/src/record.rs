//! Records of a DTLS datagram before anybody decrypts them (RFC 6347, section 4.1): whether it can
//! be one, which handshake or session each of its records is for, and their numbers.

/// Type, version, epoch, sequence number and length of a record.
pub(crate) const HEADER: usize = 13;
/// Handshakes, by the type of their records.
pub const HANDSHAKE: u8 = 22;
/// Sequence numbers have 48 bits.
const NUMBERS: u64 = (1 << 48) - 1;

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'d> {
    pub kind: u8,
    /// Nothing is encrypted in epoch 0, and nothing proved.
    pub epoch: u16,
    pub number: u64,
    /// With its header.
    pub whole: &'d [u8],
    pub body: &'d [u8],
}

/// Whether every record of a datagram could be one of DTLS 1.0 to 1.2. Others are to be dropped
/// silently (section 4.1.2.7).
pub fn well_formed(datagram: &[u8]) -> bool {
    let length: usize = records(datagram).map(|record| record.whole.len()).sum();
    length == datagram.len() && !datagram.is_empty()
}

/// The records of a datagram, up to the first that can be none.
pub fn records(datagram: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let (record, after) = split(rest)?;
        rest = after;
        Some(record)
    })
}

/// Adds to the numbers of records that are not encrypted, as nothing but their order hangs on them.
pub fn renumber(datagram: &mut [u8], by: u64) {
    let mut at = 0;
    while let Some((record, _)) = datagram.get(at..).and_then(split) {
        let (epoch, next) = (record.epoch, at + record.whole.len());
        let number = record.number.wrapping_add(by) & NUMBERS;
        if let Some(field) = datagram.get_mut(at + 5..at + 11).filter(|_| epoch == 0) {
            field.copy_from_slice(&six(number));
        }
        at = next;
    }
}

/// A number as a record has it.
pub(crate) fn six(number: u64) -> [u8; 6] {
    let [_, _, bytes @ ..] = number.to_be_bytes();
    bytes
}

fn split(datagram: &[u8]) -> Option<(Record<'_>, &[u8])> {
    let (header, after) = datagram.split_first_chunk::<HEADER>()?;
    let &[kind, major, _, e0, e1, n0, n1, n2, n3, n4, n5, l0, l1] = header;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    let (body, rest) = after.split_at_checked(length)?;
    let known = matches!(kind, 20..=23) && major == 0xfe && length > 0;
    let (whole, _) = datagram.split_at_checked(HEADER + length)?;
    let epoch = u16::from_be_bytes([e0, e1]);
    let number = u64::from_be_bytes([0, 0, n0, n1, n2, n3, n4, n5]);
    known.then_some((Record { kind, epoch, number, whole, body }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(epoch: u8, number: u8) -> Vec<u8> {
        vec![HANDSHAKE, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, number, 0, 3, 7, 8, 9]
    }

    #[test]
    fn records_that_are_none_are_told() {
        let two = [record(0, 7), record(1, 7)].concat();
        assert!(well_formed(&two));
        assert!(!well_formed(&two[..two.len() - 1]), "cut");
        for (at, byte) in [(0, 63), (1, 3), (11, 0xff), (12, 0)] {
            let mut changed = record(0, 7);
            changed[at] = byte;
            assert!(!well_formed(&changed));
        }
        assert!(!well_formed(&[]));
    }

    #[test]
    fn only_what_is_not_encrypted_gets_another_number() {
        let mut datagram = [record(0, 7), record(1, 7), record(0, 8)].concat();
        renumber(&mut datagram, 300);
        let numbers: Vec<u64> = records(&datagram).map(|record| record.number).collect();
        assert_eq!(numbers, [307, 7, 308]);
        renumber(&mut datagram, NUMBERS);
        let numbers: Vec<u64> = records(&datagram).map(|record| record.number).collect();
        assert_eq!(numbers, [306, 7, 307], "they begin again after the last");
        assert!(records(&datagram).all(|record| record.body == [7, 8, 9]));
    }
}
