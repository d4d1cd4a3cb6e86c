//! Certificates and secrets change under load, and nobody loses anything.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use confer_turn_core::client::Ask;
use confer_turn_core::credentials::ephemeral_password;
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;

use super::client::{Caller, echo};
use super::{Alone, SECRET, USER, certificate};
use crate::process::Confer;

/// Clients of each transport that relay all the time.
const CLIENTS: usize = 24;
const ROTATIONS: usize = 3;

/// Makes a certificate of its own and its key, in place of what was there.
fn make_certificate(dir: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a name");
    for (name, text) in
        [("key.pem", made.signing_key.serialize_pem()), ("cert.pem", made.cert.pem())]
    {
        let fresh = dir.join(format!("{name}.new"));
        std::fs::write(&fresh, text).expect("kept");
        std::fs::rename(fresh, dir.join(name)).expect("kept");
    }
    certificate(&dir.join("cert.pem"))
}

/// Waits until a change was taken (or refused), which the metrics page tells.
async fn reloaded(confer: &Confer, outcome: &str, times: usize) {
    let wanted = format!("confer_reloads_total{{outcome=\"{outcome}\"}} {times}\n");
    let url = format!("{}/metrics", confer.url);
    let client = reqwest::Client::new();
    for _ in 0..5000 {
        let page = client.get(&url).send().await.expect("it answers").text().await;
        if page.expect("a text").contains(&wanted) {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("no {outcome} reload");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_and_secrets_change_under_load_and_no_allocation_is_lost() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let first = make_certificate(dir.path());
    let at = |name: &str| dir.path().join(name);
    let old = format!("--set=turn.old-secret-files={}", at("old").display());
    let cert = format!("--tls-cert={}", at("cert.pem").display());
    let key = format!("--tls-key={}", at("key.pem").display());
    std::fs::write(at("old"), SECRET).expect("kept");
    let mut alone =
        Alone::new(&[&old, "--tls=files", &cert, &key, "--set=turn.allocations-per-user=100"]);
    let confer = alone.setup.start();
    let peer = echo().await;
    let password = ephemeral_password(SECRET, USER);

    // Load: every client sends and waits for its echo, again and again.
    let (stop, echoed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut running = Vec::new();
    for index in 0..2 * CLIENTS {
        let mut client = if index % 2 == 0 {
            Caller::udp(confer.relay(), USER, &password).await
        } else {
            let trusted = [first.clone()];
            let alpn = &["stun.turn"];
            Caller::tls(confer.relay(), &trusted, alpn, (USER, &password)).await.0
        };
        client.reach(peer).await.expect("an allocation");
        let (stop, echoed) = (Arc::clone(&stop), Arc::clone(&echoed));
        running.push(tokio::spawn(async move {
            let mut count: u64 = 0;
            while !stop.load(Ordering::Relaxed) {
                assert!(client.echoes(&count.to_be_bytes()).await, "a packet was lost");
                count += 1;
                echoed.fetch_add(1, Ordering::Relaxed);
            }
            client.ask(Ask::Refresh { seconds: 600 }).await.expect("it is still there");
        }));
    }

    let mut secret = SECRET.to_owned();
    let mut shown = first;
    for rotation in 1..=ROTATIONS {
        let before = echoed.load(Ordering::Relaxed);
        std::fs::write(at("old"), &secret).expect("kept");
        secret = format!("secret number {rotation}, of thirty-two bytes or more");
        std::fs::write(alone.file("secret"), &secret).expect("kept");
        let fresh = make_certificate(dir.path());
        confer.signal(Signal::HUP);
        // The files are looked at as well, so this rotation may be taken in two steps.
        let trusted = [shown.clone(), fresh.clone()];
        let password = ephemeral_password(&secret, USER);
        let mut taken = false;
        for _ in 0..2000 {
            let (mut client, seen) =
                Caller::tls(confer.relay(), &trusted, &[], (USER, &password)).await;
            if seen == fresh && client.ask(Ask::Allocate).await.is_ok() {
                taken = true;
                break;
            }
        }
        assert!(taken, "the new certificate and secret are in force");
        shown = fresh;
        while echoed.load(Ordering::Relaxed) < before + 100 * CLIENTS as u64 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    // The first secret was replaced three times and is listed no more.
    let mut late = Caller::udp(confer.relay(), USER, &password).await;
    assert_eq!(late.ask(Ask::Allocate).await, Err(401));
    stop.store(true, Ordering::Relaxed);
    for client in running {
        client.await.expect("nothing was lost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_used_is_refused_and_what_was_stays() {
    let mut alone = Alone::new(&[]);
    let confer = alone.setup.start();
    std::fs::write(alone.file("secret"), "short").expect("kept");
    confer.signal(Signal::HUP);
    reloaded(&confer, "refused", 1).await;
    let password = ephemeral_password(SECRET, USER);
    let mut client = Caller::udp(confer.relay(), USER, &password).await;
    client.ask(Ask::Allocate).await.expect("the secret of the start");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_that_operators_are_told_is_the_one_in_force() {
    let mut alone = Alone::new(&[]);
    let file = alone.setup.data_dir().join("confer.toml");
    std::fs::create_dir_all(alone.setup.data_dir()).expect("a directory of the test's");
    std::fs::write(&file, "[turn]\ndenied-peers = [\"8.8.8.0/24\"]\n").expect("kept");
    let confer = alone.setup.start();
    let token = alone.setup.data_dir().join("secrets/admin-token");
    let token = std::fs::read_to_string(token).expect("the first start made it");
    let url = format!("{}/v1/admin/turn/check-policy?address=8.8.8.8", confer.url);
    let judged = async || {
        let asked = reqwest::Client::new().get(&url).bearer_auth(token.trim()).send();
        asked.await.expect("it answers").text().await.expect("a text")
    };
    assert!(judged().await.contains("8.8.8.0/24 is denied"), "{}", judged().await);
    std::fs::write(&file, "[turn]\ndenied-peers = []\n").expect("kept");
    confer.signal(Signal::HUP);
    reloaded(&confer, "taken", 1).await;
    assert!(judged().await.contains("\"permitted\":true"), "{}", judged().await);
}
