//! What a packet allocates on its way from and to a client over TCP or TLS, and what a connection
//! holds that is idle: the whole relay with its sockets, in this process.
//!
//! `cargo bench -p confer-turn-net --bench streams`. Results are merged into the JSON object at
//! `target/bench/summary.json`; `BENCH_SUMMARY` names another file.
//!
//! Packets go one by one and in bursts, each way. Only the relay's side is counted. Over TLS, rustls
//! allocates for each record that it seals or opens; how often is measured on the same records
//! without a relay around it, so that what is left is ours.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]

#[path = "../../../sfu/core/benches/support/allocations.rs"]
mod allocations;
#[path = "support/relay.rs"]
mod relay;
#[path = "../../../sfu/core/benches/support/summary.rs"]
mod summary;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use confer_turn_core::client::{Ask, Client, Grant, Heard, channel_data};
use confer_turn_core::frame::stream_frame_length;
use confer_turn_net::{Certificate, Transport, start};
use relay::{LOOPBACK, NAME};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{
    ClientConfig, ClientConnection, ConnectionCommon, RootCertStore, ServerConfig,
    ServerConnection, StreamOwned,
};

#[global_allocator]
static ALLOCATOR: allocations::Counting = allocations::Counting;

const CHANNEL: u16 = 0x4000;
const PAYLOAD: usize = 1_200;
const PACKETS: usize = 20_000;
const BURST: usize = 32;
const CONNECTIONS: usize = 500;
/// Exchanges until every buffer has been needed once.
const WARM_UP: usize = 200;

trait Stream: Read + Write {}
impl<S: Read + Write> Stream for S {}

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let (connections, packets) = if is_test { (5, 64) } else { (CONNECTIONS, PACKETS) };
    summary::print_machine();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    println!(
        "{:>6} {:>14} {:>12} {:>20} {:>22}",
        "", "one by one", "in bursts", "of these, rustls'", "bytes per idle client"
    );
    let mut figures = Vec::new();
    allocations::counted(|| {
        for (name, transport) in [("tcp", Transport::Tcp), ("tls", Transport::Tls)] {
            let certificate = certificate();
            let rustls = match transport {
                Transport::Tls => rustls_alone(&certificate, packets),
                _ => 0.0,
            };
            let [single, burst, idle] =
                measure(&runtime, transport, &certificate, connections, packets);
            println!("{name:>6} {single:>14.4} {burst:>12.4} {rustls:>20.4} {idle:>22.0}");
            let allocs = f64::midpoint(single, burst);
            figures.push((format!("turn.allocs_per_packet_{name}"), allocs));
            figures.push((format!("turn.allocs_per_packet_{name}_ours"), allocs - rustls));
            figures.push((format!("turn.bytes_per_idle_allocation_{name}"), idle));
        }
    });
    if !is_test {
        let figures: Vec<(&str, f64)> =
            figures.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        summary::merge(&figures);
    }
}

/// Allocations per packet one by one and in bursts, and bytes per idle allocation.
fn measure(
    runtime: &tokio::runtime::Runtime,
    transport: Transport,
    certificate: &Certificate,
    connections: usize,
    packets: usize,
) -> [f64; 3] {
    let mut config = relay::config(transport);
    config.certificate = Some(certificate.clone());
    let (turn, running) = runtime.block_on(start(config)).expect("loopback has free ports");
    let server = turn.listening()[0];
    let peer = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
    let reached = peer.local_addr().expect("it is bound");
    let trusting = trusting(certificate);
    let over_tls = (transport == Transport::Tls).then_some(&trusting);
    let connect = || allocations::left_out(|| connect(server, reached, over_tls));

    let (mut client, relayed) = connect();
    // Tables that any relay has are not of a connection.
    let before = allocations::live();
    let others: Vec<_> = (0..connections).map(|_| connect()).collect();
    let idle = (allocations::live() - before) as f64 / connections as f64;
    drop(others);

    let mut exchange = |bursts: usize, burst: usize| {
        let before = allocations::count();
        allocations::left_out(|| {
            let frame = channel_data(CHANNEL, &[7; PAYLOAD], true);
            let (mut datagram, mut heard) = ([0; 2048], frame.repeat(burst));
            for _ in 0..bursts {
                for _ in 0..burst {
                    // A record for each.
                    client.write_all(&frame).expect("connected");
                }
                for _ in 0..burst {
                    peer.recv(&mut datagram).expect("relayed");
                }
                for _ in 0..burst {
                    peer.send_to(&[7; PAYLOAD], relayed).expect("loopback");
                }
                client.read_exact(&mut heard).expect("relayed");
            }
        });
        (allocations::count() - before) as f64 / (2 * bursts * burst) as f64
    };
    exchange(WARM_UP, 1);
    exchange(WARM_UP, BURST);
    let single = exchange(packets, 1);
    let burst = exchange(packets / BURST, BURST);
    runtime.block_on(running.stop());
    [single, burst, idle]
}

