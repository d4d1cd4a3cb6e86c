use confer_turn_core::credentials::ephemeral_password;

use super::*;
use crate::doctor::target::Asked;

const NOW: u64 = 1_800_000_000;

fn place(url: &str) -> Place {
    let Asked(goals) = url.parse().expect("a good URL");
    goals[0].places[0].clone()
}

fn explained(url: &str, step: Step, login: &Login, trouble: &Trouble) -> Verdict {
    let place = place(url);
    let patience = Duration::from_secs(5);
    let scene = Scene { place: &place, login, step, patience, now: NOW, misnamed: false };
    explain(trouble, &scene)
}

fn nobody(url: &str, step: Step, trouble: &Trouble) -> Verdict {
    explained(url, step, &Login::Nobody, trouble)
}

fn user(name: &str) -> Login {
    Login::Password { user: name.to_owned(), password: "word".to_owned() }
}

fn text(verdict: &Verdict) -> String {
    let Verdict { says, means, next, .. } = verdict;
    format!("{says} | {} | {}", means.as_deref().unwrap_or(""), next.as_deref().unwrap_or(""))
}

#[track_caller]
fn assert_tells(verdict: &Verdict, outcome: Outcome, words: &[&str]) {
    assert_eq!(verdict.outcome, outcome, "{verdict:?}");
    let text = text(verdict);
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in: {text}");
    }
}

#[test]
fn silence_means_a_firewall_over_udp_and_another_service_over_tcp() {
    let udp = nobody("turn:a.example", Step::Binding, &Trouble::Silent);
    assert_tells(&udp, Outcome::Failed, &["within 5 s", "drops UDP to port 3478", "Open UDP port"]);
    let tcp = nobody("turn:a.example?transport=tcp", Step::Binding, &Trouble::Silent);
    assert_tells(&tcp, Outcome::Failed, &["load balancer", "turn.proxies"]);
    let never = nobody("turn:a.example?transport=tcp", Step::Connect, &Trouble::NoConnection);
    assert_tells(&never, Outcome::Failed, &["no connection", "drops TCP to port 3478"]);
    let tls = nobody("turns:a.example", Step::Handshake, &Trouble::Silent);
    assert_tells(&tls, Outcome::Failed, &["not TLS"]);
    let dtls = nobody("turns:a.example?transport=udp", Step::Handshake, &Trouble::Silent);
    assert_tells(&dtls, Outcome::Failed, &["DTLS is not served", "UDP port 5349"]);
    let later = nobody("turn:a.example", Step::Relay, &Trouble::Silent);
    assert_tells(&later, Outcome::Failed, &["answered before"]);
}

#[test]
fn what_is_not_there_or_not_a_relay_is_named() {
    let refused = nobody("turn:a.example:99", Step::Binding, &Trouble::Refused);
    assert_tells(&refused, Outcome::Failed, &["nothing listens at UDP port 99", "turn.listen"]);
    let name = Trouble::NoAddress("no such name".to_owned());
    let name = nobody("turn:a.example", Step::Name, &name);
    assert_tells(&name, Outcome::Failed, &["no address", "no such name", "getent hosts a.example"]);
    let url = "turn:a.example?transport=tcp";
    let web = nobody(url, Step::Binding, &Trouble::Speaks(Language::Http));
    assert_tells(&web, Outcome::Failed, &["a web server", "turn.share-http-port"]);
    let tls = nobody(url, Step::Binding, &Trouble::Speaks(Language::Tls));
    assert_tells(&tls, Outcome::Failed, &["Use turns:a.example:3478?transport=tcp"]);
    let plain = nobody("turns:a.example", Step::Handshake, &Trouble::Speaks(Language::Unknown));
    assert_tells(&plain, Outcome::Failed, &["does not speak TLS", "[tls]"]);
    let cut = nobody("turns:a.example", Step::Handshake, &Trouble::Cut);
    assert_tells(&cut, Outcome::Failed, &["during the handshake", "no certificate", "firewall"]);
    let alpn = nobody("turns:a.example", Step::Handshake, &Trouble::AlpnRefused);
    assert_tells(&alpn, Outcome::Warning, &["stun.turn", "Browsers name none"]);
}

