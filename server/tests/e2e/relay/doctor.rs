//! `confer doctor turn`, with relays of ours and of others, and with what is none.

use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use confer_turn_core::credentials::ephemeral_password;
use serde_json::Value;

use super::{Alone, LOOPBACK, SECRET, http};
use crate::process::{Confer, output};

/// Relays on loopback to itself.
const OWN: &str = "--set=turn.relay-addresses=127.0.0.1";

/// What it printed, and whether it is content.
fn examined(alone: &Alone, arguments: &[&str]) -> (String, Option<i32>) {
    let mut command = alone.setup.command(&[&["doctor", "turn"][..], arguments].concat());
    command.env("CONFER_TURN_PASSWORD", "not the right one");
    let Output { status, stdout, stderr } = output(command);
    let text = [stdout, stderr].concat();
    (String::from_utf8_lossy(&text).into_owned(), status.code())
}

fn url(scheme: &str, confer: &Confer, transport: &str) -> String {
    format!("{scheme}:localhost:{}?transport={transport}", confer.relay().port())
}

fn secret(alone: &Alone) -> String {
    format!("--secret-file={}", alone.file("secret").display())
}

fn self_signed(alone: &Alone) -> String {
    let path = alone.setup.data_dir().join("tls/self-signed.crt");
    format!("--ca={}", path.display())
}

/// The lines about a step.
fn about<'a>(text: &'a str, step: &str) -> Vec<&'a str> {
    let named = |line: &&str| line.get(19..).is_some_and(|rest| rest.starts_with(step));
    text.lines().filter(named).collect()
}

#[test]
fn a_good_relay_is_found_good_on_every_transport_and_nothing_is_left_behind() {
    let transports = "--set=turn.transports=udp,tcp,tls,dtls";
    let mut alone = Alone::new(&[OWN, "--tls=self-signed", transports]);
    let confer = alone.setup.start();
    let urls = [("turn", "udp"), ("turn", "tcp"), ("turns", "tcp"), ("turns", "udp")];
    let urls = urls.map(|(scheme, transport)| url(scheme, &confer, transport));
    let shared = format!("turns:localhost:{}", confer.port());
    let stun = format!("stun:127.0.0.1:{}", confer.relay().port());
    let (secret, ca) = (secret(&alone), self_signed(&alone));
    let mut arguments = vec![secret.as_str(), ca.as_str(), shared.as_str(), stun.as_str()];
    arguments.extend(urls.iter().map(String::as_str));
    let (text, code) = examined(&alone, &arguments);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(about(&text, "binding").len(), 6, "{text}");
    assert!(about(&text, "binding").iter().all(|line| line.contains("no NAT")), "{text}");
    for step in ["allocate", "peer", "relay", "release"] {
        assert_eq!(about(&text, step).len(), 5, "{text}");
        assert!(about(&text, step).iter().all(|line| line.starts_with("  ok ")), "{text}");
    }
    assert_eq!(about(&text, "certificate").len(), 3, "{text}");
    assert_eq!(text.matches("ALPN stun.turn").count(), 2, "{text}");
    for sentence in ["UDP (", "TCP (", "TLS (", "DTLS ("] {
        let works = |line: &str| line.starts_with(sentence) && line.ends_with("works.");
        assert!(text.lines().any(works), "{text}");
    }
    let sessions = output(alone.setup.command(&["turn", "sessions"]));
    assert_eq!(sessions.stdout, b"There are no allocations.\n");
}