/// Allocations of rustls per record, sealed or opened, without anything around it.
fn rustls_alone(certificate: &Certificate, packets: usize) -> f64 {
    let shown = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(certificate.chain.clone(), certificate.key.clone_key())
        .expect("they belong together");
    let mut server = ServerConnection::new(Arc::new(shown)).expect("a good configuration");
    let mut client = client(&trusting(certificate));
    let mut wire = Vec::with_capacity(1 << 16);
    allocations::left_out(|| {
        while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
            pass(&mut client, &mut server, &mut wire);
            pass(&mut server, &mut client, &mut wire);
        }
    });
    let (payload, mut opened) = ([7; PAYLOAD + 4], [0; 1 << 14]);
    let mut exchange = |bursts: usize, burst: usize| {
        let before = allocations::count();
        for _ in 0..bursts {
            allocations::left_out(|| {
                for _ in 0..burst {
                    client.writer().write_all(&payload).expect("open");
                    client.write_tls(&mut wire).expect("there is room");
                }
            });
            let mut rest = wire.as_slice();
            while !rest.is_empty() {
                server.read_tls(&mut rest).expect("records");
                server.process_new_packets().expect("records");
                while server.reader().read(&mut opened).is_ok_and(|length| length > 0) {}
            }
            wire.clear();
            for _ in 0..burst {
                server.writer().write_all(&payload).expect("open");
                server.write_tls(&mut wire).expect("there is room");
            }
            allocations::left_out(|| {
                let mut rest = wire.as_slice();
                while !rest.is_empty() {
                    client.read_tls(&mut rest).expect("records");
                    client.process_new_packets().expect("records");
                    while client.reader().read(&mut opened).is_ok_and(|length| length > 0) {}
                }
            });
            wire.clear();
        }
        (allocations::count() - before) as f64 / (2 * bursts * burst) as f64
    };
    exchange(WARM_UP, 1);
    exchange(WARM_UP, BURST);
    f64::midpoint(exchange(packets, 1), exchange(packets / BURST, BURST))
}

/// Takes what one side has to say to the other.
fn pass<A, B>(from: &mut ConnectionCommon<A>, to: &mut ConnectionCommon<B>, wire: &mut Vec<u8>) {
    while from.wants_write() {
        from.write_tls(wire).expect("there is room");
    }
    let mut rest = wire.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest).expect("records");
        to.process_new_packets().expect("records");
    }
    wire.clear();
}

/// A client with a channel to the peer, and its relayed address.
fn connect(
    server: SocketAddr,
    peer: SocketAddr,
    over_tls: Option<&Arc<ClientConfig>>,
) -> (Box<dyn Stream>, SocketAddr) {
    let tcp = TcpStream::connect(server).expect("it listens");
    tcp.set_nodelay(true).expect("connected");
    tcp.set_read_timeout(Some(Duration::from_secs(10))).expect("not zero");
    let mut stream: Box<dyn Stream> = match over_tls {
        Some(trusting) => Box::new(StreamOwned::new(client(trusting), tcp)),
        None => Box::new(tcp),
    };
    let mut turn = Client::new(NAME, NAME, [3; 8]);
    let relayed = ask(&mut stream, &mut turn, Ask::Allocate).relayed.expect("a relayed address");
    ask(&mut stream, &mut turn, Ask::Bind { channel: CHANNEL, peer });
    (stream, relayed)
}

fn ask(stream: &mut impl Stream, turn: &mut Client, ask: Ask) -> Grant {
    let mut packet = turn.ask(ask);
    loop {
        stream.write_all(&packet).expect("connected");
        let mut frame = vec![0; 4];
        stream.read_exact(&mut frame).expect("an answer");
        let length = stream_frame_length(&frame).expect("TURN").expect("a whole header");
        frame.resize(length, 0);
        stream.read_exact(&mut frame[4..]).expect("an answer");
        match turn.hear(&frame) {
            Heard::Granted(grant) => return grant,
            Heard::Again(again) => packet = again,
            Heard::Refused(code) => panic!("{ask:?} was refused with {code}"),
            Heard::Data { .. } | Heard::Other => {}
        }
    }
}

fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a good name");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Certificate { chain: vec![made.cert.der().clone()], key: PrivateKeyDer::Pkcs8(key) }
}

fn trusting(certificate: &Certificate) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.chain[0].clone()).expect("well formed");
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider has them");
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

fn client(trusting: &Arc<ClientConfig>) -> ClientConnection {
    let name = "localhost".try_into().expect("a name");
    ClientConnection::new(Arc::clone(trusting), name).expect("a good configuration")
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}