#[test]
fn a_certificate_is_told_with_what_is_wrong_with_it() {
    let now = i64::try_from(NOW).expect("it is small");
    let shown = Shown {
        issuer: "Example Trust R1".to_owned(),
        names: vec!["b.example".to_owned()],
        from: now - 86_400 * 100,
        until: now + 86_400 * 71,
        self_signed: false,
        others: 1,
    };
    let told = |fault, shown: &Shown| {
        let trouble = Trouble::Certificate { fault, shown: Box::new(shown.clone()) };
        nobody("turns:a.example", Step::Certificate, &trouble)
    };
    let name = told(Fault::OtherName, &shown);
    assert_tells(&name, Outcome::Failed, &["not for a.example", "b.example", "Example Trust R1"]);
    let expired = told(Fault::Expired, &Shown { until: now - 86_400 * 3, ..shown.clone() });
    assert_tells(&expired, Outcome::Failed, &["expired 3 days ago", "Renew"]);
    let early = told(Fault::NotYet, &Shown { from: now + 7_200, ..shown.clone() });
    assert_tells(&early, Outcome::Failed, &["good in 2 hours", "clock"]);
    let intercepted = told(Fault::UnknownIssuer, &shown);
    assert_tells(&intercepted, Outcome::Failed, &["proxy on the way opens TLS", "--ca"]);
    let alone = told(Fault::UnknownIssuer, &Shown { others: 0, ..shown.clone() });
    assert_tells(&alone, Outcome::Failed, &["no intermediate certificate"]);
    let own = told(Fault::UnknownIssuer, &Shown { self_signed: true, ..shown.clone() });
    assert_tells(&own, Outcome::Failed, &["self-signed", "issued by itself", "--ca"]);
    let nothing = told(Fault::NothingTrusted, &shown);
    assert_tells(&nothing, Outcome::Failed, &["ca-certificates"]);

    assert_tells(&good_certificate(&shown, NOW), Outcome::Good, &["71 days more"]);
    let soon = Shown { until: now + 86_400 * 5, ..shown };
    assert_tells(&good_certificate(&soon, NOW), Outcome::Warning, &["5 days more", "Renew"]);
}

fn code(code: u16) -> Trouble {
    Trouble::Code { code, alternate: None }
}

#[test]
fn a_refused_credential_is_told_apart_from_an_expired_one_and_a_wrong_clock() {
    let told = |login: &Login| explained("turn:a.example", Step::Allocate, login, &code(401));
    assert_tells(
        &told(&user("alice")),
        Outcome::Failed,
        &["user name or password", "turn.users-file"],
    );
    let expired = told(&user(&format!("{}:alice", NOW - 3 * 3_600)));
    assert_tells(&expired, Outcome::Failed, &["expired 3 hours ago", "date -u"]);
    let wrong = told(&user(&format!("{}:alice", NOW + 600)));
    assert_tells(
        &wrong,
        Outcome::Failed,
        &["10 minutes more", "turn.secret-file", "clock is ahead"],
    );
    let secret = Login::Secret { user: "alice".to_owned(), secret: "secret".to_owned() };
    assert_tells(&told(&secret), Outcome::Failed, &["does not take this secret"]);
    let ahead = explained("turn:a.example", Step::Allocate, &secret, &Trouble::ClockAhead);
    assert_tells(&ahead, Outcome::Failed, &["clock is ahead", "NTP"]);
    let password = secret.proof(NOW).expect("it is made");
    assert_eq!(password.password, ephemeral_password("secret", &password.user));
    let stale = explained("turn:a.example", Step::Allocate, &secret, &code(438));
    assert_tells(&stale, Outcome::Failed, &["nonce", "load balancer"]);
}

