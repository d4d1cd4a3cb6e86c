//! A relay on free loopback ports, and peers for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use confer_turn_core::{Credentials, PeerPolicy, Tenant, TenantLimits};
use confer_turn_net::{
    Certificate, Config, Listener, RelayAddress, Running, StatsSnapshot, Transport, TurnHandle,
    start,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::UdpSocket;
use tokio_rustls::TlsConnector;

pub(crate) const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
pub(crate) const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
pub(crate) const REALM: &str = "confer.test";
pub(crate) const SECRET: &str = "s3cr3t";
pub(crate) const USER: &str = "4000000000:alice";
/// Far more than anything here takes; reached only when something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const ALL: [Transport; 4] =
    [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls];

/// A relay for both families of loopback, with a listener for each.
pub(crate) async fn relay(change: impl FnOnce(&mut Config)) -> (TurnHandle, Running) {
    let listener = |ip| Listener { address: SocketAddr::new(ip, 0), transports: ALL.to_vec() };
    let mut config = Config {
        listen: vec![listener(V4), listener(V6)],
        relay: [V4, V6].map(|ip| RelayAddress { bind: ip, external: ip }).to_vec(),
        relay_ports: 40_000..=59_999,
        certificate: Some(certificate("one")),
        core: confer_turn_core::Config {
            credentials: credentials(&[SECRET]),
            nonce_secret: vec![7; 32],
            tcp_relay: true,
            ..confer_turn_core::Config::default()
        },
        unix_time: || 1_000_000_000,
        ..Config::default()
    };
    change(&mut config);
    start(config).await.expect("loopback has free ports")
}

pub(crate) fn credentials(secrets: &[&str]) -> Credentials {
    credentials_with(secrets, TenantLimits::default())
}

pub(crate) fn credentials_with(secrets: &[&str], limits: TenantLimits) -> Credentials {
    let allowed = ["127.0.0.0/8", "::1/128"].map(|net| net.parse().expect("a literal"));
    Credentials::new(vec![Tenant {
        name: "default".to_owned(),
        realm: REALM.to_owned(),
        secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(),
        policy: PeerPolicy { allowed: allowed.to_vec(), ..PeerPolicy::default() },
        limits,
        ..Tenant::default()
    }])
}

/// A self-signed certificate for loopback, recognisable by a name of its own.
pub(crate) fn certificate(name: &str) -> Certificate {
    let names = vec!["localhost".to_owned(), format!("{name}.test")];
    let made = rcgen::generate_simple_self_signed(names).expect("good names");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    Certificate { chain: vec![made.cert.der().clone()], key: PrivateKeyDer::Pkcs8(key) }
}

/// Trusts these certificates and no others.
pub(crate) fn connector(trusted: &[&Certificate]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        let own: &CertificateDer<'static> = &certificate.chain[0];
        roots.add(own.clone()).expect("well formed");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"stun.turn".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// Answers every datagram with itself.
pub(crate) async fn echo(ip: IpAddr) -> SocketAddr {
    let socket = UdpSocket::bind((ip, 0)).await.expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&buffer[..length], from).await;
        }
    });
    address
}

/// Waits until the counters say so.
pub(crate) async fn until(handle: &TurnHandle, says: impl Fn(&StatsSnapshot) -> bool) {
    let waiting = async {
        while !says(&handle.stats()) {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    assert!(waited.is_ok(), "never happened: {:?}", handle.stats());
}
