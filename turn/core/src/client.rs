//! The other side: what a client asks, and what it makes of the answers. Sans-IO as well.
//!
//! It is for looking at a relay (`confer doctor`), for loading one (`confer-loadtest turn`) and for
//! tests, so it does what these need and no more: long-term credentials, one request at a time,
//! UDP allocations, permissions, channels.

use std::net::{IpAddr, SocketAddr};

use crate::Family;
use crate::integrity::{Algorithm, Key, PasswordAlgorithm};
use crate::message::{Class, Message, Method, TransactionId, Writer, attribute, xor_address};

/// Answered 401, then 438 if the nonce was stale: more repetitions lead nowhere.
const REPETITIONS: u8 = 2;
/// REQUESTED-TRANSPORT of UDP (RFC 8656, section 18.7).
const UDP: u32 = 17 << 24;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    Binding,
    /// A relayed address of the server's first family.
    Allocate,
    /// A relayed address of this family.
    AllocateIn(Family),
    /// Zero ends the allocation.
    Refresh {
        seconds: u32,
    },
    Permit(SocketAddr),
    Bind {
        channel: u16,
        peer: SocketAddr,
    },
}

/// What a packet from the server turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The request was granted.
    Granted(Grant),
    /// Send this instead: the same request with the proof that was asked for.
    Again(Vec<u8>),
    /// The request was refused with this code (RFC 8656, section 19).
    Refused(u16),
    /// What a peer sent.
    Data { via: Via, payload: Vec<u8> },
    /// Not an answer to what was asked, or not of who was asked.
    Other,
}

/// How the payload of a peer is carried between relay and client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// ChannelData of this channel.
    Channel(u16),
    /// A Send or Data indication, with the peer's address.
    Indication(SocketAddr),
}

/// What a success says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Where the server sees the client.
    pub mapped: Option<SocketAddr>,
    pub relayed: Option<SocketAddr>,
    /// Seconds.
    pub lifetime: Option<u32>,
}

/// One client of a relay.
pub struct Client {
    username: String,
    password: String,
    proof: Option<Proof>,
    pending: Option<(Ask, TransactionId, u8)>,
    alternate: Option<SocketAddr>,
    seed: [u8; 8],
    requests: u32,
}

struct Proof {
    realm: Vec<u8>,
    nonce: Vec<u8>,
    key: Key,
}

impl Client {
    /// A client with long-term credentials. `seed` makes its transaction ids differ from others'.
    pub fn new(username: &str, password: &str, seed: [u8; 8]) -> Self {
        Self {
            username: username.to_owned(),
            password: password.to_owned(),
            proof: None,
            pending: None,
            alternate: None,
            seed,
            requests: 0,
        }
    }

    /// The realm that the server named.
    pub fn realm(&self) -> Option<&[u8]> {
        self.proof.as_ref().map(|proof| proof.realm.as_slice())
    }

    /// Where the server sent the client with its last refusal (300, RFC 8489 section 14.15).
    pub fn alternate(&self) -> Option<SocketAddr> {
        self.alternate
    }

    /// Begins a request: the packet to send, and to send again until it is answered. What was
    /// asked before is given up.
    pub fn ask(&mut self, ask: Ask) -> Vec<u8> {
        self.begin(ask, 0)
    }

    /// A Send indication: payload for a peer, which needs a permission (RFC 8656, section 11.1).
    pub fn send(&mut self, peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let transaction = self.transaction();
        let mut packet = Vec::new();
        Writer::begin(&mut packet, Class::Indication, Method::Send, &transaction)
            .address(attribute::XOR_PEER_ADDRESS, peer)
            .bytes(attribute::DATA, payload);
        packet
    }

    fn transaction(&mut self) -> TransactionId {
        self.requests = self.requests.wrapping_add(1);
        let mut transaction = TransactionId::default();
        let (head, tail) = transaction.split_at_mut(self.seed.len());
        head.copy_from_slice(&self.seed);
        tail.copy_from_slice(&self.requests.to_be_bytes());
        transaction
    }

