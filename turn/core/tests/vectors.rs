//! The sample messages of RFC 5769 and of RFC 8489, appendix B.1 (with erratum 6268), whole.

use std::net::SocketAddr;
use std::time::Instant;

use confer_turn_core::integrity::{Algorithm, Key, PasswordAlgorithm, userhash};
use confer_turn_core::message::{
    Attributes, Class, Message, Method, Writer, attribute, xor_address,
};
use confer_turn_core::{
    Config, Credentials, FiveTuple, Host, Now, RelayRequest, RelaySocket, Server, Tenant,
    Transport, Verdict,
};

const REQUEST: &str = include_str!("vectors/rfc5769-2.1-request.hex");
const IPV4_RESPONSE: &str = include_str!("vectors/rfc5769-2.2-ipv4-response.hex");
const IPV6_RESPONSE: &str = include_str!("vectors/rfc5769-2.3-ipv6-response.hex");
const LONG_TERM: &str = include_str!("vectors/rfc5769-2.4-long-term.hex");
const USERHASH: &str = include_str!("vectors/rfc8489-b.1-userhash.hex");

/// Password of the three short-term samples.
const SHORT_TERM: &[u8] = b"VOkJxbRl1RmTxUk/WvJxBt";
/// "Matrix" in katakana.
const USER: &str = "\u{30DE}\u{30C8}\u{30EA}\u{30C3}\u{30AF}\u{30B9}";
const REALM: &str = "example.org";
const WRITTEN: &str = "The\u{AD}M\u{AA}tr\u{2168}";
const PREPARED: &str = "TheMatrIX";

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |text| u8::from_str_radix(text, 16).expect("the file holds hexadecimal bytes");
    hex.split_ascii_whitespace().map(byte).collect()
}

fn verifies(sample: &[u8], key: &Key) -> bool {
    let message = Message::read(sample).expect("a sample of the RFC");
    let found = Attributes::gather(&message);
    let (offset, tag) = match key.algorithm() {
        Algorithm::Sha1 => found.integrity,
        Algorithm::Sha256 => found.integrity_sha256,
    }
    .expect("the sample has one");
    key.verify(sample, offset, tag)
}

/// FINGERPRINT by the formula of RFC 8489, section 14.7. Our own writer pads with zeros, the samples with
/// spaces, so it cannot write them again.
fn fingerprint_holds(sample: &[u8]) -> bool {
    let (covered, attribute) = sample.split_at(sample.len() - 8);
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(covered) ^ 0x5354_554E;
    attribute[4..] == crc.to_be_bytes()
}

fn mapped_address(sample: &[u8]) -> SocketAddr {
    let message = Message::read(sample).expect("a sample of the RFC");
    let mut attributes = message.attributes();
    let (_, _, value) = attributes
        .find(|(_, kind, _)| *kind == attribute::XOR_MAPPED_ADDRESS)
        .expect("the sample has one");
    xor_address(value, message.transaction()).expect("it is well-formed")
}

#[test]
fn rfc_5769_2_1_the_request_verifies_and_its_fingerprint_holds() {
    let sample = bytes(REQUEST);
    let message = Message::read(&sample).expect("a sample of the RFC");
    assert_eq!((message.class(), message.method()), (Class::Request, Some(Method::Binding)));
    assert_eq!(Attributes::gather(&message).username, Some(&b"evtj:h6vY"[..]));
    assert!(verifies(&sample, &Key::new(Algorithm::Sha1, SHORT_TERM)));
    assert!(fingerprint_holds(&sample));
}

#[test]
fn rfc_5769_2_2_the_ipv4_response_verifies_and_names_its_address() {
    let sample = bytes(IPV4_RESPONSE);
    assert!(verifies(&sample, &Key::new(Algorithm::Sha1, SHORT_TERM)));
    assert!(fingerprint_holds(&sample));
    assert_eq!(mapped_address(&sample).to_string(), "192.0.2.1:32853");
}

#[test]
fn rfc_5769_2_3_the_ipv6_response_verifies_and_names_its_address() {
    let sample = bytes(IPV6_RESPONSE);
    assert!(verifies(&sample, &Key::new(Algorithm::Sha1, SHORT_TERM)));
    assert!(fingerprint_holds(&sample));
    assert_eq!(mapped_address(&sample).to_string(), "[2001:db8:1234:5678:11:2233:4455:6677]:32853");
}

