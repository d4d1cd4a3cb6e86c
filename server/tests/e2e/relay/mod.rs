//! The relay of the real binary: alone, beside the rest, on the port of HTTP, and while its
//! secrets and certificates change.

mod balancer;
pub(crate) mod client;
mod doctor;
mod operating;
mod rotation;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use confer_protocol::client::Request;
use confer_protocol::server::{IceServer, Reply};
use confer_turn_core::client::Ask;
use confer_turn_core::credentials::ephemeral_password;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::client::Person;
use crate::process::{Confer, Setup};
use client::{Caller, LOOPBACK, echo};

const SECRET: &str = "a secret of thirty-two bytes or more";
const USER: &str = "4000000000:alice";

/// A relay and nothing else, with a secret of the test's.
struct Alone {
    setup: Setup,
    dir: tempfile::TempDir,
}

impl Alone {
    fn new(arguments: &[&str]) -> Self {
        let alone = ["--roles=turn", "--set=turn.allowed-peers=127.0.0.0/8"];
        Self::with(&[&alone, arguments].concat())
    }

    /// In company, for once: all roles, unless the arguments say otherwise.
    fn with(arguments: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        std::fs::write(dir.path().join("secret"), SECRET).expect("kept");
        let mut setup = Setup::private()
            .argument(&format!("--set=turn.secret-file={}/secret", dir.path().display()));
        for argument in arguments {
            setup = setup.argument(argument);
        }
        Self { setup, dir }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

fn http(confer: &Confer) -> SocketAddr {
    SocketAddr::new(LOOPBACK, confer.port())
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).expect("it was just made")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_alone_needs_no_database_and_says_what_it_does() {
    let mut alone = Alone::new(&[]);
    let confer = alone.setup.start();
    assert!(!alone.setup.data_dir().join("postgres").exists());

    let password = ephemeral_password(SECRET, USER);
    let peer = echo().await;
    let mut udp = Caller::udp(confer.relay(), USER, &password).await;
    udp.reach(peer).await.expect("an allocation");
    assert!(udp.echoes(b"over udp").await);
    let mut tcp = Caller::tcp(confer.relay(), USER, &password).await;
    tcp.reach(peer).await.expect("an allocation");
    assert!(tcp.echoes(b"over tcp").await);
    let mut guessing = Caller::udp(confer.relay(), USER, "wrong").await;
    assert_eq!(guessing.ask(Ask::Allocate).await, Err(401));

    let get = async |path: &str| {
        let answer = reqwest::get(format!("{}{path}", confer.url)).await.expect("it answers");
        answer.text().await.expect("a text")
    };
    assert_eq!(get("/readyz").await, "ready\n");
    let metrics = get("/metrics").await;
    assert!(metrics.contains("confer_turn_allocations 2\n"), "{metrics}");
    assert!(metrics.contains("confer_turn_allocated_total{transport=\"tcp\"} 1\n"), "{metrics}");
    assert!(metrics.contains("confer_turn_challenges_total 3\n"), "{metrics}");
    assert!(metrics.contains("confer_turn_refused_total{code=\"401\"} 1\n"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_own_services_and_metadata_are_no_peers_whatever_is_allowed() {
    let mut alone = Alone::new(&["--set=turn.allowed-peers=127.0.0.0/8,169.254.0.0/16"]);
    let confer = alone.setup.start();
    let password = ephemeral_password(SECRET, USER);
    let mut client = Caller::udp(confer.relay(), USER, &password).await;
    client.ask(Ask::Allocate).await.expect("an allocation");
    let bind = |peer| Ask::Bind { channel: 0x4000, peer };
    assert_eq!(client.ask(bind(http(&confer))).await, Err(403));
    assert_eq!(client.ask(bind(confer.relay())).await, Err(403));
    let metadata = "169.254.169.254:80".parse().expect("a literal");
    assert_eq!(client.ask(bind(metadata)).await, Err(403));
    let private = "10.0.0.1:9".parse().expect("a literal");
    assert_eq!(client.ask(bind(private)).await, Err(403));
    client.ask(bind(echo().await)).await.expect("allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_carries_http_and_turn_with_and_without_tls() {
    let mut plain = Alone::new(&[]);
    let confer = plain.setup.start();
    let password = ephemeral_password(SECRET, USER);
    let peer = echo().await;
    let mut client = Caller::tcp(http(&confer), USER, &password).await;
    client.reach(peer).await.expect("an allocation");
    assert!(client.echoes(b"beside http").await);
    assert!(
        reqwest::get(format!("{}/healthz", confer.url)).await.expect("http").status().is_success()
    );

    let mut encrypted = Alone::new(&["--tls=self-signed"]);
    let confer = encrypted.setup.start();
    let shown = certificate(&encrypted.setup.data_dir().join("tls/self-signed.crt"));
    for alpn in [&["stun.turn"][..], &[][..]] {
        let trusted = [shown.clone()];
        let (mut client, _) = Caller::tls(http(&confer), &trusted, alpn, (USER, &password)).await;
        client.reach(peer).await.expect("an allocation");
        assert!(client.echoes(b"beside https").await);
    }
    // TURN without TLS gets through there as well.
    let mut client = Caller::tcp(http(&confer), USER, &password).await;
    client.reach(peer).await.expect("an allocation");
    let mut https = client::tls(http(&confer), &[shown], &["http/1.1"]).await;
    let request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    https.write_all(request.as_bytes()).await.expect("connected");
    let mut answer = Vec::new();
    // Some clients are not told the end of TLS; what was answered counts.
    let _ = https.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
}

/// The relay's credentials as joining a room brings them.
fn credentials(servers: &[IceServer]) -> (String, String) {
    let server = servers.first().expect("there is a relay");
    let known = |text: &Option<String>| text.clone().expect("relays have credentials");
    (known(&server.username), known(&server.credential))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_may_relay_and_who_is_removed_or_logs_out_may_not() {
    let mut setup = Setup::private().argument("--set=turn.allowed-peers=127.0.0.0/8");
    let confer = setup.start();
    let alice = Person::register(&confer.url, "alice").await;
    let room = alice.create_room("Kitchen").await;
    let bob = alice.invite_guest(room.id, "bob").await;

    let mut allocated = Vec::new();
    let mut sockets = Vec::new();
    let peer = echo().await;
    for person in [&alice, &bob] {
        let mut socket = person.connect().await.expect("a good token");
        let joined = socket.granted(Request::Join { room: room.id }).await;
        let Reply::Join(joined) = joined else { panic!("a seat") };
        let urls = &joined.ice_servers[0].urls;
        let udp = format!("turn:127.0.0.1:{}?transport=udp", confer.relay().port());
        assert!(urls.contains(&udp), "{urls:?}");
        let shared = format!("turn:127.0.0.1:{}?transport=tcp", confer.port());
        assert!(urls.contains(&shared), "{urls:?}");
        let (user, password) = credentials(&joined.ice_servers);
        let mut client = Caller::udp(confer.relay(), &user, &password).await;
        client.reach(peer).await.expect("an allocation");
        allocated.push(client);
        sockets.push((socket, joined.participant));
    }
    let [alices, bobs] = allocated.try_into().ok().expect("two of them");
    let (mut alices, mut bobs): (Caller, Caller) = (alices, bobs);
    assert!(alices.echoes(b"still here").await && bobs.echoes(b"here too").await);

    let (_, participant) = sockets[1];
    sockets[0].0.granted(Request::Remove { participant }).await;
    wait_until_gone(&mut bobs).await;
    assert!(alices.echoes(b"not removed").await);
    alice.log_out().await;
    wait_until_gone(&mut alices).await;
    // Her credentials expire in hours; they are of no use any more.
    assert_eq!(alices.ask(Ask::Allocate).await, Err(403));
}

/// Asks until there is no allocation to refresh: it ends soon, but not before the answer.
async fn wait_until_gone(client: &mut Caller) {
    for _ in 0..1000 {
        if client.ask(Ask::Refresh { seconds: 600 }).await == Err(437) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the allocation is still there");
}
