use stun_rs::attributes::ice::{IceControlled, IceControlling, Priority, UseCandidate};
use stun_rs::attributes::stun::{
    Fingerprint, MessageIntegrity, Software, UserName, XorMappedAddress,
};
use stun_rs::{
    DecoderContextBuilder, HMACKey, MessageClass, MessageDecoderBuilder, MessageEncoderBuilder,
    StunMessage, StunMessageBuilder, methods,
};

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn local() -> IceCredentials {
    IceCredentials { ufrag: "ourUfrag".into(), pwd: "our/password/of/some/length".into() }
}

fn remote() -> IceCredentials {
    IceCredentials { ufrag: "Thei".into(), pwd: "their+password+of+length".into() }
}

fn agent(now: Instant) -> IceLite {
    let mut agent = IceLite::new(local(), ConsentLimits::default(), now);
    agent.set_remote(remote());
    agent
}

fn address(last: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, last], 40_000))
}

fn from(remote: SocketAddr) -> Route {
    Route { remote, local: [198, 51, 100, 1].into() }
}

fn route(last: u8) -> Route {
    from(address(last))
}

/// A check as a browser sends it, put together by another implementation.
struct CheckOf<'a> {
    username: &'a str,
    password: &'a str,
    nominates: bool,
    controlled: bool,
    priority: Option<u32>,
    integrity: bool,
    fingerprint: bool,
}

impl Default for CheckOf<'_> {
    fn default() -> Self {
        Self {
            username: "ourUfrag:Thei",
            password: "our/password/of/some/length",
            nominates: false,
            controlled: false,
            priority: Some(0x6e00_1eff),
            integrity: true,
            fingerprint: true,
        }
    }
}

impl CheckOf<'_> {
    fn bytes(&self) -> Vec<u8> {
        let name = UserName::new(self.username).expect("it is a name");
        let mut message = StunMessageBuilder::new(methods::BINDING, MessageClass::Request)
            .with_attribute(name)
            .with_attribute(Software::new("test").expect("it is a name"));
        if let Some(priority) = self.priority {
            message = message.with_attribute(Priority::from(priority));
        }
        message = if self.controlled {
            message.with_attribute(IceControlled::from(7))
        } else {
            message.with_attribute(IceControlling::from(7))
        };
        if self.nominates {
            message = message.with_attribute(UseCandidate::default());
        }
        if self.integrity {
            let key = HMACKey::new_short_term(self.password).expect("it is a password");
            message = message.with_attribute(MessageIntegrity::new(key));
        }
        if self.fingerprint {
            message = message.with_attribute(Fingerprint::default());
        }
        let mut bytes = vec![0; 500];
        let len = MessageEncoderBuilder::default()
            .build()
            .encode(&mut bytes, &message.build())
            .expect("there is room");
        bytes.truncate(len);
        bytes
    }
}

fn read(reply: &[u8], password: &str) -> StunMessage {
    let key = HMACKey::new_short_term(password).expect("it is a password");
    let context = DecoderContextBuilder::default().with_key(key).with_validation().build();
    let decoder = MessageDecoderBuilder::default().with_context(context).build();
    let (message, len) = decoder.decode(reply).expect("our answers are valid");
    assert_eq!(len, reply.len());
    message
}

fn answered(outcome: CheckOutcome) -> Option<Route> {
    match outcome {
        CheckOutcome::Answered { path_changed, .. } => path_changed,
        other => panic!("the check was not answered: {other:?}"),
    }
}

fn refused(outcome: CheckOutcome) -> CheckRefusal {
    match outcome {
        CheckOutcome::Refused(refusal) => refusal,
        other => panic!("the check was not refused: {other:?}"),
    }
}

#[test]
fn an_authentic_check_is_answered_with_the_address_it_came_from() {
    let now = Instant::now();
    for source in ["192.0.2.7:40000", "[2001:db8::7]:9"] {
        let source: SocketAddr = source.parse().expect("an address");
        let mut reply = vec![1, 2, 3];
        let check = CheckOf::default().bytes();
        assert_eq!(stun::local_ufrag(&check), Some(b"ourUfrag".as_slice()));
        let mut agent = agent(now);
        let path = answered(agent.handle_check(&check, from(source), now, &mut reply));
        assert_eq!(path, Some(from(source)));

        let message = read(&reply, &local().pwd);
        assert_eq!(message.class(), MessageClass::SuccessResponse);
        assert_eq!(message.transaction_id().as_bytes(), &check[8..20]);
        let mapped = message.get::<XorMappedAddress>().expect("it says where from");
        let mapped = mapped.as_xor_mapped_address().expect("it is that attribute");
        assert_eq!(mapped.socket_address(), &source);
        assert!(message.get::<Fingerprint>().is_some());
    }
}

