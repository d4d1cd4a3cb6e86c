//! The relay against the clients of coturn and OpenSSL, which nobody here wrote.
//!
//! Every test starts a relay inside the test on free loopback ports, a `turnutils_peer` that echoes,
//! and one `turnutils_uclient` with the arguments under test, and compares what the client says it
//! sent with what it says came back.

mod discovery;
mod lab;
mod openssl;

use confer_turn_core::credentials::ephemeral_password;
use lab::{Lab, SECRET, Settings};

/// The client's lines of a run in which nothing was lost.
fn nothing_lost(lab: &Lab, arguments: &[&str], messages: u32) {
    let run = lab.uclient(arguments);
    assert_eq!((run.sent, run.received), (Some(messages), Some(messages)), "{}", run.output);
    assert!(run.success, "{}", run.output);
}

#[test]
fn udp_clients_relay_through_channels() {
    let lab = Lab::start(Settings::default());
    nothing_lost(&lab, &["-n", "50", "-m", "2", "-l", "170", "-e", "127.0.0.1", "-X", "-g"], 100);
}

#[test]
fn udp_clients_relay_through_send_indications() {
    let lab = Lab::start(Settings::default());
    nothing_lost(&lab, &["-s", "-n", "50", "-m", "2", "-e", "127.0.0.1", "-X", "-g"], 100);
}

#[test]
fn a_pair_of_ports_is_reserved_and_used() {
    let lab = Lab::start(Settings::default());
    // Without -c the client asks for an even port and the next one.
    nothing_lost(&lab, &["-n", "20", "-m", "1", "-e", "127.0.0.1", "-X", "-g"], 40);
}

#[test]
fn clients_over_tcp_relay_over_udp() {
    let lab = Lab::start(Settings::default());
    nothing_lost(&lab, &["-t", "-n", "50", "-m", "2", "-e", "127.0.0.1", "-X", "-g"], 100);
}

#[test]
fn clients_over_tls_relay_over_udp() {
    let lab = Lab::start(Settings::default());
    nothing_lost(&lab, &["-t", "-S", "-n", "50", "-m", "2", "-e", "127.0.0.1", "-X", "-g"], 100);
}

#[test]
fn clients_over_dtls_relay_over_udp() {
    let lab = Lab::start(Settings::default());
    nothing_lost(&lab, &["-S", "-n", "50", "-m", "2", "-e", "127.0.0.1", "-X", "-g"], 100);
}

#[test]
fn clients_over_dtls_and_ipv6_relay_over_both_families() {
    let lab = Lab::start(Settings { client_v6: true, ..Settings::default() });
    nothing_lost(&lab, &["-S", "-n", "50", "-m", "2", "-e", "127.0.0.1", "-X", "-g"], 100);
    nothing_lost(&lab, &["-S", "-x", "-n", "50", "-m", "2", "-e", "::1", "-g"], 100);
}

#[test]
fn two_clients_reach_each_other_by_their_relayed_addresses() {
    let lab = Lab::start(Settings::default());
    nothing_lost(&lab, &["-y", "-c", "-X", "-n", "50", "-m", "2"], 100);
}

#[test]
fn tcp_allocations_carry_streams_between_clients() {
    let lab = Lab::start(Settings::default());
    nothing_lost(&lab, &["-T", "-X", "-n", "50", "-m", "2"], 100);
}

#[test]
fn tcp_allocations_carry_streams_between_clients_over_tls() {
    let lab = Lab::start(Settings::default());
    nothing_lost(&lab, &["-T", "-S", "-X", "-n", "50", "-m", "2"], 100);
}

#[test]
fn a_client_over_ipv6_relays_over_ipv4() {
    let lab = Lab::start(Settings { client_v6: true, ..Settings::default() });
    nothing_lost(&lab, &["-n", "50", "-m", "2", "-e", "127.0.0.1", "-X", "-g"], 100);
}

