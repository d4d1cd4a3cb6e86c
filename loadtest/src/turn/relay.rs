//! A relay as a process of its own, and what it used of the processor.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::ValueEnum;
use confer_turn_core::client::{Ask, Client, Heard};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

pub(super) const USER: &str = "bench";
pub(super) const PASSWORD: &str = "bench";
const START_LIMIT: Duration = Duration::from_secs(20);
const INSTALL: &str = "coturn's `turnserver` is not installed; on Debian and Ubuntu: \
                       sudo apt-get install -y --no-install-recommends coturn";

/// What the client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    Udp,
    Tcp,
    Tls,
}

/// Which relay.
pub(super) enum Kind {
    Confer(PathBuf),
    Coturn,
}

/// A running relay. It ends with this.
pub(super) struct Relay {
    child: Child,
    /// Where it speaks UDP and TCP.
    pub(super) address: SocketAddr,
    /// Where it speaks TLS.
    encrypted: SocketAddr,
    /// Trusts its certificate.
    pub(super) trusting: Arc<ClientConfig>,
    _dir: tempfile::TempDir,
}

impl Relay {
    pub(super) fn start(kind: &Kind) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let (address, mut encrypted) = (free_address()?, free_address()?);
        let port = address.port();
        let (certificate, key) = (dir.path().join("certificate.pem"), dir.path().join("key.pem"));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
        let mut command = match kind {
            Kind::Confer(binary) => {
                // TCP and TLS share its port.
                encrypted = address;
                let users = dir.path().join("users.toml");
                fs::write(&users, format!("{USER} = \"{PASSWORD}\"\n"))?;
                let mut command = Command::new(binary);
                command.env_clear().args(["serve", "--roles", "turn", "--listen", "127.0.0.1:0"]);
                command.arg("--data-dir").arg(dir.path().join("data"));
                for set in [
                    format!("turn.listen={address}"),
                    "turn.transports=udp,tcp,tls".to_owned(),
                    "tls.mode=files".to_owned(),
                    format!("tls.certificate-file={}", certificate.display()),
                    format!("tls.key-file={}", key.display()),
                    "turn.threads=1".to_owned(),
                    "turn.relay-addresses=127.0.0.1".to_owned(),
                    "turn.relay-ports=30000-49999".to_owned(),
                    "turn.allowed-peers=127.0.0.0/8".to_owned(),
                    format!("turn.users-file={}", users.display()),
                ] {
                    command.arg("--set").arg(set);
                }
                command
            }
            Kind::Coturn => {
                let at = |name: &str| dir.path().join(name);
                let text = format!(
                    "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port={port}\n\
                     tls-listening-port={}\ncert={}\npkey={}\n\
                     min-port=30000\nmax-port=49999\nlt-cred-mech\nuser={USER}:{PASSWORD}\n\
                     realm=bench.local\nno-dtls\nno-cli\nallow-loopback-peers\n\
                     relay-threads=1\nno-stdout-log\nsimple-log\nlog-file={}\npidfile={}\n\
                     userdb={}\n",
                    encrypted.port(),
                    certificate.display(),
                    key.display(),
                    at("log").display(),
                    at("pid").display(),
                    at("db").display(),
                );
                fs::write(at("turn.conf"), text)?;
                let mut command = Command::new("turnserver");
                command.arg("-c").arg(at("turn.conf"));
                command
            }
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| match kind {
            Kind::Confer(binary) => format!(
                "{} cannot be started; build it (cargo build --release -p confer) or name it with \
                 --confer",
                binary.display()
            ),
            Kind::Coturn => INSTALL.to_owned(),
        })?;
        let trusting = trusting(made.cert.der().clone())?;
        let mut relay = Self { child, address, encrypted, trusting, _dir: dir };
        relay.wait_until_ready()?;
        Ok(relay)
    }

    pub(super) fn address_of(&self, transport: Transport) -> SocketAddr {
        match transport {
            Transport::Udp | Transport::Tcp => self.address,
            Transport::Tls => self.encrypted,
        }
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let mut client = Client::new(USER, PASSWORD, [1; 8]);
        let begun = Instant::now();
        let mut buffer = [0; 1500];
        while begun.elapsed() < START_LIMIT {
            if let Some(status) = self.child.try_wait()? {
                bail!("the relay ended while it started ({status})");
            }
            // One of its own for each try: coturn never answers where a packet came from before its
            // threads were there.
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.connect(self.address)?;
            socket.set_read_timeout(Some(Duration::from_millis(50)))?;
            // Where nobody listens yet, loopback says so at once.
            let request = client.ask(Ask::Binding);
            let asked = socket.send(&request).and_then(|_| socket.recv(&mut buffer));
            match asked {
                Ok(length) if matches!(client.hear(&buffer[..length]), Heard::Granted(_)) => {
                    return Ok(());
                }
                Ok(_) | Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
        bail!("the relay did not answer within {START_LIMIT:?}")
    }

    /// Processor time of all threads, in nanoseconds.
    pub(super) fn cpu_nanos(&self) -> anyhow::Result<u64> {
        let mut sum = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let nanos = text.split_whitespace().next().and_then(|nanos| nanos.parse::<u64>().ok());
            sum += nanos.context("schedstat begins with nanoseconds")?;
        }
        Ok(sum)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> io::Result<SocketAddr> {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn trusting(certificate: CertificateDer<'static>) -> anyhow::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

/// As coturn itself says it.
pub(super) fn coturn_version() -> String {
    let told = Command::new("turnserver").arg("--version").output();
    let told = told.map(|told| String::from_utf8_lossy(&told.stdout).trim().to_owned());
    told.unwrap_or_default().lines().last().unwrap_or_default().to_owned()
}
