//! The relay as a state machine: packets of a client that knows its password, with damage.
//!
//! The input is a list of packets, each behind its length in one byte, the topmost bit of which
//! asks for a good nonce and integrity to be appended.
#![no_main]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use confer_turn_core::integrity::{Algorithm, Key, PasswordAlgorithm};
use confer_turn_core::message::{Class, Message, Method, Writer, attribute};
use confer_turn_core::{
    Config, Credentials, FiveTuple, Host, Now, PortWish, RelayRequest, RelaySocket, Server, Tenant,
    Transport,
};
use libfuzzer_sys::fuzz_target;

const REALM: &str = "fuzz";
const METHODS: [Method; 8] = [
    Method::Allocate,
    Method::Refresh,
    Method::CreatePermission,
    Method::ChannelBind,
    Method::Connect,
    Method::ConnectionBind,
    Method::Send,
    Method::Binding,
];

/// Ports that count upwards.
struct Ports(u16);

impl Host for Ports {
    fn open_relay(&mut self, request: RelayRequest) -> Option<RelaySocket> {
        self.0 = self.0.checked_add(2)?;
        let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
        let next = (request.port == PortWish::EvenAndNext).then(|| at(self.0 + 1));
        Some(RelaySocket { relayed: at(self.0), next })
    }
}

fuzz_target!(|input: &[u8]| {
    let tenant = Tenant {
        realm: REALM.to_owned(),
        users: [("alice".to_owned(), "hunter2".to_owned())].into(),
        ..Tenant::default()
    };
    let credentials = Credentials::new(vec![tenant]);
    let mut now = Now { steady: Instant::now(), unix: 1000 };
    let config = Config { credentials, tcp_relay: true, ..Config::default() };
    let mut server = Server::new(config, now.steady);
    let key = PasswordAlgorithm::Md5.key("alice", REALM, "hunter2", Algorithm::Sha1);
    let tuple = FiveTuple {
        client: SocketAddr::from(([198, 51, 100, 7], 4000)),
        server: SocketAddr::from(([192, 0, 2, 1], 3478)),
        transport: Transport::Tcp,
    };
    let (mut ports, mut out) = (Ports(40_000), Vec::new());
    let nonce = challenge(&mut server, tuple, &mut ports, now);

    let mut rest = input;
    while let Some((&head, tail)) = rest.split_first() {
        let (packet, tail) = tail.split_at(usize::from(head & 0x7F).min(tail.len()));
        rest = tail;
        out.clear();
        if head & 0x80 == 0 {
            server.handle_client(tuple, packet, &mut out, &mut ports, now);
        } else {
            let request = signed(packet, &nonce, &key);
            server.handle_client(tuple, &request, &mut out, &mut ports, now);
        }
        now.steady += Duration::from_secs(u64::from(head));
        server.handle_timeout(now);
        while server.poll_event().is_some() {}
        assert!(server.allocations() <= 1, "one five-tuple");
    }
});

fn challenge(server: &mut Server, tuple: FiveTuple, ports: &mut Ports, now: Now) -> Vec<u8> {
    let (mut packet, mut out) = (Vec::new(), Vec::new());
    Writer::begin(&mut packet, Class::Request, Method::Allocate, &[0; 12]);
    server.handle_client(tuple, &packet, &mut out, ports, now);
    let message = Message::read(&out).expect("the server writes whole messages");
    let mut attributes = message.attributes();
    let nonce = attributes.find(|(_, kind, _)| *kind == attribute::NONCE);
    nonce.map(|(_, _, value)| value.to_vec()).expect("a challenge has one")
}

/// A request of the method in the first byte, with attributes of four bytes each, their types drawn
/// from those that mean something.
fn signed(packet: &[u8], nonce: &[u8], key: &Key) -> Vec<u8> {
    let (method, body) = packet.split_first().unwrap_or((&0, &[]));
    let method = METHODS[usize::from(*method) % METHODS.len()];
    let mut request = Vec::new();
    let mut writer = Writer::begin(&mut request, Class::Request, method, &[7; 12]);
    for attribute in body.chunks(10) {
        let (kind, value) = attribute.split_first().unwrap_or((&0, &[]));
        let high = if kind & 0x80 == 0 { 0 } else { 0x8000 };
        writer.bytes(high | u16::from(kind & 0x7F), value);
    }
    writer
        .bytes(attribute::USERNAME, b"alice")
        .bytes(attribute::REALM, REALM.as_bytes())
        .bytes(attribute::NONCE, nonce)
        .integrity(key);
    request
}