#[test]
fn refusals_name_the_setting_that_decides() {
    let told = |number, step| explained("turn:a.example", step, &user("alice"), &code(number));
    assert_tells(&told(486, Step::Allocate), Outcome::Failed, &["turn.allocations-per-user"]);
    assert_tells(&told(486, Step::Relay), Outcome::Warning, &["second allocation"]);
    assert_tells(&told(508, Step::Allocate), Outcome::Failed, &["turn.relay-ports"]);
    assert_tells(&told(437, Step::Allocate), Outcome::Failed, &["NAT"]);
    assert_tells(&told(440, Step::Allocate), Outcome::Failed, &["--peer-family"]);
    assert_tells(&told(403, Step::Relay), Outcome::Warning, &["turn.allowed-peers"]);
    assert_tells(&told(599, Step::Allocate), Outcome::Failed, &["599"]);
    assert_tells(&told(499, Step::Allocate), Outcome::Failed, &["499"]);
    let alternate = Some("192.0.2.7:3478".parse().expect("a literal"));
    let moved = Trouble::Code { code: 300, alternate };
    let moved = nobody("turn:a.example", Step::Allocate, &moved);
    assert_tells(&moved, Outcome::Failed, &["confer doctor turn turn:192.0.2.7:3478"]);
    assert_tells(&nobody("turn:a.example", Step::Allocate, &code(300)), Outcome::Failed, &["300"]);
}

#[test]
fn lost_packets_point_to_ports_or_to_their_size_or_to_a_private_address() {
    let parcel = Parcel { bytes: 20, in_channel: false, smaller_arrived: false };
    let told = |parcel| nobody("turn:a.example", Step::Relay, &Trouble::Lost(parcel));
    assert_tells(&told(parcel), Outcome::Failed, &["turn.relay-ports", "hairpinning"]);
    let large = Parcel { bytes: 1200, smaller_arrived: true, ..parcel };
    assert_tells(&told(large), Outcome::Failed, &["1200 bytes", "MTU"]);
    let channel = Parcel { in_channel: true, ..parcel };
    assert_tells(&told(channel), Outcome::Failed, &["in a channel"]);

    let place = place("turn:a.example");
    let (login, patience) = (user("alice"), Duration::from_secs(5));
    let step = Step::Relay;
    let scene = Scene { place: &place, login: &login, step, patience, now: NOW, misnamed: true };
    for trouble in [Trouble::Lost(parcel), code(403)] {
        let verdict = explain(&trouble, &scene);
        assert_tells(&verdict, Outcome::Failed, &["turn.external-addresses"]);
    }
    let unreached = nobody("turn:a.example", Step::Peer, &Trouble::Unreached);
    assert_tells(&unreached, Outcome::Warning, &["turn.relay-ports", "no UDP out"]);
    let refused = nobody("turn:a.example", Step::Peer, &code(403));
    assert_tells(&refused, Outcome::Skipped, &["policy"]);
    let private = private_address("relayed at 10.0.0.1:50000".to_owned());
    assert_tells(&private, Outcome::Warning, &["turn.external-addresses", "external-ip"]);
    let open = open_relay("relayed at 192.0.2.7:50000".to_owned());
    assert_tells(&open, Outcome::Warning, &["anybody may relay"]);
}

#[test]
fn the_address_we_are_seen_by_tells_of_nat() {
    let at = |text: &str| text.parse().expect("a literal");
    assert!(mapped(at("192.0.2.1:4"), at("192.0.2.1:4")).contains("no NAT"));
    assert!(mapped(at("192.0.2.1:5"), at("192.0.2.1:4")).contains("port is translated"));
    assert!(mapped(at("192.0.2.1:5"), at("10.0.0.1:4")).contains("behind NAT"));
}
