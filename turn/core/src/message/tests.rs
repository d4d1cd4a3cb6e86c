use std::net::SocketAddr;

use super::*;
use crate::integrity::{Algorithm, Key};

const TRANSACTION: TransactionId = *b"abcdefghijkl";

/// The sample request of RFC 5769, section 2.1.
const RFC5769_REQUEST: &[u8] = &[
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86,
    0xfa, 0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73,
    0x74, 0x20, 0x63, 0x6c, 0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff,
    0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09,
    0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14,
    0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49,
    0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
];

#[test]
fn the_rfc_5769_request_reads_and_its_integrity_verifies() {
    let message = Message::read(RFC5769_REQUEST).expect("the RFC's own sample");
    assert_eq!((message.class(), message.method()), (Class::Request, Some(Method::Binding)));

    let attributes = Attributes::gather(&message);
    assert_eq!(attributes.username, Some(&b"evtj:h6vY"[..]));
    // PRIORITY (0x0024) is comprehension-required and none of a TURN server's business.
    assert_eq!(attributes.unknown(), [0x0024]);

    let key = Key::new(Algorithm::Sha1, b"VOkJxbRl1RmTxUk/WvJxBt");
    let (offset, tag) = attributes.integrity.expect("the sample has one");
    assert!(key.verify(RFC5769_REQUEST, offset, tag));
    let mut forged = RFC5769_REQUEST.to_vec();
    forged[60] ^= 1;
    assert!(!key.verify(&forged, offset, tag));
}

#[test]
fn what_is_written_can_be_read_whatever_the_buffer_held() {
    for (address, algorithm) in
        [("192.0.2.1:32853", Algorithm::Sha1), ("[2001:db8::1]:1", Algorithm::Sha256)]
    {
        let key = Key::new(algorithm, b"key");
        let address: SocketAddr = address.parse().expect("a literal");
        let mut buffer = b"before".to_vec();
        let mut writer =
            Writer::begin(&mut buffer, Class::Request, Method::CreatePermission, &TRANSACTION);
        writer.address(attribute::XOR_PEER_ADDRESS, address).bytes(attribute::USERNAME, b"abc");
        writer.integrity(&key).fingerprint();

        let written = &buffer[6..];
        let message = Message::read(written).expect("our own writing");
        assert_eq!(message.method(), Some(Method::CreatePermission));
        let attributes = Attributes::gather(&message);
        assert_eq!(attributes.peers().collect::<Vec<_>>(), [address]);
        assert_eq!(attributes.username, Some(&b"abc"[..]));
        let integrity = attributes.integrity.or(attributes.integrity_sha256);
        let (offset, tag) = integrity.expect("written above");
        assert!(key.verify(written, offset, tag));
    }
}

#[test]
fn cut_or_lying_messages_are_refused() {
    for length in 0..RFC5769_REQUEST.len() {
        assert!(Message::read(&RFC5769_REQUEST[..length]).is_err(), "{length} bytes");
    }
    let mut lying = RFC5769_REQUEST.to_vec();
    lying[23] = 0xff;
    assert_eq!(Message::read(&lying).err(), Some(ReadError::Attribute));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
        if let Ok(message) = Message::read(&bytes) {
            Attributes::gather(&message);
        }
    }

    #[test]
    fn no_attribute_bytes_make_the_reader_panic(body: Vec<u8>) {
        let mut bytes = vec![0, 3, 0, 0];
        bytes.extend(MAGIC_COOKIE);
        bytes.extend(TRANSACTION);
        bytes.extend(&body[..body.len() / 4 * 4]);
        let length = u16::try_from(bytes.len() - 20).unwrap_or(0).to_be_bytes();
        bytes[2..4].copy_from_slice(&length);
        if let Ok(message) = Message::read(&bytes) {
            Attributes::gather(&message);
        }
    }
}
