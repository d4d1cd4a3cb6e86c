//! How the server and the sockets of single logins end.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;

use rustix::process::{Pid, Signal, kill_process};

use crate::client::Person;
use crate::process::Setup;

/// Reconnect, with jitter (`CloseCode::Drained`).
const DRAINED: u16 = 4000;
/// Do not reconnect (`CloseCode::Refused`).
const REFUSED: u16 = 4403;

#[tokio::test(flavor = "multi_thread")]
async fn a_polite_stop_tells_every_socket_and_ends_with_zero() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut setup = Setup::private();
        let confer = setup.start();
        let alice = Person::register(&confer.url, "alice").await;
        let mut socket = alice.connect().await.expect("a good token");

        confer.signal(signal);
        assert_eq!(socket.closed().await, Some(DRAINED));
        let status = confer.wait();
        assert_eq!(status.code(), Some(0), "{}", confer.log());
        // Everything was let go: the port is free and the next start finds no lock.
        TcpListener::bind(("127.0.0.1", confer.port())).expect("the port is free");
        drop(setup.start());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_closes_the_sockets_of_that_login_and_of_no_other() {
    let mut setup = Setup::private();
    let confer = setup.start();
    let alice = Person::register(&confer.url, "alice").await;
    let elsewhere = alice.log_in_again().await;
    let mut socket = alice.connect().await.expect("a good token");
    let mut other = elsewhere.connect().await.expect("a good token");

    alice.log_out().await;
    assert_eq!(socket.closed().await, Some(REFUSED));
    other.granted(confer_protocol::client::Request::Ping).await;
}

#[test]
fn a_private_database_that_dies_ends_the_server_with_the_reason() {
    let mut setup = Setup::private();
    let confer = setup.start();
    let file = setup.data_dir().join("postgres/cluster/postmaster.pid");
    let text = std::fs::read_to_string(file).expect("it runs");
    let pid = text.lines().next().and_then(|line| line.parse().ok()).and_then(Pid::from_raw);
    kill_process(pid.expect("the first line is its process id"), Signal::KILL).expect("ours");

    assert_eq!(confer.wait().code(), Some(1));
    let log = confer.log();
    assert!(log.contains("the private database ended by itself"), "{log}");
    drop(setup.start());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_can_be_interrupted() {
    let mut setup = Setup::private();
    let confer = setup.start();
    confer.signal(Signal::TERM);
    confer.signal(Signal::TERM);
    let status = confer.wait();
    assert!(status.code().is_some() && status.signal().is_none(), "{status}");
    drop(setup.start());
}
