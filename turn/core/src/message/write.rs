use std::net::{IpAddr, SocketAddr};

use super::attributes::mask;
use super::{Class, MAGIC_COOKIE, Method, TransactionId, attribute, type_bits};
use crate::frame::STUN_HEADER;
use crate::integrity::{Algorithm, Key};

/// CRC-32 of ITU V.42, as FINGERPRINT wants it (RFC 8489, section 14.7).
const CRC: crc::Crc<u32> = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
const FINGERPRINT_MASK: u32 = 0x5354_554E;

/// Writes one message at the end of a buffer that is kept between messages.
#[derive(Debug)]
pub struct Writer<'b> {
    buffer: &'b mut Vec<u8>,
    start: usize,
    transaction: TransactionId,
}

impl<'b> Writer<'b> {
    /// Begins a message behind what the buffer holds.
    pub fn begin(
        buffer: &'b mut Vec<u8>,
        class: Class,
        method: Method,
        transaction: &TransactionId,
    ) -> Self {
        let start = buffer.len();
        buffer.extend_from_slice(&type_bits(class, method).to_be_bytes());
        buffer.extend_from_slice(&[0, 0]);
        buffer.extend_from_slice(&MAGIC_COOKIE);
        buffer.extend_from_slice(transaction);
        Self { buffer, start, transaction: *transaction }
    }

    /// Adds an attribute with these bytes, padded with zeros.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        self.open(kind, value.len());
        self.buffer.extend_from_slice(value);
        self.close()
    }

    /// Adds an attribute of four bytes.
    pub fn number(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// Adds an XORed address (RFC 8489, section 14.2).
    pub fn address(&mut self, kind: u16, address: SocketAddr) -> &mut Self {
        let port = address.port() ^ u16::from_be_bytes([MAGIC_COOKIE[0], MAGIC_COOKIE[1]]);
        self.masked_address(kind, address.ip(), port, mask(&self.transaction))
    }

    /// Adds an address as it is, in the shape of MAPPED-ADDRESS (RFC 8489, section 14.1).
    pub fn plain_address(&mut self, kind: u16, address: SocketAddr) -> &mut Self {
        self.masked_address(kind, address.ip(), address.port(), [0; 16])
    }

    fn masked_address(&mut self, kind: u16, ip: IpAddr, port: u16, mask: [u8; 16]) -> &mut Self {
        let port = port.to_be_bytes();
        match ip {
            IpAddr::V4(ip) => {
                self.open(kind, 8);
                self.buffer.extend_from_slice(&[0, 1, port[0], port[1]]);
                self.buffer.extend(ip.octets().iter().zip(mask).map(|(octet, mask)| octet ^ mask));
            }
            IpAddr::V6(ip) => {
                self.open(kind, 20);
                self.buffer.extend_from_slice(&[0, 2, port[0], port[1]]);
                self.buffer.extend(ip.octets().iter().zip(mask).map(|(octet, mask)| octet ^ mask));
            }
        }
        self.close()
    }

    /// Adds ERROR-CODE without a reason phrase, which would only make the answer longer.
    pub fn error(&mut self, code: u16) -> &mut Self {
        let [class, number] = [(code / 100).to_be_bytes()[1], (code % 100).to_be_bytes()[1]];
        self.bytes(attribute::ERROR_CODE, &[0, 0, class, number])
    }

    /// Adds the integrity attribute the key is for, over all that was written (RFC 8489, sections
    /// 14.5 and 14.6).
    pub fn integrity(&mut self, key: &Key) -> &mut Self {
        let (kind, length) = match key.algorithm() {
            Algorithm::Sha1 => (attribute::MESSAGE_INTEGRITY, 20),
            Algorithm::Sha256 => (attribute::MESSAGE_INTEGRITY_SHA256, 32),
        };
        // The length field already counts the attribute while it is computed.
        self.set_length(4 + length);
        let tag = key.sign(self.written());
        self.bytes(kind, tag.as_ref())
    }

    /// Adds FINGERPRINT, the last attribute.
    pub fn fingerprint(&mut self) {
        self.set_length(8);
        let checksum = CRC.checksum(self.written()) ^ FINGERPRINT_MASK;
        self.number(attribute::FINGERPRINT, checksum);
    }

    fn open(&mut self, kind: u16, length: usize) {
        self.buffer.extend_from_slice(&kind.to_be_bytes());
        let length = u16::try_from(length).unwrap_or(u16::MAX);
        self.buffer.extend_from_slice(&length.to_be_bytes());
    }

    fn close(&mut self) -> &mut Self {
        let padded = self.start + self.written().len().next_multiple_of(4);
        self.buffer.resize(padded, 0);
        self.set_length(0);
        self
    }

    fn written(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// Sets the length field as if `more` bytes followed.
    fn set_length(&mut self, more: usize) {
        let length = self.buffer.len() - self.start - STUN_HEADER + more;
        let length = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
        if let Some(field) = self.buffer.get_mut(self.start + 2..self.start + 4) {
            field.copy_from_slice(&length);
        }
    }
}