    fn begin(&mut self, ask: Ask, repetition: u8) -> Vec<u8> {
        let transaction = self.transaction();
        self.alternate = None;
        self.pending = Some((ask, transaction, repetition));

        let mut packet = Vec::new();
        let mut writer = Writer::begin(&mut packet, Class::Request, ask.method(), &transaction);
        match ask {
            Ask::Binding => {}
            Ask::Allocate => {
                writer.number(attribute::REQUESTED_TRANSPORT, UDP);
            }
            Ask::AllocateIn(family) => {
                writer
                    .number(attribute::REQUESTED_TRANSPORT, UDP)
                    .number(attribute::REQUESTED_ADDRESS_FAMILY, code_point(family) << 24);
            }
            Ask::Refresh { seconds } => {
                writer.number(attribute::LIFETIME, seconds);
            }
            Ask::Permit(peer) => {
                writer.address(attribute::XOR_PEER_ADDRESS, peer);
            }
            Ask::Bind { channel, peer } => {
                writer
                    .number(attribute::CHANNEL_NUMBER, u32::from(channel) << 16)
                    .address(attribute::XOR_PEER_ADDRESS, peer);
            }
        }
        if let (Some(proof), true) = (&self.proof, ask != Ask::Binding) {
            writer
                .bytes(attribute::USERNAME, self.username.as_bytes())
                .bytes(attribute::REALM, &proof.realm)
                .bytes(attribute::NONCE, &proof.nonce)
                .integrity(&proof.key);
        }
        packet
    }

    /// Takes a packet from the server.
    pub fn hear(&mut self, packet: &[u8]) -> Heard {
        if let Some((header, rest)) = packet.split_first_chunk::<4>()
            && (0x40..0x50).contains(&header[0])
        {
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            let channel = u16::from_be_bytes([header[0], header[1]]);
            let payload = rest.get(..length).unwrap_or_default().to_vec();
            return Heard::Data { via: Via::Channel(channel), payload };
        }
        let Ok(message) = Message::read(packet) else { return Heard::Other };
        if message.class() == Class::Indication {
            return indicated(&message);
        }
        let Some((ask, transaction, repetition)) = self.pending else { return Heard::Other };
        if *message.transaction() != transaction {
            return Heard::Other;
        }
        self.pending = None;
        let find = |wanted| find(&message, wanted);
        if message.class() == Class::Success {
            let address = |kind| find(kind).and_then(|value| xor_address(value, &transaction));
            let lifetime = find(attribute::LIFETIME).and_then(|value| value.try_into().ok());
            return Heard::Granted(Grant {
                mapped: address(attribute::XOR_MAPPED_ADDRESS),
                relayed: address(attribute::XOR_RELAYED_ADDRESS),
                lifetime: lifetime.map(u32::from_be_bytes),
            });
        }
        let Some([_, _, class, number, ..]) = find(attribute::ERROR_CODE) else {
            return Heard::Other;
        };
        let code = u16::from(class & 7) * 100 + u16::from(*number);
        let known = self.proof.is_some() && code == 401;
        match (find(attribute::REALM), find(attribute::NONCE)) {
            (realm, Some(nonce))
                if matches!(code, 401 | 438) && !known && repetition < REPETITIONS =>
            {
                self.prove(realm, nonce);
                Heard::Again(self.begin(ask, repetition + 1))
            }
            _ => {
                self.alternate = find(attribute::ALTERNATE_SERVER).and_then(plain_address);
                Heard::Refused(code)
            }
        }
    }

    fn prove(&mut self, realm: Option<&[u8]>, nonce: &[u8]) {
        let before = self.proof.take().map(|proof| proof.realm);
        let realm = realm.map(<[u8]>::to_vec).or(before).unwrap_or_default();
        let text = String::from_utf8_lossy(&realm);
        let (user, password) = (&self.username, &self.password);
        let key = PasswordAlgorithm::Md5.key(user, &text, password, Algorithm::Sha1);
        self.proof = Some(Proof { key, nonce: nonce.to_vec(), realm });
    }
}

impl Ask {
    fn method(self) -> Method {
        match self {
            Self::Binding => Method::Binding,
            Self::Allocate | Self::AllocateIn(_) => Method::Allocate,
            Self::Refresh { .. } => Method::Refresh,
            Self::Permit(_) => Method::CreatePermission,
            Self::Bind { .. } => Method::ChannelBind,
        }
    }
}

fn find<'a>(message: &Message<'a>, wanted: u16) -> Option<&'a [u8]> {
    message.attributes().find(|(_, kind, _)| *kind == wanted).map(|(_, _, value)| value)
}

