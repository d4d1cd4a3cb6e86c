//! `confer turn …` and the operator's routes, with a relay in use.

use confer_turn_core::client::Ask;
use confer_turn_core::credentials::ephemeral_password;

use serde_json::{Value, json};

use super::client::{Caller, echo};
use super::{Alone, SECRET, USER};
use crate::process::{output, stderr};

fn told(alone: &Alone, arguments: &[&str]) -> String {
    let told = output(alone.setup.command(arguments));
    assert!(told.status.success(), "{}", stderr(&told));
    String::from_utf8_lossy(&told.stdout).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_relays_is_listed_and_can_be_thrown_out() {
    let mut alone = Alone::new(&[]);
    let confer = alone.setup.start();
    assert_eq!(told(&alone, &["turn", "sessions"]), "There are no allocations.\n");

    let password = ephemeral_password(SECRET, USER);
    let peer = echo().await;
    let mut udp = Caller::udp(confer.relay(), USER, &password).await;
    let relayed = udp.reach(peer).await.expect("an allocation");
    let mut tcp = Caller::tcp(confer.relay(), USER, &password).await;
    tcp.reach(peer).await.expect("an allocation");
    assert!(udp.echoes(b"counted").await);

    let listed = told(&alone, &["turn", "sessions", "--user", "alice"]);
    assert!(listed.contains(&relayed.to_string()) && listed.lines().count() == 3, "{listed}");
    assert!(told(&alone, &["turn", "sessions", "--user", "bob"]).contains("no allocations"));
    assert_eq!(told(&alone, &["turn", "kick", "alice"]), "2 allocations ended.\n");
    assert_eq!(udp.ask(Ask::Refresh { seconds: 600 }).await, Err(437));

    told(&alone, &["turn", "drain"]);
    assert!(udp.ask(Ask::Allocate).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_routes_are_for_whoever_has_the_token() {
    let mut alone = Alone::new(&[]);
    let confer = alone.setup.start();
    let url = format!("{}/v1/admin/turn/sessions", confer.url);
    let client = reqwest::Client::new();
    let refused = client.get(&url).send().await.expect("it answers");
    assert_eq!(refused.status(), 401);
    let wrong = client.get(&url).bearer_auth("guessed").send().await.expect("it answers");
    assert_eq!(wrong.status(), 401);
    let token = std::fs::read_to_string(alone.setup.data_dir().join("secrets/admin-token"));
    let token = token.expect("the first start made it");
    let known = client.get(&url).bearer_auth(token.trim()).send().await.expect("it answers");
    assert_eq!(known.status(), 200);
    let policy = format!("{}/v1/admin/turn/check-policy?address=10.0.0.1", confer.url);
    let judged = client.get(&policy).bearer_auth(token.trim()).send().await.expect("it answers");
    let judged = judged.text().await.expect("a text");
    assert!(judged.contains("\"permitted\":false"), "{judged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_is_told_what_an_allocation_carried_and_why_it_ended() {
    let mut alone = Alone::new(&[]);
    let confer = alone.setup.start();
    let token = std::fs::read_to_string(alone.setup.data_dir().join("secrets/admin-token"));
    let url = format!("{}/v1/admin/turn/events", confer.url);
    let asked = reqwest::Client::new().get(url).bearer_auth(token.expect("made").trim());
    let mut stream = asked.send().await.expect("it answers");

    let mut client = Caller::udp(confer.relay(), USER, &ephemeral_password(SECRET, USER)).await;
    client.reach(echo().await).await.expect("an allocation");
    assert!(client.echoes(b"counted").await);
    client.ask(Ask::Refresh { seconds: 0 }).await.expect("released");

    let mut text = String::new();
    while !text.contains("\"closed\"") {
        let part = stream.chunk().await.expect("it goes on").expect("it goes on");
        text.push_str(&String::from_utf8_lossy(&part));
    }
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|event| serde_json::from_str(event).expect("JSON"))
        .collect();
    let (made, ended) = (&events[0], events.last().expect("it was closed"));
    assert_eq!((&made["event"], &ended["event"]), (&json!("allocated"), &json!("closed")));
    for event in [made, ended] {
        assert_eq!(event["username"], USER, "{text}");
        assert_eq!(event["tenant"], "default", "{text}");
        assert_eq!(event["client"], made["client"], "{text}");
        assert!(event["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{text}");
    }
    assert_eq!(ended["reason"], "released", "{text}");
    assert_eq!(ended["carried"]["sent_bytes"], 7, "{text}");
    assert_eq!(ended["carried"]["received_packets"], 1, "{text}");
}

#[test]
fn the_policy_is_told_without_a_server() {
    let alone = Alone::new(&[]);
    let setting = ["--set", "turn.allowed-peers=10.0.0.0/8"];
    let addresses = ["10.1.2.3", "[::ffff:192.168.0.1]:80", "8.8.8.8", "169.254.169.254"];
    let text = told(&alone, &[&["turn", "check-policy"][..], &setting, &addresses].concat());
    let verdicts: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(verdicts, ["permitted", "refused", "permitted", "refused"], "{text}");
    assert!(text.contains("(that is 192.168.0.1)"), "{text}");
}

#[test]
fn a_relay_that_does_not_run_is_told_with_what_to_do() {
    let alone = Alone::new(&[]);
    let told = output(alone.setup.command(&["turn", "sessions"]));
    assert_eq!(told.status.code(), Some(1));
    assert!(stderr(&told).contains("confer serve"), "{}", stderr(&told));
}
