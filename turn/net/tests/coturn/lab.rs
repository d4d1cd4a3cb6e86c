//! One relay, one echoing peer, and coturn's clients as processes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use confer_turn_core::{ChannelRange, Credentials, PeerPolicy, Tenant, TenantLimits, Transport};
use confer_turn_net::{
    Certificate, Config, Listener, RelayAddress, Running, StatsSnapshot, TurnHandle, start,
};
use tokio::runtime::Runtime;

pub(crate) const SECRET: &str = "s3cr3t";
const USER: &str = "user";
const PASSWORD: &str = "secret";
const REALM: &str = "confer.test";
const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
/// Far more than any of the clients' runs takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
const INSTALL: &str = "coturn's clients are missing; type: \
                       sudo apt-get install -y --no-install-recommends coturn";

/// What differs between the tests.
pub(crate) struct Settings {
    pub(crate) client_v6: bool,
    /// The arguments say who the client is.
    pub(crate) anonymous: bool,
    pub(crate) allocations_per_user: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { client_v6: false, anonymous: false, allocations_per_user: 16 }
    }
}

pub(crate) struct Lab {
    settings: Settings,
    runtime: Runtime,
    turn: TurnHandle,
    running: Option<Running>,
    peer: Child,
    peer_port: u16,
}

/// What a client said about its run.
pub(crate) struct Run {
    pub(crate) success: bool,
    pub(crate) sent: Option<u32>,
    pub(crate) received: Option<u32>,
    pub(crate) output: String,
}

impl Lab {
    pub(crate) fn start(settings: Settings) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let config = config(&settings);
        let (turn, running) = runtime.block_on(start(config)).expect("loopback has free ports");
        let peer_port = free_port();
        let peer = Command::new("turnutils_peer")
            .args(["-p", &peer_port.to_string(), "-L", "127.0.0.1", "-L", "::1"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect(INSTALL);
        let lab = Self { settings, runtime, turn, running: Some(running), peer, peer_port };
        lab.await_peer();
        lab
    }

    /// Runs the client with these arguments, the server's place and the usual user.
    pub(crate) fn uclient(&self, arguments: &[&str]) -> Run {
        let server = self.server();
        let mut command = Command::new("timeout");
        command
            .args(["--kill-after=5", &PATIENCE.as_secs().to_string(), "turnutils_uclient"])
            .args(arguments)
            .args(["-p", &server.port().to_string(), "-r", &self.peer_port.to_string()]);
        if !self.settings.anonymous {
            command.args(["-u", USER, "-w", PASSWORD]);
        }
        command.arg(server.ip().to_string());
        let output = command.output().expect("coreutils has timeout");
        let text = [output.stdout, output.stderr].concat();
        let output_text = String::from_utf8_lossy(&text).into_owned();
        let total = output_text.lines().rev().find(|line| line.contains("tot_send_msgs"));
        let total = total.unwrap_or_default();
        Run {
            success: output.status.success(),
            sent: figure(total, "tot_send_msgs="),
            received: figure(total, "tot_recv_msgs="),
            output: output_text,
        }
    }

    /// Where the relay is reached.
    pub(crate) fn server(&self) -> SocketAddr {
        let wanted = if self.settings.client_v6 { V6 } else { V4 };
        let mut listening = self.turn.listening().iter();
        let server = listening.find(|address| address.ip() == wanted);
        *server.expect("both families are served")
    }

    pub(crate) fn stats(&self) -> StatsSnapshot {
        self.turn.stats()
    }

    pub(crate) fn allocations_total(&self) -> u64 {
        self.stats().allocations_total
    }

    /// The peer says nothing when it is ready, so it is asked until it answers.
    fn await_peer(&self) {
        let socket = UdpSocket::bind((V4, 0)).expect("a free port");
        let brief = Duration::from_millis(50);
        socket.set_read_timeout(Some(brief)).expect("not zero");
        let answered = (0..400).any(|_| {
            // Refused until the port is bound.
            let _ = socket.send_to(b"there?", (V4, self.peer_port));
            let answered = socket.recv_from(&mut [0; 16]).is_ok();
            if !answered {
                std::thread::park_timeout(brief);
            }
            answered
        });
        assert!(answered, "turnutils_peer does not echo");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // It ended by itself, or does now.
        let _ = self.peer.kill();
        let _ = self.peer.wait();
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop());
        }
    }
}

pub(crate) fn unix_time() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    since.as_secs()
}

fn config(settings: &Settings) -> Config {
    let loopback = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a literal"));
    let transports = vec![Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls];
    let listener =
        |ip| Listener { address: SocketAddr::new(ip, 0), transports: transports.clone() };
    let tenant = Tenant {
        realm: REALM.to_owned(),
        users: [(USER.to_owned(), PASSWORD.to_owned())].into(),
        secrets: vec![SECRET.to_owned()],
        limits: TenantLimits {
            allocations_per_user: settings.allocations_per_user,
            ..TenantLimits::default()
        },
        policy: PeerPolicy { allowed: loopback.to_vec(), ..PeerPolicy::default() },
        ..Tenant::default()
    };
    Config {
        listen: vec![listener(V4), listener(V6)],
        relay: [V4, V6].map(|ip| RelayAddress { bind: ip, external: ip }).to_vec(),
        relay_ports: 20_000..=32_000,
        certificate: Some(certificate()),
        core: confer_turn_core::Config {
            credentials: Credentials::new(vec![tenant]),
            nonce_secret: vec![7; 32],
            // Debian's client draws channel numbers from all of RFC 5766's range.
            channels: ChannelRange::Rfc5766,
            tcp_relay: true,
            ..confer_turn_core::Config::default()
        },
        unix_time,
        ..Config::default()
    }
}

fn certificate() -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a valid name");
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    Certificate { chain: vec![made.cert.der().clone()], key }
}

/// Free now; who asks takes it at once.
pub(crate) fn free_port() -> u16 {
    let socket = UdpSocket::bind((V4, 0)).expect("a free port");
    socket.local_addr().expect("it is bound").port()
}

/// The number after `name` in `line`.
fn figure(line: &str, name: &str) -> Option<u32> {
    let rest = line.split(name).nth(1)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
