//! What 50,000 allocations that nobody uses cost in memory, decisions alone.
//!
//! `cargo bench -p confer-turn-core --bench idle`. Results are merged into the JSON object at
//! `target/bench/summary.json`; `BENCH_SUMMARY` names another file.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[path = "../../../sfu/core/benches/support/allocations.rs"]
#[expect(dead_code, reason = "other benchmarks count how many there were")]
mod allocations;
#[path = "../../../sfu/core/benches/support/summary.rs"]
mod summary;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use confer_turn_core::client::{Ask, Client, Heard};
use confer_turn_core::{
    Config, Credentials, FiveTuple, Host, Now, RelayRequest, RelaySocket, Server, Tenant,
    TenantLimits, Transport,
};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const ALLOCATIONS: u32 = 50_000;

/// Hands out one address after the other.
struct Ports(u32);

impl Host for Ports {
    fn open_relay(&mut self, _: RelayRequest) -> Option<RelaySocket> {
        self.0 += 1;
        let ip = Ipv4Addr::from(0xCB00_7100 + self.0 / 60_000);
        let port = u16::try_from(1_024 + self.0 % 60_000).ok()?;
        Some(RelaySocket { relayed: SocketAddr::from((ip, port)), next: None })
    }
}

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let wanted = if is_test { 100 } else { ALLOCATIONS };
    summary::print_machine();
    let tenant = Tenant {
        realm: "confer".to_owned(),
        users: [("bench".to_owned(), "bench".to_owned())].into(),
        limits: TenantLimits {
            allocations: u32::MAX,
            allocations_per_user: u32::MAX,
            permissions_per_user: u32::MAX,
            ..TenantLimits::default()
        },
        ..Tenant::default()
    };
    let config = Config {
        credentials: Credentials::new(vec![tenant]),
        nonce_secret: vec![7; 32],
        ..Config::default()
    };
    let mut server = Server::new(config, Instant::now());
    let mut ports = Ports(0);
    let mut out = Vec::with_capacity(2048);
    let now = Now { steady: Instant::now(), unix: 1_000_000_000 };
    let before = allocations::live();
    allocations::counted(|| {
        for index in 0..wanted {
            let client = SocketAddr::from((Ipv4Addr::from(0x0A00_0000 + index), 4_000));
            allocate(&mut server, &mut ports, client, &mut out, now);
        }
    });
    assert_eq!(server.allocations(), wanted as usize);
    let bytes = (allocations::live() - before) as f64 / f64::from(wanted);
    println!("{wanted} allocations with a channel each: {bytes:.0} bytes per allocation");
    if !is_test {
        summary::merge(&[("turn.core_bytes_per_idle_allocation", bytes)]);
    }
}

fn allocate(
    server: &mut Server,
    ports: &mut Ports,
    client: SocketAddr,
    out: &mut Vec<u8>,
    now: Now,
) {
    let local = SocketAddr::from(([192, 0, 2, 1], 3478));
    let tuple = FiveTuple { client, server: local, transport: Transport::Udp };
    let mut caller = Client::new("bench", "bench", [1; 8]);
    let peer = SocketAddr::from(([8, 8, 8, 8], 53));
    for ask in [Ask::Allocate, Ask::Bind { channel: 0x4000, peer }] {
        let mut packet = caller.ask(ask);
        loop {
            out.clear();
            let _verdict = server.handle_client(tuple, &packet, out, ports, now);
            match caller.hear(out) {
                Heard::Again(again) => packet = again,
                Heard::Granted(_) => break,
                other => panic!("{ask:?} was answered {other:?}"),
            }
        }
    }
    // Whoever runs a relay takes its events.
    while server.poll_event().is_some() {}
}