#[test]
fn the_report_as_json_has_every_step_with_its_outcome_and_time() {
    let mut alone = Alone::new(&[OWN]);
    let confer = alone.setup.start();
    let (udp, secret) = (url("turn", &confer, "udp"), secret(&alone));
    let (text, code) = examined(&alone, &[&udp, &secret, "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let told: Value = serde_json::from_str(&text).expect("one object and nothing else");
    assert_eq!(told["works"], true);
    assert_eq!(told["names"][0]["host"], "localhost");
    assert_eq!(told["names"][0]["says"], "127.0.0.1");
    let goal = &told["goals"][0];
    assert_eq!((goal["transport"].as_str(), goal["works"].as_bool()), (Some("udp"), Some(true)));
    let place = &goal["places"][0];
    assert_eq!(place["address"], confer.relay().to_string());
    assert_eq!(place["url"], udp);
    let checks = place["checks"].as_array().expect("a list");
    let steps: Vec<&str> = checks.iter().filter_map(|check| check["step"].as_str()).collect();
    assert_eq!(steps, ["binding", "allocate", "peer", "relay", "release"]);
    for check in checks {
        assert_eq!(check["outcome"], "good", "{check}");
        assert!(check["milliseconds"].is_f64() && check["says"].is_string(), "{check}");
        assert!(check.get("means").is_none() && check.get("next").is_none(), "{check}");
    }
    assert!(told["summary"].as_str().is_some_and(|told| told.contains("works")), "{told}");
}

#[test]
fn a_wrong_password_an_expired_credential_and_a_wrong_secret_are_told_apart() {
    let mut alone = Alone::new(&[OWN]);
    let confer = alone.setup.start();
    let udp = url("turn", &confer, "udp");
    // The password is that of the environment.
    let (text, code) = examined(&alone, &[&udp, "--user", "alice"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("401: user name or password is wrong"), "{text}");

    let password = ephemeral_password(SECRET, "1000000000:alice");
    let file = alone.file("password");
    std::fs::write(&file, password).expect("kept");
    let file = format!("--password-file={}", file.display());
    let (text, code) = examined(&alone, &[&udp, "--user", "1000000000:alice", &file]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("401: the credential expired"), "{text}");

    let other = alone.file("other");
    std::fs::write(&other, "another secret of thirty-two bytes or more").expect("kept");
    let other = format!("--secret-file={}", other.display());
    let (text, code) = examined(&alone, &[&udp, &other]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("401: the server does not take this secret"), "{text}");

    // Whoever gives nothing learns that a relay is there.
    let (text, code) = examined(&alone, &[&udp]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("credentials are wanted (realm \"confer\")"), "{text}");
    assert!(text.trim_end().ends_with("answers."), "{text}");
}

#[test]
fn udp_that_nobody_answers_is_most_likely_a_firewall() {
    let alone = Alone::new(&[]);
    let silent = UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
    let port = silent.local_addr().expect("it is bound").port();
    let udp = format!("turn:127.0.0.1:{port}");
    let (text, code) = examined(&alone, &[&udp, "--timeout=1200ms"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&format!("drops UDP to port {port}")), "{text}");
    // It asked at once and after 500 ms, and not a third time (RFC 8489, section 6.2.1).
    silent.set_nonblocking(true).expect("our own socket");
    let mut buffer = [0; 1500];
    let mut asked = 0;
    while let Ok(length) = silent.recv(&mut buffer) {
        assert_eq!(length, 20, "a Binding request");
        asked += 1;
    }
    assert_eq!(asked, 2);
}

#[test]
fn a_closed_port_and_a_silent_one_over_tcp_are_told_apart() {
    let alone = Alone::new(&[]);
    let listener = TcpListener::bind((LOOPBACK, 0)).expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    let tcp = format!("turn:127.0.0.1:{port}?transport=tcp");
    let (text, code) = examined(&alone, &[&tcp, "--timeout=300ms"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("does not speak TURN"), "{text}");
    drop(listener);
    let (text, code) = examined(&alone, &[&tcp, "--timeout=300ms"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains(&format!("nothing listens at TCP port {port}")), "{text}");
}

#[test]
fn a_self_signed_certificate_fails_and_gets_no_credentials() {
    let mut alone = Alone::new(&[OWN, "--tls=self-signed", "--set=turn.transports=tls,dtls"]);
    let confer = alone.setup.start();
    for transport in ["tcp", "udp"] {
        let tls = url("turns", &confer, transport);
        let (text, code) = examined(&alone, &[&tls, &secret(&alone)]);
        assert_eq!(code, Some(1), "{text}");
        let certificate = about(&text, "certificate");
        assert!(certificate[0].starts_with("  FAIL"), "{text}");
        assert!(certificate[0].contains("self-signed") && text.contains("--ca FILE"), "{text}");
        // What stands behind is looked at, but nobody is told who asks.
        assert!(about(&text, "binding")[0].starts_with("  ok"), "{text}");
        assert!(about(&text, "allocate")[0].starts_with("  - "), "{text}");
        assert!(about(&text, "relay").is_empty(), "{text}");
    }
}

#[test]
fn a_web_server_is_known_for_what_it_is() {
    let mut alone = Alone::new(&["--set=turn.share-http-port=false"]);
    let confer = alone.setup.start();
    let tcp = format!("turn:{}?transport=tcp", http(&confer));
    let (text, code) = examined(&alone, &[&tcp, "--timeout=2s"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("a web server answers here"), "{text}");
    let tls = format!("turns:{}", http(&confer));
    let (text, code) = examined(&alone, &[&tls, "--timeout=2s"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("does not speak TLS"), "{text}");

    let mut encrypted = Alone::new(&["--set=turn.share-http-port=false", "--tls=self-signed"]);
    let confer = encrypted.setup.start();
    let tls = format!("turns:localhost:{}", confer.port());
    let (text, code) = examined(&encrypted, &[&tls, &self_signed(&encrypted), "--timeout=2s"]);
    assert_eq!(code, Some(1), "{text}");
    // It wants to hear of HTTP; without a name it lets us in, and is found out then.
    assert_eq!(about(&text, "handshake").len(), 2, "{text}");
    assert!(about(&text, "handshake")[0].contains("refuses the protocol name"), "{text}");
    assert!(text.contains("a web server answers here"), "{text}");
}

#[test]
fn a_policy_or_a_quota_that_keeps_packets_from_being_tried_is_a_warning() {
    let mut strict = Alone::new(&[OWN, "--set=turn.denied-peers=127.0.0.0/8"]);
    let confer = strict.setup.start();
    let (udp, file) = (url("turn", &confer, "udp"), secret(&strict));
    let (text, code) = examined(&strict, &[&udp, &file]);
    assert_eq!(code, Some(0), "{text}");
    assert!(about(&text, "peer")[0].starts_with("  - "), "{text}");
    assert!(about(&text, "relay")[0].starts_with("  warn"), "{text}");
    assert!(text.contains("turn.denied-peers") && text.contains("were not tried."), "{text}");

    let mut small = Alone::new(&[OWN, "--set=turn.allocations-per-user=1"]);
    let confer = small.setup.start();
    let (udp, file) = (url("turn", &confer, "udp"), secret(&small));
    let (text, code) = examined(&small, &[&udp, &file]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("turn.allocations-per-user"), "{text}");
}

#[test]
fn a_policy_that_opens_nothing_but_the_media_plane_is_not_taken_for_a_firewall() {
    let mut whole = Alone::with(&[OWN]);
    let confer = whole.setup.start();
    let (udp, file) = (url("turn", &confer, "udp"), secret(&whole));
    let (text, code) = examined(&whole, &[&udp, &file, "--timeout=600ms"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(about(&text, "relay")[0].starts_with("  warn"), "{text}");
    assert!(text.contains("turn.allowed-peers") && !text.contains("hairpinning"), "{text}");
}

#[test]
fn a_relay_that_names_an_address_it_is_not_at_reaches_neither_us_nor_itself() {
    let mut alone = Alone::new(&[OWN, "--set=turn.external-addresses=127.0.0.2"]);
    let confer = alone.setup.start();
    let (udp, file) = (url("turn", &confer, "udp"), secret(&alone));
    let (text, code) = examined(&alone, &[&udp, &file, "--timeout=600ms"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(about(&text, "peer")[0].starts_with("  warn"), "{text}");
    assert!(about(&text, "relay")[0].starts_with("  FAIL"), "{text}");
    assert!(text.contains("turn.relay-ports") && text.contains("hairpinning"), "{text}");
}

#[test]
fn a_relay_that_drains_is_told_with_where_it_sends_its_clients() {
    let mut alone = Alone::new(&["--set=turn.alternate-server=127.0.0.9:3478"]);
    let confer = alone.setup.start();
    assert!(output(alone.setup.command(&["turn", "drain"])).status.success());
    let (udp, file) = (url("turn", &confer, "udp"), secret(&alone));
    let (text, code) = examined(&alone, &[&udp, &file]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("confer doctor turn turn:127.0.0.9:3478"), "{text}");
}

#[test]
fn a_host_alone_is_good_when_each_transport_works_somewhere() {
    let mut alone = Alone::new(&[OWN, "--tls=self-signed"]);
    let confer = alone.setup.start();
    let host = format!("localhost:{}", confer.relay().port());
    let (text, code) = examined(&alone, &[&host, &secret(&alone), &self_signed(&alone)]);
    // DTLS is not served, and nobody asked for it by name.
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("is not served, nor need it be"), "{text}");
}

#[test]
fn what_cannot_be_asked_for_is_refused_before_anything_is_sent() {
    let alone = Alone::new(&[]);
    for (arguments, told) in [
        (&["turn://a.example"][..], "without `//`"),
        (&["turn:127.0.0.1", "--timeout=soon"], "a duration such as"),
        (&["turn:127.0.0.1", "--secret-file=/nowhere"], "cannot read /nowhere"),
        (&["turn:127.0.0.1", "--ca=/nowhere"], "cannot read certificates in /nowhere"),
        (&[], "required"),
    ] {
        let (text, code) = examined(&alone, arguments);
        assert_eq!(code, Some(2), "{text}");
        assert!(text.contains(told), "{text}");
    }
    assert!(!Path::new(&alone.setup.data_dir()).exists(), "nothing is made");
}

/// coturn's relay, which nobody here wrote, until it is dropped.
struct Coturn {
    process: Child,
    port: u16,
    tls_port: u16,
}

impl Coturn {
    /// With a certificate and with these arguments; it listens when this returns.
    fn start(dir: &Path, arguments: &[&str]) -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("a valid name");
        std::fs::write(dir.join("cert.pem"), made.cert.pem()).expect("kept");
        std::fs::write(dir.join("key.pem"), made.signing_key.serialize_pem()).expect("kept");
        let free = || UdpSocket::bind((LOOPBACK, 0)).expect("a free port");
        let (port, tls_port) = (free(), free());
        let number = |socket: UdpSocket| socket.local_addr().expect("it is bound").port();
        let (port, tls_port) = (number(port), number(tls_port));
        let file = |name: &str| dir.join(name).display().to_string();
        let mut command = Command::new("turnserver");
        command.args(["-n", "-L", "127.0.0.1", "-E", "127.0.0.1", "-m", "1", "-r", "coturn.test"]);
        command.args(arguments);
        command.args(["-p", &port.to_string(), "--tls-listening-port", &tls_port.to_string()]);
        command.args(["--cert", &file("cert.pem"), "--pkey", &file("key.pem")]);
        command.args(["--allow-loopback-peers", "--no-cli", "--log-file", &file("log")]);
        command.args(["--db", &file("db"), "--pidfile", &file("pid")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("coturn is installed: scripts/setup does it");
        let coturn = Self { process, port, tls_port };
        // It says nothing when it is ready, so it is tried until it lets somebody in.
        let listens = |port| TcpStream::connect((LOOPBACK, port)).is_ok();
        let ready = (0..400).any(|_| {
            let ready = listens(coturn.port) && listens(coturn.tls_port);
            if !ready {
                std::thread::park_timeout(Duration::from_millis(50));
            }
            ready
        });
        assert!(ready, "coturn does not listen");
        coturn
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        // It ended by itself, or does now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_relay_of_coturn_is_found_good_on_every_transport() {
    let alone = Alone::new(&[]);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let secrets = ["--use-auth-secret", "--static-auth-secret", SECRET];
    let coturn = Coturn::start(dir.path(), &secrets);
    let (secret, ca) = (secret(&alone), format!("--ca={}", dir.path().join("cert.pem").display()));
    let (plain, tls) = (coturn.port, coturn.tls_port);
    let urls = [
        format!("turn:localhost:{plain}?transport=udp"),
        format!("turn:localhost:{plain}?transport=tcp"),
        format!("turns:localhost:{tls}?transport=tcp"),
        format!("turns:localhost:{tls}?transport=udp"),
    ];
    let mut arguments = vec![secret.as_str(), ca.as_str()];
    arguments.extend(urls.iter().map(String::as_str));
    let (text, code) = examined(&alone, &arguments);
    assert_eq!(code, Some(0), "{text}");
    for step in ["binding", "allocate", "peer", "relay", "release"] {
        assert_eq!(about(&text, step).len(), 4, "{text}");
        assert!(about(&text, step).iter().all(|line| line.starts_with("  ok ")), "{text}");
    }
    assert!(!text.contains("  warn") && !text.contains("  FAIL"), "{text}");
}

#[test]
fn a_relay_that_asks_nobody_who_they_are_is_a_warning() {
    let alone = Alone::new(&[]);
    let dir = tempfile::tempdir().expect("a temporary directory");
    let coturn = Coturn::start(dir.path(), &["--no-auth"]);
    let udp = format!("turn:127.0.0.1:{}", coturn.port);
    let (text, code) = examined(&alone, &[&udp]);
    assert_eq!(code, Some(0), "{text}");
    assert!(about(&text, "allocate")[0].starts_with("  warn"), "{text}");
    assert!(text.contains("anybody may relay"), "{text}");
    assert!(about(&text, "relay")[0].starts_with("  ok"), "{text}");
}