#[test]
fn a_client_over_ipv6_relays_over_ipv6() {
    let lab = Lab::start(Settings { client_v6: true, ..Settings::default() });
    nothing_lost(&lab, &["-x", "-n", "50", "-m", "2", "-e", "::1", "-g"], 100);
}

#[test]
fn a_client_over_ipv4_relays_over_ipv6() {
    let lab = Lab::start(Settings::default());
    nothing_lost(&lab, &["-x", "-n", "50", "-m", "2", "-e", "::1", "-g"], 100);
}

#[test]
fn a_client_moves_with_its_allocation() {
    let lab = Lab::start(Settings::default());
    nothing_lost(&lab, &["-M", "-n", "50", "-m", "2", "-e", "127.0.0.1", "-X", "-g"], 100);
}

#[test]
fn a_client_derives_an_ephemeral_password_from_the_secret() {
    let lab = Lab::start(Settings { anonymous: true, ..Settings::default() });
    let arguments =
        ["-W", SECRET, "-u", "alice", "-n", "20", "-m", "1", "-e", "127.0.0.1", "-X", "-g"];
    nothing_lost(&lab, &arguments, 40);
}

#[test]
fn an_ephemeral_credential_is_good_until_it_expires() {
    let lab = Lab::start(Settings { anonymous: true, ..Settings::default() });
    let arguments = |name: &str| {
        let password = ephemeral_password(SECRET, name);
        let common = ["-n", "20", "-m", "1", "-e", "127.0.0.1", "-X", "-c", "-g"];
        let named = ["-u", name, "-w", &password].map(str::to_owned);
        common.map(str::to_owned).into_iter().chain(named).collect::<Vec<String>>()
    };
    let live = arguments(&format!("{}:carol", lab::unix_time() + 600));
    let live: Vec<&str> = live.iter().map(String::as_str).collect();
    nothing_lost(&lab, &live, 20);

    let before = lab.allocations_total();
    let expired = arguments(&format!("{}:carol", lab::unix_time() - 60));
    let expired: Vec<&str> = expired.iter().map(String::as_str).collect();
    let run = lab.uclient(&expired);
    assert!(!run.success, "{}", run.output);
    assert_eq!(lab.allocations_total(), before);
}

#[test]
fn who_has_as_many_allocations_as_allowed_is_told_so() {
    let lab = Lab::start(Settings { allocations_per_user: 3, ..Settings::default() });
    let run = lab.uclient(&["-n", "5", "-m", "8", "-c", "-e", "127.0.0.1", "-X", "-g"]);
    assert!(!run.success, "{}", run.output);
    assert!(run.output.contains("486"), "{}", run.output);
    assert_eq!(lab.allocations_total(), 3);
}

#[test]
fn a_wrong_password_gets_nothing() {
    let lab = Lab::start(Settings { anonymous: true, ..Settings::default() });
    let run = lab.uclient(&["-u", "user", "-w", "wrong", "-n", "1", "-e", "127.0.0.1", "-X", "-c"]);
    assert!(!run.success, "{}", run.output);
    assert_eq!(lab.allocations_total(), 0);
}

#[test]
fn a_hundred_clients_at_once_lose_nothing() {
    let lab = Lab::start(Settings { allocations_per_user: 200, ..Settings::default() });
    let arguments =
        ["-m", "100", "-n", "100", "-z", "20", "-l", "170", "-c", "-e", "127.0.0.1", "-X"];
    nothing_lost(&lab, &arguments, 10_000);
}

#[test]
fn five_hundred_clients_at_once_lose_nothing() {
    let lab = Lab::start(Settings { allocations_per_user: 1000, ..Settings::default() });
    let arguments =
        ["-m", "500", "-n", "10", "-z", "20", "-l", "170", "-c", "-e", "127.0.0.1", "-X"];
    nothing_lost(&lab, &arguments, 5_000);
}