#[test]
fn a_mapped_ipv4_source_is_told_as_ipv4() {
    let now = Instant::now();
    let source: SocketAddr = "[::ffff:192.0.2.7]:40000".parse().expect("an address");
    let mut reply = Vec::new();
    agent(now).handle_check(&CheckOf::default().bytes(), from(source), now, &mut reply);
    let message = read(&reply, &local().pwd);
    let mapped = message.get::<XorMappedAddress>().expect("it says where from");
    let mapped = mapped.as_xor_mapped_address().expect("it is that attribute");
    assert_eq!(mapped.socket_address(), &address(7));
}

#[test]
fn checks_that_prove_nothing_are_dropped_without_an_answer() {
    let cases = [
        (CheckOf { password: "guessed", ..CheckOf::default() }, CheckRefusal::NotAuthentic),
        (CheckOf { integrity: false, ..CheckOf::default() }, CheckRefusal::Incomplete),
        (CheckOf { priority: None, ..CheckOf::default() }, CheckRefusal::Incomplete),
        (CheckOf { username: "ourUfrag:Else", ..CheckOf::default() }, CheckRefusal::WrongUsername),
        (CheckOf { username: "another:Thei", ..CheckOf::default() }, CheckRefusal::WrongUsername),
        (CheckOf { username: "ourUfragThei", ..CheckOf::default() }, CheckRefusal::WrongUsername),
        (CheckOf { username: "ourUfrag", ..CheckOf::default() }, CheckRefusal::WrongUsername),
    ];
    let now = Instant::now();
    for (check, expected) in cases {
        let mut agent = agent(now);
        let mut reply = Vec::new();
        let outcome = agent.handle_check(&check.bytes(), route(1), now, &mut reply);
        assert_eq!(refused(outcome), expected);
        assert!(reply.is_empty());
        assert_eq!(agent.path(), None);
        assert_eq!(agent.consent(), Consent::New);
    }
}

#[test]
fn a_check_without_fingerprint_is_taken() {
    let now = Instant::now();
    let check = CheckOf { fingerprint: false, ..CheckOf::default() }.bytes();
    let mut reply = Vec::new();
    answered(agent(now).handle_check(&check, route(1), now, &mut reply));
}

#[test]
fn a_changed_or_cut_check_never_passes() {
    let now = Instant::now();
    let check = CheckOf::default().bytes();
    let mut agent = agent(now);
    let mut reply = Vec::new();
    // Two bytes may change: without its type, FINGERPRINT is an attribute that nobody minds.
    let fingerprint_kind = check.len() - 8..check.len() - 6;
    for at in (0..check.len()).filter(|at| !fingerprint_kind.contains(at)) {
        let mut changed = check.clone();
        changed[at] ^= 1;
        refused(agent.handle_check(&changed, route(1), now, &mut reply));
        refused(agent.handle_check(&check[..at], route(1), now, &mut reply));
    }
    let mut longer = check.clone();
    longer.extend_from_slice(&[0; 4]);
    refused(agent.handle_check(&longer, route(1), now, &mut reply));
    assert_eq!(agent.path(), None);
}

/// RFC 5769, section 2.1: the padding of its USERNAME is spaces, its SOFTWARE comes first.
#[test]
fn the_sample_request_of_rfc_5769_is_taken() {
    const SAMPLE: &[u8] = b"\x00\x01\x00\x58\x21\x12\xa4\x42\
        \xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae\
        \x80\x22\x00\x10STUN test client\
        \x00\x24\x00\x04\x6e\x00\x01\xff\
        \x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36\
        \x00\x06\x00\x09evtj:h6vY\x20\x20\x20\
        \x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\
        \xb2\xd3\xf2\x49\xc1\xb5\x71\xa2\
        \x80\x28\x00\x04\xe5\x7a\x3b\xcf";
    let local = IceCredentials { ufrag: "evtj".into(), pwd: "VOkJxbRl1RmTxUk/WvJxBt".into() };
    let now = Instant::now();
    let mut agent = IceLite::new(local, ConsentLimits::default(), now);
    let mut reply = Vec::new();
    // It claims the controlled role, which is ours; the answer shows that it was authentic.
    let outcome = agent.handle_check(SAMPLE, route(1), now, &mut reply);
    assert_eq!(outcome, CheckOutcome::Corrected);
    assert_eq!(&reply[20..28], b"\x00\x09\x00\x04\x00\x00\x04\x57");
}

