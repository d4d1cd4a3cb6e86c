//! What a packet of somebody unknown costs, and what a million of them leave behind.
//!
//! `cargo bench -p confer-turn-core --bench strangers`. Results are merged into the JSON object at
//! `target/bench/summary.json`; `BENCH_SUMMARY` names another file.
//!
//! Sources are random addresses and ports of both families. Time goes on by a microsecond a packet,
//! so the budget of answers is met as in a real flood of a million packets a second.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[path = "../../../sfu/core/benches/support/allocations.rs"]
#[expect(dead_code, reason = "another benchmark has a client of its own")]
mod allocations;
#[path = "../../../sfu/core/benches/support/summary.rs"]
mod summary;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use confer_turn_core::client::{Ask, Client};
use confer_turn_core::hello::Hello;
use confer_turn_core::{
    Config, Cookies, Credentials, FiveTuple, Host, Now, RelayRequest, RelaySocket, Server,
    Standing, Tenant, Transport,
};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const PACKETS: usize = 1_000_000;

/// Gives no socket to anybody: strangers must not come this far.
struct Nobody;

impl Host for Nobody {
    fn open_relay(&mut self, _: RelayRequest) -> Option<RelaySocket> {
        panic!("a stranger was given a socket")
    }
}

/// Fixed, so that every run meets the same packets (xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn source(&mut self) -> SocketAddr {
        let (bits, port) = (self.next(), (self.next() >> 48) as u16 | 1);
        let ip: IpAddr = if bits & 1 == 0 {
            Ipv4Addr::from((bits >> 32) as u32).into()
        } else {
            Ipv6Addr::from(u128::from(bits) << 64 | u128::from(self.next())).into()
        };
        SocketAddr::new(ip, port)
    }
}

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let packets = if is_test { 1_000 } else { PACKETS };
    summary::print_machine();
    println!("{:>24} {:>12} {:>14} {:>14}", "packet", "ns/packet", "allocs/packet", "bytes left");

    let mut figures = Vec::new();
    for (name, key, kind) in [
        ("Binding request", "turn.stranger_binding_ns", Kind::Binding),
        ("Allocate, no proof", "turn.stranger_allocate_ns", Kind::Allocate),
        ("Refresh, forged proof", "turn.stranger_forged_ns", Kind::Forged),
        ("random bytes", "turn.stranger_noise_ns", Kind::Noise),
        ("ChannelData", "turn.stranger_channel_ns", Kind::Channel),
        ("DTLS hello", "turn.stranger_hello_ns", Kind::Hello { cookie: &[] }),
        ("the same, forged cookie", "turn.stranger_cookie_ns", Kind::Hello { cookie: &[7; 20] }),
    ] {
        let flood = flood(kind, packets);
        println!(
            "{name:>24} {:>12.0} {:>14.3} {:>14}",
            flood.nanos, flood.allocations, flood.bytes_left
        );
        assert!(flood.bytes_left == 0, "strangers left {} bytes", flood.bytes_left);
        figures.push((key, flood.nanos));
    }
    if !is_test {
        summary::merge(&figures);
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Binding,
    Allocate,
    Forged,
    Noise,
    Channel,
    /// Over DTLS.
    Hello {
        cookie: &'static [u8],
    },
}

struct Flood {
    nanos: f64,
    allocations: f64,
    bytes_left: i64,
}

