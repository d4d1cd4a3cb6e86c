//! Access tokens (RFC 7635): as strangers send them, and sealed with the right key around anything.
#![no_main]

use std::net::SocketAddr;
use std::time::Instant;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use confer_turn_core::integrity::{Algorithm, Key};
use confer_turn_core::message::{Class, Message, Method, Writer, attribute};
use confer_turn_core::{
    Config, Credentials, FiveTuple, Host, Now, OauthKey, RelayRequest, RelaySocket, Server, Tenant,
    Transport,
};
use libfuzzer_sys::fuzz_target;

const KEY: [u8; 32] = [7; 32];
const SERVER: &str = "turn.fuzz";
const NONCE: [u8; 12] = [3; 12];

struct Ports;

impl Host for Ports {
    fn open_relay(&mut self, _: RelayRequest) -> Option<RelaySocket> {
        Some(RelaySocket { relayed: SocketAddr::from(([192, 0, 2, 1], 50_000)), next: None })
    }
}

fn sealed(block: &[u8]) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &KEY).expect("of its length"));
    let mut block = block.to_vec();
    let nonce = Nonce::assume_unique_for_key(NONCE);
    key.seal_in_place_append_tag(nonce, Aad::from(SERVER.as_bytes()), &mut block).expect("short");
    let mut token = (NONCE.len() as u16).to_be_bytes().to_vec();
    token.extend(NONCE);
    token.extend(block);
    token
}

fuzz_target!(|input: &[u8]| {
    let Some((&how, input)) = input.split_first() else { return };
    let input = &input[..input.len().min(2048)];
    let key = OauthKey::new(&KEY, SERVER).expect("of its length");
    let credentials = Credentials::new(vec![Tenant {
        realm: "fuzz".to_owned(),
        oauth_keys: [("kid".to_owned(), key)].into(),
        ..Tenant::default()
    }]);
    let now = Now { steady: Instant::now(), unix: 1_000_000_000 };
    let config = Config { credentials, ..Config::default() };
    let mut server = Server::new(config, now.steady);
    let tuple = FiveTuple {
        client: SocketAddr::from(([198, 51, 100, 7], 4000)),
        server: SocketAddr::from(([192, 0, 2, 1], 3478)),
        transport: Transport::Udp,
    };
    let (mut packet, mut out) = (Vec::new(), Vec::new());
    Writer::begin(&mut packet, Class::Request, Method::Allocate, &[1; 12]);
    server.handle_client(tuple, &packet, &mut out, &mut Ports, now);
    let challenge = Message::read(&out).expect("our own");
    let nonce = challenge.attributes().find(|(_, kind, _)| *kind == attribute::NONCE);
    let nonce = nonce.map(|(_, _, value)| value.to_vec()).expect("a challenge has one");

    let token = if how % 2 == 0 { input.to_vec() } else { sealed(input) };
    // The key that a well-formed block begins with; anything else proves nothing.
    let length = input.first_chunk::<2>().map_or(0, |length| u16::from_be_bytes(*length));
    let mac_key = input.get(2..2 + usize::from(length)).unwrap_or_default();
    packet.clear();
    let mut writer = Writer::begin(&mut packet, Class::Request, Method::Allocate, &[2; 12]);
    writer
        .bytes(attribute::REQUESTED_TRANSPORT, &[17, 0, 0, 0])
        .bytes(attribute::USERNAME, b"kid")
        .bytes(attribute::REALM, b"fuzz")
        .bytes(attribute::NONCE, &nonce)
        .bytes(attribute::ACCESS_TOKEN, &token);
    writer.integrity(&Key::new(Algorithm::Sha1, mac_key));
    out.clear();
    server.handle_client(tuple, &packet, &mut out, &mut Ports, now);
    if how % 2 == 0 {
        assert_eq!(server.allocations(), 0, "nobody else can seal one");
    }
});
