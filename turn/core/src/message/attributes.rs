use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAGIC_COOKIE, Message, TransactionId};

/// Attribute types (RFC 8489 section 18.3, RFC 8656 section 18).
pub mod attribute {
    pub const USERNAME: u16 = 0x0006;
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    pub const CHANNEL_NUMBER: u16 = 0x000C;
    pub const LIFETIME: u16 = 0x000D;
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub const DATA: u16 = 0x0013;
    pub const REALM: u16 = 0x0014;
    pub const NONCE: u16 = 0x0015;
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub const EVEN_PORT: u16 = 0x0018;
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub const DONT_FRAGMENT: u16 = 0x001A;
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    pub const PASSWORD_ALGORITHM: u16 = 0x001D;
    pub const USERHASH: u16 = 0x001E;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const RESERVATION_TOKEN: u16 = 0x0022;
    pub const SOFTWARE: u16 = 0x8022;
    pub const FINGERPRINT: u16 = 0x8028;
}

/// Peers one request may name. The RFC sets no limit; Chromium and coturn's clients send one.
pub(super) const PEERS_PER_REQUEST: usize = 16;
/// Unknown attributes listed in a 420 answer.
const UNKNOWN_LISTED: usize = 8;

/// What a message says, gathered in one pass. The first of repeated attributes counts
/// (RFC 8489, section 14), except for peers, which may repeat.
#[derive(Debug, Default)]
pub struct Attributes<'a> {
    pub username: Option<&'a [u8]>,
    pub realm: Option<&'a [u8]>,
    pub nonce: Option<&'a [u8]>,
    /// Where MESSAGE-INTEGRITY begins, and its value.
    pub integrity: Option<(usize, &'a [u8])>,
    pub lifetime: Option<u32>,
    pub requested_transport: Option<u8>,
    pub requested_family: Option<u8>,
    pub channel: Option<u16>,
    pub data: Option<&'a [u8]>,
    peers: [Option<SocketAddr>; PEERS_PER_REQUEST],
    peer_count: usize,
    unknown: [u16; UNKNOWN_LISTED],
    unknown_count: usize,
    /// A known attribute has a value that cannot be.
    pub malformed: bool,
}

impl<'a> Attributes<'a> {
    /// Gathers the attributes. Those after MESSAGE-INTEGRITY are ignored, as they are not covered
    /// by it (RFC 8489, section 14.5). Allocates nothing.
    pub fn gather(message: &Message<'a>) -> Self {
        let mut found = Self::default();
        for (offset, kind, value) in message.attributes() {
            if found.integrity.is_some() {
                break;
            }
            found.take(offset, kind, value, message.transaction());
        }
        found
    }

    fn take(&mut self, offset: usize, kind: u16, value: &'a [u8], transaction: &TransactionId) {
        match kind {
            attribute::USERNAME => self.username = self.username.or(Some(value)),
            attribute::REALM => self.realm = self.realm.or(Some(value)),
            attribute::NONCE => self.nonce = self.nonce.or(Some(value)),
            attribute::MESSAGE_INTEGRITY => self.integrity = Some((offset, value)),
            attribute::DATA => self.data = self.data.or(Some(value)),
            attribute::LIFETIME => match value.first_chunk::<4>() {
                Some(bytes) if value.len() == 4 => {
                    self.lifetime = self.lifetime.or(Some(u32::from_be_bytes(*bytes)));
                }
                _ => self.malformed = true,
            },
            attribute::CHANNEL_NUMBER => match value {
                [high, low, _, _] => {
                    self.channel = self.channel.or(Some(u16::from_be_bytes([*high, *low])));
                }
                _ => self.malformed = true,
            },
            attribute::REQUESTED_TRANSPORT => match value {
                [protocol, _, _, _] => {
                    self.requested_transport = self.requested_transport.or(Some(*protocol));
                }
                _ => self.malformed = true,
            },
            attribute::REQUESTED_ADDRESS_FAMILY => match value {
                [family, _, _, _] => {
                    self.requested_family = self.requested_family.or(Some(*family));
                }
                _ => self.malformed = true,
            },
            attribute::XOR_PEER_ADDRESS => {
                match (xor_address(value, transaction), self.peers.get_mut(self.peer_count)) {
                    (Some(peer), Some(place)) => {
                        *place = Some(peer);
                        self.peer_count += 1;
                    }
                    _ => self.malformed = true,
                }
            }
            // Comprehension-required and not understood (RFC 8489, section 14). EVEN-PORT,
            // RESERVATION-TOKEN and DONT-FRAGMENT are answered 420 by a server without them.
            0x0000..=0x7FFF => {
                if let Some(place) = self.unknown.get_mut(self.unknown_count) {
                    *place = kind;
                    self.unknown_count += 1;
                }
            }
            0x8000..=0xFFFF => {}
        }
    }

    /// The peers the message names, in order.
    pub fn peers(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.peers.iter().take(self.peer_count).flatten().copied()
    }

    /// Comprehension-required attributes that this server does not know.
    pub fn unknown(&self) -> &[u16] {
        self.unknown.get(..self.unknown_count).unwrap_or_default()
    }
}

/// Reads an XOR-MAPPED-ADDRESS-shaped value (RFC 8489, section 14.2).
fn xor_address(value: &[u8], transaction: &TransactionId) -> Option<SocketAddr> {
    let (head, address) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes([head[2] ^ MAGIC_COOKIE[0], head[3] ^ MAGIC_COOKIE[1]]);
    let mask = mask(transaction);
    let ip = match (head[1], address.len()) {
        (1, 4) => {
            let mut octets: [u8; 4] = address.try_into().ok()?;
            octets.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
            IpAddr::V4(Ipv4Addr::from(octets))
        }
        (2, 16) => {
            let mut octets: [u8; 16] = address.try_into().ok()?;
            octets.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
            IpAddr::V6(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// What an address is XORed with: the cookie, then the transaction id.
pub(super) fn mask(transaction: &TransactionId) -> [u8; 16] {
    let mut mask = [0; 16];
    let (cookie, rest) = mask.split_at_mut(4);
    cookie.copy_from_slice(&MAGIC_COOKIE);
    rest.copy_from_slice(transaction);
    mask
}
