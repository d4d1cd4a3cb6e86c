//! The doctor with relays inside the test, whose clocks and credentials are the test's.

use std::net::Ipv4Addr;
use std::time::Duration;

use confer_turn_core::{Credentials, PeerPolicy, Tenant};
use confer_turn_net::{Listener, RelayAddress};
use serde_json::Value;

use super::*;

const SECRET: &str = "a secret that both sides know";

fn ahead() -> u64 {
    crate::clock::unix_seconds() + 2 * 3600
}

/// What is found of a relay with this clock, by somebody with this secret: the checks.
async fn checks(unix_time: fn() -> u64, secret: &str) -> Vec<Value> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let allowed = vec!["127.0.0.0/8".parse().expect("a literal")];
    let tenant = Tenant {
        realm: "test".to_owned(),
        secrets: vec![SECRET.to_owned()],
        policy: PeerPolicy { allowed, ..PeerPolicy::default() },
        ..Tenant::default()
    };
    let core = confer_turn_core::Config {
        credentials: Credentials::new(vec![tenant]),
        nonce_secret: b"of this test".to_vec(),
        ..confer_turn_core::Config::default()
    };
    let (relay, running) = confer_turn_net::start(confer_turn_net::Config {
        listen: vec![Listener::plain(SocketAddr::new(loopback, 0))],
        relay: vec![RelayAddress { bind: loopback, external: loopback }],
        threads: 1,
        core,
        unix_time,
        ..confer_turn_net::Config::default()
    })
    .await
    .expect("loopback has free ports");

    let practice = Practice {
        login: Login::Secret { user: "alice".to_owned(), secret: secret.to_owned() },
        trust: Arc::new(Trust::read(None, None).expect("nothing is named")),
        patience: Duration::from_secs(5),
        family: None,
    };
    let report = Report::new(Form::Json);
    let mut doctor = Doctor { practice, report, resolved: BTreeMap::new() };
    let Asked(goals) = format!("turn:{}", relay.listening()[0]).parse().expect("a URL");
    doctor.look_at(&goals[0]).await;
    running.stop().await;
    let mut told = serde_json::to_value(&doctor.report).expect("it is text");
    match told["goals"][0]["places"][0]["checks"].take() {
        Value::Array(checks) => checks,
        other => panic!("a list: {other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_whose_clock_is_ahead_is_told_from_one_with_another_secret() {
    let says = |checks: &[Value]| checks.last().expect("a check")["says"].to_string();
    let wrong_clock = checks(ahead, SECRET).await;
    assert!(says(&wrong_clock).contains("clock is ahead"), "{wrong_clock:?}");
    for unix_time in [ahead, crate::clock::unix_seconds] {
        let wrong_secret = checks(unix_time, "another one").await;
        assert!(says(&wrong_secret).contains("does not take this secret"), "{wrong_secret:?}");
    }
    let good = checks(crate::clock::unix_seconds, SECRET).await;
    assert!(good.iter().all(|check| check["outcome"] == "good"), "{good:?}");
    assert_eq!(good.len(), 5);
}
