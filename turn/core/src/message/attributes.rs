use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{MAGIC_COOKIE, Message, TransactionId};

/// Attribute types (RFC 8489 section 18.3, RFC 8656 section 18, RFC 5780 section 9.1, RFC 6062
/// section 6.2, RFC 7635 section 6, RFC 8016 section 3.2).
pub mod attribute {
    pub const CHANGE_REQUEST: u16 = 0x0003;
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
    pub const ACCESS_TOKEN: u16 = 0x001B;
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001C;
    pub const PASSWORD_ALGORITHM: u16 = 0x001D;
    pub const USERHASH: u16 = 0x001E;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const RESERVATION_TOKEN: u16 = 0x0022;
    pub const PADDING: u16 = 0x0026;
    pub const RESPONSE_PORT: u16 = 0x0027;
    pub const CONNECTION_ID: u16 = 0x002A;
    pub const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
    pub const ADDRESS_ERROR_CODE: u16 = 0x8001;
    pub const PASSWORD_ALGORITHMS: u16 = 0x8002;
    pub const ICMP: u16 = 0x8004;
    pub const SOFTWARE: u16 = 0x8022;
    pub const ALTERNATE_SERVER: u16 = 0x8023;
    pub const FINGERPRINT: u16 = 0x8028;
    pub const RESPONSE_ORIGIN: u16 = 0x802B;
    pub const OTHER_ADDRESS: u16 = 0x802C;
    pub const THIRD_PARTY_AUTHORIZATION: u16 = 0x802E;
    pub const MOBILITY_TICKET: u16 = 0x8030;
}

/// Peers one request may name. The RFC sets no limit; Chromium and coturn's clients send one.
pub(super) const PEERS_PER_REQUEST: usize = 16;
/// Unknown attributes listed in a 420 answer.
const UNKNOWN_LISTED: usize = 8;

/// EVEN-PORT: an even relayed port, and perhaps the next one kept for a later request
/// (RFC 8656, section 18.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvenPort {
    Alone,
    AndReserveNext,
}

/// ADDITIONAL-ADDRESS-FAMILY (RFC 8656, section 18.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdditionalFamily {
    V6,
    /// Any other value; answered 400 (section 7.2).
    NotAllowed,
}

