//! What an allocation costs that nobody uses, and what a packet allocates: the whole relay with its
//! sockets, in this process.
//!
//! `cargo bench -p confer-turn-net --bench idle`. Results are merged into the JSON object at
//! `target/bench/summary.json`; `BENCH_SUMMARY` names another file.
//!
//! 50,000 clients, or as many as this user may open files, allocate and bind a channel each, over
//! real UDP. Memory is what the allocator of this process gave out; the kernel's part of a socket is
//! not in it. turn/core's benchmark of this name has all 50,000 everywhere, without sockets.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[path = "../../../sfu/core/benches/support/allocations.rs"]
#[expect(dead_code, reason = "another benchmark has a client of its own")]
mod allocations;
#[path = "support/relay.rs"]
mod relay;
#[path = "../../../sfu/core/benches/support/summary.rs"]
mod summary;

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use confer_turn_core::Transport;
use confer_turn_core::client::{Ask, Client, Grant, Heard, channel_data};
use confer_turn_net::{Config, start};
use relay::{LOOPBACK, NAME};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const CLIENTS: usize = 50_000;
const CLIENTS_PER_ADDRESS: usize = 20_000;
const FIRST_PORT: usize = 2_000;
/// Files that are not relayed addresses.
const OTHER_FILES: usize = 200;
const PACKETS: usize = 20_000;

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let files = file_limit();
    let clients = CLIENTS.min(files - OTHER_FILES);
    let (clients, packets) = if is_test { (50, 100) } else { (clients, PACKETS) };
    summary::print_machine();

    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // Threads of the relay come into being counted; the tables of all are set up before the first
    // figure is taken.
    allocations::counted(|| measure(&runtime, is_test, clients, packets));
}

fn measure(runtime: &tokio::runtime::Runtime, is_test: bool, clients: usize, packets: usize) {
    let (turn, running) = runtime.block_on(start(config())).expect("loopback has free ports");
    let server = turn.listening()[0];
    let peer = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
    let reached = peer.local_addr().expect("it is bound");

    // Tables and buffers that any relay has are not of an allocation.
    let (first, mut turn_client, relayed) = allocate(server, 0, reached);
    let before = allocations::live();
    for index in 1..=clients {
        allocate(server, index, reached);
    }
    let bytes = (allocations::live() - before) as f64 / clients as f64;
    assert_eq!(turn.stats().allocations, clients as u64 + 1);

    let frame = channel_data(0x4000, &[7; 1200], false);
    let (mut buffer, payload) = ([0; 2048], [7; 1200]);
    let mut exchange = |packets: usize| {
        for _ in 0..packets {
            first.send(&frame).expect("connected");
            peer.recv(&mut buffer).expect("relayed");
            peer.send_to(&payload, relayed).expect("loopback");
            first.recv(&mut buffer).expect("relayed");
        }
    };
    exchange(100);
    let count = allocations::count();
    exchange(packets);
    let per_packet = (allocations::count() - count) as f64 / (2 * packets) as f64;

    println!("{:>12} {:>22} {:>16}", "allocations", "bytes per allocation", "allocs/packet");
    println!("{clients:>12} {bytes:>22.0} {per_packet:>16.4}");
    ask(&first, &mut turn_client, Ask::Refresh { seconds: 0 });
    runtime.block_on(running.stop());
    if !is_test {
        summary::merge(&[
            ("turn.bytes_per_idle_allocation", bytes),
            ("turn.idle_allocations_with_sockets", clients as f64),
            ("turn.allocs_per_packet", per_packet),
        ]);
    }
}

fn config() -> Config {
    let mut config = relay::config(Transport::Udp);
    config.core.limits.allocations = CLIENTS + 1;
    config
}

/// A client's socket, the client, and its relayed address.
fn allocate(server: SocketAddr, index: usize, peer: SocketAddr) -> (UdpSocket, Client, SocketAddr) {
    let last = 2 + (index / CLIENTS_PER_ADDRESS) as u8;
    // One of its own, because an address that was given back still has its allocation.
    let port = (FIRST_PORT + index % CLIENTS_PER_ADDRESS) as u16;
    let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), port)).expect("a free port");
    socket.connect(server).expect("loopback");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
    let mut client = Client::new(NAME, NAME, (index as u64).to_be_bytes());
    let relayed = ask(&socket, &mut client, Ask::Allocate).relayed.expect("a relayed address");
    ask(&socket, &mut client, Ask::Bind { channel: 0x4000, peer });
    (socket, client, relayed)
}

fn ask(socket: &UdpSocket, client: &mut Client, ask: Ask) -> Grant {
    let mut buffer = [0; 2048];
    socket.send(&client.ask(ask)).expect("connected");
    loop {
        let length = socket.recv(&mut buffer).expect("an answer");
        match client.hear(&buffer[..length]) {
            Heard::Granted(grant) => return grant,
            Heard::Again(again) => {
                socket.send(&again).expect("connected");
            }
            Heard::Refused(code) => panic!("{ask:?} was refused with {code}"),
            Heard::Data { .. } | Heard::Other => {}
        }
    }
}

/// Every relayed address is an open file: raises the limit as far as it goes.
fn file_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}