fn flood(kind: Kind, packets: usize) -> Flood {
    let tenant = Tenant {
        realm: "confer".to_owned(),
        secrets: vec!["a secret of thirty-two bytes or more".to_owned()],
        ..Tenant::default()
    };
    let config = Config {
        credentials: Credentials::new(vec![tenant]),
        nonce_secret: vec![7; 32],
        ..Config::default()
    };
    let mut server = Server::new(config, Instant::now());
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut client = Client::new("4000000000:mallory", "guessed", [3; 8]);
    let packet = packet(kind, &mut client, &mut random);
    let local = SocketAddr::from(([192, 0, 2, 1], 3478));
    let mut now = Now { steady: Instant::now(), unix: 1_000_000_000 };
    let mut out = Vec::with_capacity(2048);
    let cookies = Cookies::new(&[7; 32]);
    let mut send = |server: &mut Server, out: &mut Vec<u8>, source| {
        let tuple = FiveTuple { client: source, server: local, transport: Transport::Udp };
        out.clear();
        if matches!(kind, Kind::Hello { .. }) {
            greet(&cookies, tuple, &packet, out, now);
        } else {
            let _verdict = server.handle_client(tuple, &packet, out, &mut Nobody, now);
        }
        now.steady += Duration::from_micros(1);
    };
    // The table of budgets has its size from the start.
    for _ in 0..1_000 {
        send(&mut server, &mut out, random.source());
    }
    let (bytes, count) = (allocations::live(), allocations::count());
    let begun = Instant::now();
    allocations::counted(|| {
        for _ in 0..packets {
            send(&mut server, &mut out, random.source());
        }
    });
    let nanos = begun.elapsed().as_nanos() as f64 / packets as f64;
    assert_eq!(server.allocations(), 0);
    Flood {
        nanos,
        allocations: (allocations::count() - count) as f64 / packets as f64,
        bytes_left: allocations::live() - bytes,
    }
}

/// As the relay does before its DTLS hears of anybody.
fn greet(cookies: &Cookies, tuple: FiveTuple, packet: &[u8], out: &mut Vec<u8>, now: Now) {
    let hello = Hello::read(packet).expect("a hello");
    match cookies.judge(&tuple, &hello, now.unix) {
        Standing::Stranger => {
            let cookie = cookies.make(&tuple, &hello, now.unix);
            out.extend_from_slice(&hello.verify_request(&cookie));
        }
        Standing::Foreign => {}
        Standing::Proven => panic!("nobody guesses a cookie"),
    }
}

/// A hello with as much as OpenSSL's: 60 bytes of cipher suites, 100 of extensions.
fn hello(cookie: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u8::try_from(bytes).expect("short");
    let body = [&[0xfe, 0xfd][..], &[7; 32], &[0, length(cookie.len())], cookie];
    let body = [&body.concat()[..], &[0, 60], &[0xc0; 60], &[1, 0, 0, 100], &[0; 100]].concat();
    let place = u8::from(!cookie.is_empty());
    let size = length(body.len());
    let head = [1, 0, 0, size, 0, place, 0, 0, 0, 0, 0, size];
    let record = [22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, place, 0, length(body.len() + head.len())];
    [&record[..], &head, &body].concat()
}

fn packet(kind: Kind, client: &mut Client, random: &mut Random) -> Vec<u8> {
    match kind {
        Kind::Binding => client.ask(Ask::Binding),
        Kind::Allocate => client.ask(Ask::Allocate),
        Kind::Forged => {
            // A challenge of somebody else's teaches it to prove itself, with a nonce that is old.
            let request = client.ask(Ask::Refresh { seconds: 600 });
            let message = confer_turn_core::message::Message::read(&request).expect("our own");
            let mut challenge = Vec::new();
            confer_turn_core::message::Writer::begin(
                &mut challenge,
                confer_turn_core::message::Class::Error,
                confer_turn_core::message::Method::Refresh,
                message.transaction(),
            )
            .error(401)
            .bytes(confer_turn_core::message::attribute::REALM, b"confer")
            .bytes(
                confer_turn_core::message::attribute::NONCE,
                b"obMatJos2AAAA0123456789012345678",
            );
            match client.hear(&challenge) {
                confer_turn_core::client::Heard::Again(packet) => packet,
                other => panic!("a challenge is answered, not {other:?}"),
            }
        }
        Kind::Noise => (0..100).map(|_| (random.next() >> 56) as u8).collect(),
        Kind::Hello { cookie } => hello(cookie),
        Kind::Channel => confer_turn_core::client::channel_data(0x4000, &[7; 1200], false),
    }
}