/// What a message says, gathered in one pass. The first of repeated attributes counts
/// (RFC 8489, section 14), except for peers, which may repeat.
#[derive(Debug, Default)]
pub struct Attributes<'a> {
    pub username: Option<&'a [u8]>,
    pub userhash: Option<&'a [u8]>,
    pub realm: Option<&'a [u8]>,
    pub nonce: Option<&'a [u8]>,
    /// Where MESSAGE-INTEGRITY begins, and its value.
    pub integrity: Option<(usize, &'a [u8])>,
    /// Where MESSAGE-INTEGRITY-SHA256 begins, and its value.
    pub integrity_sha256: Option<(usize, &'a [u8])>,
    pub password_algorithm: Option<&'a [u8]>,
    pub password_algorithms: Option<&'a [u8]>,
    pub access_token: Option<&'a [u8]>,
    pub lifetime: Option<u32>,
    pub requested_transport: Option<u8>,
    pub requested_family: Option<u8>,
    pub additional_family: Option<AdditionalFamily>,
    pub even_port: Option<EvenPort>,
    pub reservation_token: Option<[u8; 8]>,
    pub dont_fragment: bool,
    pub mobility_ticket: Option<&'a [u8]>,
    pub connection_id: Option<u32>,
    pub channel: Option<u16>,
    pub data: Option<&'a [u8]>,
    /// CHANGE-REQUEST: another address, another port (RFC 5780, section 7.2).
    pub change: Option<(bool, bool)>,
    pub response_port: Option<u16>,
    pub padding: Option<usize>,
    peers: [Option<SocketAddr>; PEERS_PER_REQUEST],
    peer_count: usize,
    unknown: [u16; UNKNOWN_LISTED],
    unknown_count: usize,
    /// A known attribute has a value that cannot be.
    pub malformed: bool,
}

impl<'a> Attributes<'a> {
    /// Gathers the attributes. Those after an integrity attribute are ignored, as they are not
    /// covered by it; only the stronger one may follow the weaker (RFC 8489, sections 14.5 and
    /// 14.6). Allocates nothing.
    pub fn gather(message: &Message<'a>) -> Self {
        let mut found = Self::default();
        for (offset, kind, value) in message.attributes() {
            match (kind, found.integrity, found.integrity_sha256) {
                (attribute::MESSAGE_INTEGRITY_SHA256, _, None) => {
                    found.integrity_sha256 = Some((offset, value));
                }
                (attribute::MESSAGE_INTEGRITY, None, None) => {
                    found.integrity = Some((offset, value));
                }
                (_, None, None) => found.take(kind, value, message.transaction()),
                _ => {}
            }
        }
        found
    }

    fn take(&mut self, kind: u16, value: &'a [u8], transaction: &TransactionId) {
        match kind {
            attribute::USERNAME => first(&mut self.username, value),
            attribute::USERHASH => first(&mut self.userhash, value),
            attribute::REALM => first(&mut self.realm, value),
            attribute::NONCE => first(&mut self.nonce, value),
            attribute::PASSWORD_ALGORITHM => first(&mut self.password_algorithm, value),
            attribute::PASSWORD_ALGORITHMS => first(&mut self.password_algorithms, value),
            attribute::ACCESS_TOKEN => first(&mut self.access_token, value),
            attribute::MOBILITY_TICKET => first(&mut self.mobility_ticket, value),
            attribute::DATA => first(&mut self.data, value),
            attribute::DONT_FRAGMENT => self.dont_fragment = true,
            attribute::PADDING => first(&mut self.padding, value.len()),
            attribute::XOR_PEER_ADDRESS => self.take_peer(xor_address(value, transaction)),
            attribute::LIFETIME
            | attribute::CHANNEL_NUMBER
            | attribute::REQUESTED_TRANSPORT
            | attribute::REQUESTED_ADDRESS_FAMILY
            | attribute::ADDITIONAL_ADDRESS_FAMILY
            | attribute::CONNECTION_ID
            | attribute::CHANGE_REQUEST
            | attribute::RESPONSE_PORT => match <[u8; 4]>::try_from(value) {
                Ok(value) => self.take_word(kind, value),
                Err(_) => self.malformed = true,
            },
            attribute::EVEN_PORT => match value {
                [flags] if flags & 0x80 != 0 => {
                    first(&mut self.even_port, EvenPort::AndReserveNext);
                }
                [_] => first(&mut self.even_port, EvenPort::Alone),
                _ => self.malformed = true,
            },
            attribute::RESERVATION_TOKEN => match <[u8; 8]>::try_from(value) {
                Ok(token) => first(&mut self.reservation_token, token),
                Err(_) => self.malformed = true,
            },
            // Comprehension-required and not understood (RFC 8489, section 14).
            0x0000..=0x7FFF => {
                if let Some(place) = self.unknown.get_mut(self.unknown_count) {
                    *place = kind;
                    self.unknown_count += 1;
                }
            }
            0x8000..=0xFFFF => {}
        }
    }

    /// Attributes of four bytes.
    fn take_word(&mut self, kind: u16, value: [u8; 4]) {
        let [first_byte, second_byte, _, last_byte] = value;
        let half = u16::from_be_bytes([first_byte, second_byte]);
        match kind {
            attribute::LIFETIME => first(&mut self.lifetime, u32::from_be_bytes(value)),
            attribute::CONNECTION_ID => first(&mut self.connection_id, u32::from_be_bytes(value)),
            attribute::CHANNEL_NUMBER => first(&mut self.channel, half),
            attribute::RESPONSE_PORT => first(&mut self.response_port, half),
            attribute::REQUESTED_TRANSPORT => first(&mut self.requested_transport, first_byte),
            attribute::REQUESTED_ADDRESS_FAMILY => first(&mut self.requested_family, first_byte),
            attribute::ADDITIONAL_ADDRESS_FAMILY => {
                let family = match first_byte {
                    2 => AdditionalFamily::V6,
                    _ => AdditionalFamily::NotAllowed,
                };
                first(&mut self.additional_family, family);
            }
            _ => first(&mut self.change, (last_byte & 4 != 0, last_byte & 2 != 0)),
        }
    }

    fn take_peer(&mut self, peer: Option<SocketAddr>) {
        match (peer, self.peers.get_mut(self.peer_count)) {
            (Some(peer), Some(place)) => {
                *place = Some(peer);
                self.peer_count += 1;
            }
            _ => self.malformed = true,
        }
    }

    /// The peers the message names, in order.
    pub fn peers(&self) -> impl Iterator<Item = SocketAddr> + Clone + '_ {
        self.peers.iter().take(self.peer_count).flatten().copied()
    }

    /// Comprehension-required attributes that this server does not know.
    pub fn unknown(&self) -> &[u16] {
        self.unknown.get(..self.unknown_count).unwrap_or_default()
    }
}

fn first<T>(place: &mut Option<T>, value: T) {
    if place.is_none() {
        *place = Some(value);
    }
}

/// Reads an XOR-MAPPED-ADDRESS-shaped value (RFC 8489, section 14.2).
pub fn xor_address(value: &[u8], transaction: &TransactionId) -> Option<SocketAddr> {
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