#[test]
fn rfc_5769_2_4_the_long_term_request_verifies_with_the_prepared_password() {
    let sample = bytes(LONG_TERM);
    let key = |password| PasswordAlgorithm::Md5.key(USER, REALM, password, Algorithm::Sha1);
    assert!(verifies(&sample, &key(PREPARED)));
    assert!(!verifies(&sample, &key(WRITTEN)));
}

#[test]
fn rfc_8489_b_1_the_userhash_request_verifies_with_sha_256() {
    let sample = bytes(USERHASH);
    let message = Message::read(&sample).expect("a sample of the RFC");
    let found = Attributes::gather(&message);
    assert_eq!(found.userhash, Some(&userhash(USER, REALM)[..]));
    assert_eq!(found.realm, Some(REALM.as_bytes()));
    assert_eq!(found.nonce, Some(&b"obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"[..]));
    let algorithm = found.password_algorithm.and_then(PasswordAlgorithm::read);
    assert_eq!(algorithm, Some(PasswordAlgorithm::Sha256));
    let key = PasswordAlgorithm::Sha256.key(USER, REALM, PREPARED, Algorithm::Sha256);
    assert!(verifies(&sample, &key));
}

#[test]
fn a_fingerprint_follows_the_formula() {
    let mut message = Vec::new();
    let mut writer = Writer::begin(&mut message, Class::Request, Method::Binding, &[5; 12]);
    writer.bytes(attribute::SOFTWARE, b"odd").fingerprint();
    assert!(fingerprint_holds(&message));
    message[9] ^= 1;
    assert!(!fingerprint_holds(&message));
}

/// One port is enough here.
struct OnePort;

impl Host for OnePort {
    fn open_relay(&mut self, _: RelayRequest) -> Option<RelaySocket> {
        Some(RelaySocket { relayed: SocketAddr::from(([192, 0, 2, 1], 50_000)), next: None })
    }
}

/// Whether a server that was told `WRITTEN` lets this name and password in, named by USERNAME or
/// by USERHASH.
fn admitted(name: &str, password: &str, hashed: bool) -> bool {
    let tenant = Tenant {
        realm: REALM.to_owned(),
        users: [(USER.to_owned(), WRITTEN.to_owned())].into(),
        ..Tenant::default()
    };
    let config = Config { credentials: Credentials::new(vec![tenant]), ..Config::default() };
    let now = Now { steady: Instant::now(), unix: 1000 };
    let mut server = Server::new(config, now.steady);
    let tuple = FiveTuple {
        client: SocketAddr::from(([198, 51, 100, 7], 4000)),
        server: SocketAddr::from(([192, 0, 2, 1], 3478)),
        transport: Transport::Udp,
    };
    let mut reply = Vec::new();
    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Request, Method::Allocate, &[1; 12]);
    assert_eq!(
        server.handle_client(tuple, &packet, &mut reply, &mut OnePort, now),
        Verdict::Reply { from: None, to: None }
    );
    let nonce = Attributes::gather(&Message::read(&reply).expect("a challenge"))
        .nonce
        .expect("a challenge has one")
        .to_vec();

    packet.clear();
    let key = PasswordAlgorithm::Md5.key(name, REALM, password, Algorithm::Sha1);
    let mut writer = Writer::begin(&mut packet, Class::Request, Method::Allocate, &[2; 12]);
    writer.number(attribute::REQUESTED_TRANSPORT, 17 << 24);
    if hashed {
        writer.bytes(attribute::USERHASH, &userhash(name, REALM));
    } else {
        writer.bytes(attribute::USERNAME, name.as_bytes());
    }
    writer
        .bytes(attribute::REALM, REALM.as_bytes())
        .bytes(attribute::NONCE, &nonce)
        .integrity(&key);
    reply.clear();
    server.handle_client(tuple, &packet, &mut reply, &mut OnePort, now);
    server.allocations() == 1
}

#[test]
fn a_name_and_password_beyond_ascii_are_known_in_every_form() {
    for hashed in [false, true] {
        assert!(admitted(USER, PREPARED, hashed), "SASLprep");
        assert!(admitted(USER, WRITTEN, hashed), "as it was configured");
        assert!(!admitted(USER, "thematrix", hashed));
    }
}