#[test]
fn a_client_that_thinks_it_is_controlled_is_corrected() {
    let now = Instant::now();
    let mut agent = agent(now);
    let mut reply = Vec::new();
    let check = CheckOf { controlled: true, nominates: true, ..CheckOf::default() }.bytes();
    let outcome = agent.handle_check(&check, route(1), now, &mut reply);
    assert_eq!(outcome, CheckOutcome::Corrected);
    assert_eq!(read(&reply, &local().pwd).class(), MessageClass::ErrorResponse);
    assert_eq!(agent.path(), None);
}

/// Inserts an attribute before MESSAGE-INTEGRITY and authenticates anew.
fn with_attribute(kind: u16) -> Vec<u8> {
    let plain = CheckOf { integrity: false, fingerprint: false, ..CheckOf::default() };
    let mut check = plain.bytes();
    check.extend_from_slice(&kind.to_be_bytes());
    check.extend_from_slice(&[0, 3, 1, 2, 3, 0]);
    let length = u16::try_from(check.len() + 24 - 20).expect("it is short");
    check[2..4].copy_from_slice(&length.to_be_bytes());
    let mac = aws_lc_rs::hmac::sign(&stun::integrity_key(&local().pwd), &check);
    check.extend_from_slice(&[0, 8, 0, 20]);
    check.extend_from_slice(mac.as_ref());
    check
}

#[test]
fn an_unknown_attribute_that_must_be_understood_is_named_in_a_420() {
    let now = Instant::now();
    let mut agent = agent(now);
    let mut reply = Vec::new();
    let outcome = agent.handle_check(&with_attribute(0x7abc), route(1), now, &mut reply);
    assert_eq!(outcome, CheckOutcome::Corrected);
    assert_eq!(&reply[20..36], b"\0\x09\0\x04\0\0\x04\x14\0\x0a\0\x02\x7a\xbc\0\0");
    assert_eq!(agent.path(), None);

    let outcome = agent.handle_check(&with_attribute(0xfabc), route(1), now, &mut reply);
    answered(outcome);
}

fn nomination(agent: &mut IceLite, from: u8, priority: u32, now: Instant) -> Option<Route> {
    let check = CheckOf { nominates: true, priority: Some(priority), ..CheckOf::default() };
    answered(agent.handle_check(&check.bytes(), route(from), now, &mut Vec::new()))
}

fn check(agent: &mut IceLite, from: u8, now: Instant) -> Option<Route> {
    let check = CheckOf::default().bytes();
    answered(agent.handle_check(&check, route(from), now, &mut Vec::new()))
}

#[test]
fn media_goes_to_the_first_authentic_path_and_then_to_the_newest_nominated() {
    let now = Instant::now();
    let mut agent = agent(now);
    assert_eq!(check(&mut agent, 1, now), Some(route(1)));
    assert_eq!(check(&mut agent, 2, now), None);
    assert_eq!(nomination(&mut agent, 2, 5, now), Some(route(2)));
    // A client that moved nominates a path of lower priority; it is followed at once.
    assert_eq!(nomination(&mut agent, 3, 1, now + SECOND), Some(route(3)));
    assert_eq!(agent.path(), Some(route(3)));
}

#[test]
fn a_silent_path_gives_way_to_any_that_is_heard() {
    let now = Instant::now();
    let mut agent = agent(now);
    nomination(&mut agent, 1, 5, now);
    assert_eq!(check(&mut agent, 2, now + SECOND), None);
    assert_eq!(check(&mut agent, 2, now + 2 * SECOND), Some(route(2)));
}

#[test]
fn an_agent_that_nominates_every_pair_settles_on_the_best() {
    let now = Instant::now();
    let mut agent = agent(now);
    let mut changes = 0;
    for round in 0..100 {
        let now = now + SECOND / 20 * round;
        changes += usize::from(nomination(&mut agent, 1, 9, now).is_some());
        changes += usize::from(nomination(&mut agent, 2, 5, now).is_some());
    }
    assert_eq!(agent.path(), Some(route(1)));
    assert!(changes <= 3, "{changes} changes");
}