/// A Data indication; those that report ICMP carry no payload (RFC 8656, section 11.5).
fn indicated(message: &Message<'_>) -> Heard {
    let peer = find(message, attribute::XOR_PEER_ADDRESS);
    let peer = peer.and_then(|value| xor_address(value, message.transaction()));
    match (message.method(), peer, find(message, attribute::DATA)) {
        (Some(Method::Data), Some(peer), Some(payload)) => {
            Heard::Data { via: Via::Indication(peer), payload: payload.to_vec() }
        }
        _ => Heard::Other,
    }
}

/// Of a family (RFC 8656, section 18.6).
fn code_point(family: Family) -> u32 {
    match family {
        Family::V4 => 1,
        Family::V6 => 2,
    }
}

/// Reads a MAPPED-ADDRESS-shaped value (RFC 8489, section 14.1).
fn plain_address(value: &[u8]) -> Option<SocketAddr> {
    let ([_, family, high, low], address) = value.split_first_chunk::<4>()?;
    let ip = match family {
        1 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
        2 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([*high, *low])))
}

/// ChannelData of a payload; padded for streams (RFC 8656, section 12.5).
pub fn channel_data(channel: u16, payload: &[u8], padded: bool) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
    let mut frame = channel.to_be_bytes().to_vec();
    frame.extend(length.to_be_bytes());
    frame.extend(payload.iter().take(length.into()));
    if padded {
        frame.resize(frame.len().next_multiple_of(4), 0);
    }
    frame
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("pending", &self.pending).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(request: &[u8], class: Class, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let request = Message::read(request).expect("our own");
        let mut packet = Vec::new();
        let method = request.method().expect("our own");
        let mut writer = Writer::begin(&mut packet, class, method, request.transaction());
        fill(&mut writer);
        packet
    }

    #[test]
    fn a_challenge_is_answered_once_with_the_nonce_it_brought() {
        let mut client = Client::new("alice", "secret", [7; 8]);
        let challenge = |request: &[u8]| {
            answer(request, Class::Error, |writer| {
                writer
                    .error(401)
                    .bytes(attribute::REALM, b"confer")
                    .bytes(attribute::NONCE, b"once");
            })
        };
        let request = client.ask(Ask::Allocate);
        let Heard::Again(again) = client.hear(&challenge(&request)) else { panic!("a challenge") };
        let named = Message::read(&again).expect("our own");
        assert!(
            named
                .attributes()
                .any(|(_, kind, value)| { kind == attribute::NONCE && value == b"once" })
        );
        assert_eq!(client.hear(&challenge(&again)), Heard::Refused(401));
    }

    #[test]
    fn a_refusal_tells_where_to_go_instead() {
        let mut client = Client::new("alice", "secret", [7; 8]);
        for other in ["192.0.2.7:3478", "[2001:db8::7]:3478"] {
            let other = other.parse().expect("a literal");
            let request = client.ask(Ask::AllocateIn(Family::V6));
            let refusal = answer(&request, Class::Error, |writer| {
                writer.error(300).plain_address(attribute::ALTERNATE_SERVER, other);
            });
            assert_eq!(client.hear(&refusal), Heard::Refused(300));
            assert_eq!(client.alternate(), Some(other));
        }
        client.ask(Ask::Allocate);
        assert_eq!(client.alternate(), None);
    }

    #[test]
    fn what_a_peer_sent_is_heard_with_its_address() {
        let mut client = Client::new("alice", "secret", [7; 8]);
        let peer = "192.0.2.7:9".parse().expect("a literal");
        let sent = client.send(peer, b"to a peer");
        assert_eq!(client.hear(&sent), Heard::Other, "only a server says what peers sent");
        let mut packet = Vec::new();
        Writer::begin(&mut packet, Class::Indication, Method::Data, &[1; 12])
            .address(attribute::XOR_PEER_ADDRESS, peer)
            .bytes(attribute::DATA, b"from a peer");
        let payload = b"from a peer".to_vec();
        assert_eq!(client.hear(&packet), Heard::Data { via: Via::Indication(peer), payload });
    }

    #[test]
    fn answers_to_somebody_else_are_not_ours() {
        let mut client = Client::new("alice", "secret", [7; 8]);
        client.ask(Ask::Binding);
        let foreign = Client::new("bob", "secret", [8; 8]).ask(Ask::Binding);
        assert_eq!(client.hear(&answer(&foreign, Class::Success, |_| {})), Heard::Other);
        assert_eq!(client.hear(b"nonsense"), Heard::Other);
    }
}
