//! What a datagram must look like before rtc-dtls sees it (RFC 6347, section 4.1).
//!
//! rtc-dtls answers an undecodable record with a fatal alert. Before the handshake is over that
//! would let anybody who can fake an address end it, though RFC 6347, section 4.1.2.7 wants such
//! records dropped; so they are dropped here.

const HEADER_LEN: usize = 13;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;

/// The level of an alert that ends an association (RFC 5246, section 7.2).
const FATAL: u8 = 2;

/// Whether every record of `datagram` could be one of a DTLS 1.2 association.
pub(super) fn well_formed(datagram: &[u8]) -> bool {
    let mut rest = datagram;
    while !rest.is_empty() {
        let Some(record) = Record::first(rest) else { return false };
        if !record.plausible() {
            return false;
        }
        rest = &rest[HEADER_LEN + record.body.len()..];
    }
    !datagram.is_empty()
}

/// Whether `datagram`, one of ours, begins with a fatal alert in plain text.
pub(super) fn is_fatal_alert(datagram: &[u8]) -> bool {
    Record::first(datagram).is_some_and(|record| {
        record.kind == ALERT && record.epoch == 0 && record.body.first() == Some(&FATAL)
    })
}

struct Record<'a> {
    kind: u8,
    version: u8,
    epoch: u16,
    body: &'a [u8],
}

impl<'a> Record<'a> {
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..HEADER_LEN)?;
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        Some(Self {
            kind: header[0],
            version: header[1],
            epoch: u16::from_be_bytes([header[3], header[4]]),
            body: bytes.get(HEADER_LEN..HEADER_LEN + length)?,
        })
    }

    fn plausible(&self) -> bool {
        // Both 1.0, which hellos wear, and 1.2 begin with this byte.
        if self.version != 0xfe || self.body.is_empty() {
            return false;
        }
        match (self.kind, self.epoch) {
            (CHANGE_CIPHER_SPEC, 0) => self.body == [1],
            (ALERT, 0) => self.body.len() == 2,
            (APPLICATION_DATA, 0) => false,
            (CHANGE_CIPHER_SPEC..=APPLICATION_DATA, 1..) | (HANDSHAKE, 0) => true,
            _ => false,
        }
    }
}