#[test]
fn only_so_many_paths_are_remembered_and_the_one_in_use_always_is() {
    let now = Instant::now();
    let mut agent = agent(now);
    nomination(&mut agent, 0, 5, now);
    let mut forgotten = Vec::new();
    for from in 1..100u8 {
        let now = now + SECOND / 1000 * u32::from(from);
        let check = CheckOf::default().bytes();
        match agent.handle_check(&check, route(from), now, &mut Vec::new()) {
            CheckOutcome::Answered { source_is_new: true, forgotten: gone, .. } => {
                forgotten.extend(gone);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(agent.sources().count(), PATH_CAPACITY);
    assert_eq!(forgotten.len() + PATH_CAPACITY, 100);
    assert!(agent.sources().any(|source| source == address(0)));
    assert_eq!(agent.path(), Some(route(0)));
}

#[test]
fn the_same_client_address_by_two_of_ours_is_two_routes() {
    let now = Instant::now();
    let mut agent = agent(now);
    let other = Route { local: [203, 0, 113, 1].into(), ..route(1) };
    let check = CheckOf { nominates: true, ..CheckOf::default() }.bytes();
    assert_eq!(
        answered(agent.handle_check(&check, route(1), now, &mut Vec::new())),
        Some(route(1))
    );
    match agent.handle_check(&check, other, now, &mut Vec::new()) {
        CheckOutcome::Answered { source_is_new: false, path_changed, .. } => {
            assert_eq!(path_changed, Some(other));
        }
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn a_restart_keeps_the_old_path_until_the_new_one_is_nominated() {
    let now = Instant::now();
    let mut agent = agent(now);
    nomination(&mut agent, 1, 9, now);
    let fresh_remote = IceCredentials { ufrag: "Next".into(), ..remote() };
    assert!(!agent.is_restart(&remote()));
    assert!(agent.is_restart(&fresh_remote));
    let fresh = IceCredentials { ufrag: "fresh".into(), pwd: "fresh/password/of/length".into() };
    agent.restart(fresh.clone(), fresh_remote);
    assert_eq!(agent.local(), &fresh);
    assert_eq!(agent.ufrags().collect::<Vec<_>>(), ["fresh", "ourUfrag"]);
    assert_eq!(agent.poll_retired(), None);

    assert_eq!(check(&mut agent, 1, now + SECOND), None);
    let new = CheckOf {
        username: "fresh:Next",
        password: "fresh/password/of/length",
        priority: Some(1),
        ..CheckOf::default()
    };
    let outcome = agent.handle_check(&new.bytes(), route(2), now + SECOND, &mut Vec::new());
    assert_eq!(answered(outcome), None);
    let new = CheckOf { nominates: true, ..new };
    let outcome = agent.handle_check(&new.bytes(), route(2), now + SECOND, &mut Vec::new());
    assert_eq!(answered(outcome), Some(route(2)));
    assert_eq!(agent.poll_retired().as_deref(), Some("ourUfrag"));
    let old = CheckOf::default().bytes();
    refused(agent.handle_check(&old, route(1), now + SECOND, &mut Vec::new()));
}

#[test]
fn silence_makes_suspect_then_failed_and_a_check_revives() {
    let now = Instant::now();
    let limits = ConsentLimits::default();
    let mut agent = agent(now);
    agent.handle_timeout(now + SECOND);
    assert_eq!(agent.consent(), Consent::New);
    check(&mut agent, 1, now);
    assert_eq!(agent.consent(), Consent::Connected);

    let deadline = agent.poll_timeout().expect("it waits");
    assert_eq!(deadline, now + limits.suspect);
    agent.handle_timeout(deadline - Duration::from_nanos(1));
    assert_eq!(agent.consent(), Consent::Connected);
    agent.handle_timeout(deadline);
    assert_eq!(agent.consent(), Consent::Suspect);

    agent.heard(deadline);
    assert_eq!(agent.consent(), Consent::Connected);
    agent.handle_timeout(deadline + limits.suspect);
    let deadline = agent.poll_timeout().expect("it waits");
    agent.handle_timeout(deadline);
    assert_eq!(agent.consent(), Consent::Failed);
    assert_eq!(agent.poll_timeout(), None);
    check(&mut agent, 1, deadline);
    assert_eq!(agent.consent(), Consent::Connected);
}

#[test]
fn nobody_coming_at_all_fails_too() {
    let now = Instant::now();
    let mut agent = agent(now);
    let deadline = agent.poll_timeout().expect("it waits");
    agent.handle_timeout(deadline);
    assert_eq!(agent.consent(), Consent::Failed);
}

#[test]
fn credentials_are_made_of_ice_characters_and_keep_their_secret() {
    let credentials =
        IceCredentials::from_random(std::array::from_fn(|at| (at as u8).wrapping_mul(9)));
    let is_ice_char = |c: char| c.is_ascii_alphanumeric() || c == '+' || c == '/';
    assert!(credentials.ufrag.chars().chain(credentials.pwd.chars()).all(is_ice_char));
    assert_eq!((credentials.ufrag.len(), credentials.pwd.len()), (8, 24));
    assert!(!format!("{credentials:?}").contains(&credentials.pwd));
}
