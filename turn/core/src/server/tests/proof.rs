//! Who is believed: algorithms, hashes, tokens, tenants, and what floods are told.

use super::*;
use crate::PeerPolicy;
use crate::credentials::OauthKey;
use crate::integrity::{PASSWORD_ALGORITHMS, userhash};

const SHA256: [u8; 4] = [0, 2, 0, 0];

fn allocate_as_bob(
    world: &mut World,
    derive: PasswordAlgorithm,
    prove: Algorithm,
    fill: impl FnOnce(&mut Writer<'_>),
) -> Answer {
    let key = derive.key("bob", REALM, "hunter2", prove);
    let transaction = world.next_transaction();
    let verdict = world.request_with(Method::Allocate, transaction, &key, |writer| {
        udp(writer);
        fill(writer);
    });
    assert_eq!(verdict, Verdict::REPLY);
    world.answer()
}

#[test]
fn the_stronger_algorithms_are_offered_and_taken() {
    let mut world = world();
    let got = allocate_as_bob(&mut world, PasswordAlgorithm::Sha256, Algorithm::Sha256, |writer| {
        writer
            .bytes(attribute::USERHASH, &userhash("bob", REALM))
            .bytes(attribute::PASSWORD_ALGORITHMS, &PASSWORD_ALGORITHMS)
            .bytes(attribute::PASSWORD_ALGORITHM, &SHA256);
    });
    assert_eq!(got, Answer::Success);
    // Whoever proves with SHA-256 is answered with it.
    assert!(world.reply_attribute(attribute::MESSAGE_INTEGRITY_SHA256).is_some());
    assert!(world.reply_attribute(attribute::MESSAGE_INTEGRITY).is_none());
}

#[test]
fn sha_256_integrity_alone_is_enough() {
    let mut world = world();
    let got = allocate_as_bob(&mut world, PasswordAlgorithm::Md5, Algorithm::Sha256, |writer| {
        writer.bytes(attribute::USERNAME, b"bob");
    });
    assert_eq!(got, Answer::Success);
}

#[test]
fn a_list_of_algorithms_that_was_tampered_with_is_refused() {
    for (list, chosen) in [
        (&[0, 1, 0, 0][..], Some(&[0, 1, 0, 0][..])),
        (&PASSWORD_ALGORITHMS, Some(&[0, 9, 0, 0])),
        (&PASSWORD_ALGORITHMS, None),
    ] {
        let mut world = world();
        let got = allocate_as_bob(&mut world, PasswordAlgorithm::Md5, Algorithm::Sha1, |writer| {
            writer.bytes(attribute::USERNAME, b"bob");
            writer.bytes(attribute::PASSWORD_ALGORITHMS, list);
            if let Some(chosen) = chosen {
                writer.bytes(attribute::PASSWORD_ALGORITHM, chosen);
            }
        });
        assert_eq!(got, Answer::Error(400), "{list:?} {chosen:?}");
    }
}

#[test]
fn an_access_token_is_a_key_and_bounds_the_allocation() {
    let oauth = OauthKey::new(&[7; 32], REALM).expect("32 bytes");
    let mut tenant = tenant();
    tenant.oauth_keys.insert("kid-1".to_owned(), oauth.clone());
    let mut world = world_of(config(vec![tenant]));
    let mac_key = [3; 20];
    let key = Key::new(Algorithm::Sha1, &mac_key);
    let token = oauth.seal([1; 12], &mac_key, 900, 700).expect("short");
    let with_token = |writer: &mut Writer<'_>| {
        udp(writer);
        writer.bytes(attribute::USERNAME, b"kid-1").bytes(attribute::ACCESS_TOKEN, &token);
    };
    let transaction = world.next_transaction();
    world.request_with(Method::Allocate, transaction, &key, with_token);
    assert_eq!(world.answer(), Answer::Success);
    // It ends at 1600, and now is 1000.
    let granted = world.reply_attribute(attribute::LIFETIME);
    assert_eq!(granted.as_deref(), Some(&600u32.to_be_bytes()[..]));

    world.now.unix = 1601;
    world.tuple.client.set_port(1);
    world.fetch_nonce();
    let transaction = world.next_transaction();
    world.request_with(Method::Allocate, transaction, &key, with_token);
    assert_eq!(world.answer(), Answer::Error(401), "expired");
}

#[test]
fn an_allocation_ends_with_its_credential_where_it_may_not_outlive_it() {
    for (outlive, granted) in [(true, 3600u32), (false, 1000)] {
        let mut world = world_of(Config { outlive_credentials: outlive, ..config(vec![tenant()]) });
        // The name is good until 2000, and now is 1000.
        let wish = |writer: &mut Writer<'_>| {
            udp(writer);
            writer.number(attribute::LIFETIME, 3600);
        };
        assert_eq!(world.request(Method::Allocate, wish), Answer::Success);
        let told = world.reply_attribute(attribute::LIFETIME);
        assert_eq!(told.as_deref(), Some(&granted.to_be_bytes()[..]));
    }
}

#[test]
fn a_name_without_an_end_makes_an_allocation_without_one() {
    let mut world = world_of(Config { outlive_credentials: false, ..config(vec![tenant()]) });
    let user = "18446744073709551615:alice";
    let password = ephemeral_password(SECRET, user);
    let got = world.request_as(user, &password, Method::Allocate, [7; 12], udp);
    assert_eq!(got, Answer::Success);
    let told = world.reply_attribute(attribute::LIFETIME);
    assert_eq!(told.as_deref(), Some(&600u32.to_be_bytes()[..]));
}

#[test]
fn a_fresh_token_carries_an_allocation_on_and_an_old_one_does_not() {
    let oauth = OauthKey::new(&[7; 32], REALM).expect("32 bytes");
    let mut tenant = tenant();
    tenant.oauth_keys.insert("kid-1".to_owned(), oauth.clone());
    let mut world = world_of(config(vec![tenant]));
    // Good until 1600, and until 4000; now is 1000.
    let tokens = [([3; 20], 700), ([4; 20], 3100)].map(|(mac_key, lifetime)| {
        let token = oauth.seal([1; 12], &mac_key, 900, lifetime).expect("short");
        (Key::new(Algorithm::Sha1, &mac_key), token)
    });
    let mut ask = |method, (key, token): &(Key, Vec<u8>)| {
        let transaction = world.next_transaction();
        world.request_with(method, transaction, key, |writer| {
            udp(writer);
            writer.number(attribute::LIFETIME, 3600);
            writer.bytes(attribute::USERNAME, b"kid-1").bytes(attribute::ACCESS_TOKEN, token);
        });
        let granted = world.reply_attribute(attribute::LIFETIME)?;
        Some(u32::from_be_bytes(granted.try_into().expect("four bytes")))
    };
    let [old, fresh] = &tokens;
    assert_eq!(ask(Method::Allocate, old), Some(600));
    assert_eq!(ask(Method::Refresh, old), Some(600));
    assert_eq!(ask(Method::Refresh, fresh), Some(3000));
    assert_eq!(ask(Method::Refresh, old), Some(600), "who proves less has less");
}

#[test]
fn a_token_that_is_from_the_future_is_not_taken() {
    let oauth = OauthKey::new(&[7; 32], REALM).expect("32 bytes");
    let mut tenant = tenant();
    tenant.oauth_keys.insert("kid-1".to_owned(), oauth.clone());
    let mac_key = [3; 20];
    for (issued, expected) in [(1004, Answer::Success), (1706, Answer::Error(401))] {
        let mut world = world_of(config(vec![tenant.clone()]));
        let token = oauth.seal([1; 12], &mac_key, issued, 700).expect("short");
        let key = Key::new(Algorithm::Sha1, &mac_key);
        world.request_with(Method::Allocate, [7; 12], &key, |writer| {
            udp(writer);
            writer.bytes(attribute::USERNAME, b"kid-1").bytes(attribute::ACCESS_TOKEN, &token);
        });
        assert_eq!(world.answer(), expected, "issued at {issued}, and now is 1000");
    }
}

#[test]
fn a_tenant_of_its_own_realm_is_challenged_in_it() {
    let lab = Tenant { name: "lab".to_owned(), realm: "lab.test".to_owned(), ..tenant() };
    let mut world = world_of(config(vec![tenant(), lab]));
    let key = PasswordAlgorithm::Md5.key("bob", "lab.test", "hunter2", Algorithm::Sha1);
    let mut ask = |realm: &str, nonce: &[u8]| {
        let mut packet = Vec::new();
        let mut writer = Writer::begin(&mut packet, Class::Request, Method::Allocate, &[5; 12]);
        udp(&mut writer);
        writer
            .bytes(attribute::USERNAME, b"bob")
            .bytes(attribute::REALM, realm.as_bytes())
            .bytes(attribute::NONCE, nonce)
            .integrity(&key);
        assert_eq!(world.send(&packet), Verdict::REPLY);
        let nonce = world.reply_attribute(attribute::NONCE).unwrap_or_default();
        (world.answer(), world.reply_attribute(attribute::REALM), nonce)
    };
    let (got, realm, nonce) = ask("lab.test", b"stale");
    assert_eq!((got, realm.as_deref()), (Answer::Error(438), Some(&b"lab.test"[..])));
    assert_eq!(ask("lab.test", &nonce).0, Answer::Success);
    let (_, realm, _) = ask("nobody's", b"stale");
    assert_eq!(realm.as_deref(), Some(REALM.as_bytes()));
}

#[test]
fn who_proves_wrong_too_often_is_not_even_looked_at() {
    let mut tight = config(vec![tenant()]);
    tight.limits.challenges_per_prefix = 10;
    let mut world = world_of(tight);
    world.tuple.client.set_port(9);
    world.fetch_nonce();
    let allocated = world.tuple;
    world.allocate();
    let nonce_there = world.nonce.clone();
    world.tuple.client.set_port(10);
    world.fetch_nonce();
    let key = PasswordAlgorithm::Md5.key("bob", REALM, "guess", Algorithm::Sha1);
    let as_bob = |writer: &mut Writer<'_>| {
        udp(writer);
        writer.bytes(attribute::USERNAME, b"bob");
    };
    for _ in 0..20 {
        world.request_with(Method::Allocate, [7; 12], &key, as_bob);
    }
    // The right one comes too late: what is guessed that fast is not found.
    let key = PasswordAlgorithm::Md5.key("bob", REALM, "hunter2", Algorithm::Sha1);
    let right = world.request_with(Method::Allocate, [8; 12], &key, as_bob);
    assert_eq!(right, Verdict::Drop(DropReason::ChallengesSpent));
    // Who has an allocation there goes on.
    let (guesser, nonce) = (world.tuple, std::mem::replace(&mut world.nonce, nonce_there));
    world.tuple = allocated;
    assert_eq!(world.request(Method::Refresh, |_| {}), Answer::Success);
    (world.tuple, world.nonce) = (guesser, nonce);
    world.now.steady += Duration::from_secs(1);
    assert_eq!(world.request_with(Method::Allocate, [9; 12], &key, as_bob), Verdict::REPLY);
    assert_eq!(world.answer(), Answer::Success);
}

#[test]
fn only_who_may_prove_something_is_handed_to_another_thread() {
    let mut tight = config(vec![tenant()]);
    tight.limits.challenges_per_prefix = 10;
    let mut world = world_of(tight);
    let key = PasswordAlgorithm::Md5.key("bob", REALM, "guess", Algorithm::Sha1);
    let written = |nonce: &[u8], proves: bool| {
        let mut packet = Vec::new();
        let mut writer = Writer::begin(&mut packet, Class::Request, Method::Refresh, &[1; 12]);
        writer
            .bytes(attribute::MOBILITY_TICKET, &[5; 24])
            .bytes(attribute::USERNAME, b"bob")
            .bytes(attribute::REALM, REALM.as_bytes())
            .bytes(attribute::NONCE, nonce);
        if proves {
            writer.integrity(&key);
        }
        packet
    };
    let nonce = world.nonce.clone();
    let owner = |world: &World, packet: &[u8]| {
        world.server.owner_elsewhere(world.tuple.client, packet, world.now)
    };
    let whole = written(&nonce, true);
    assert_eq!(owner(&world, &whole), Some(5));
    assert_eq!(owner(&world, &written(&nonce, false)), None);
    assert_eq!(owner(&world, &written(b"made up", true)), None);
    for _ in 0..10 {
        world.send(&whole);
    }
    assert_eq!(owner(&world, &whole), None, "ten times wrong");
    world.now.steady += Duration::from_secs(1);
    assert_eq!(owner(&world, &whole), Some(5));
}

#[test]
fn tenants_keep_their_places_when_their_list_changes() {
    let named = |name: &str, peers: &str| Tenant {
        name: name.to_owned(),
        secrets: vec![name.to_owned()],
        policy: PeerPolicy {
            allowed: vec![peers.parse().expect("a literal")],
            ..PeerPolicy::default()
        },
        ..tenant()
    };
    let (bank, lab) = (named("bank", "10.1.0.0/16"), named("lab", "10.2.0.0/16"));
    let mut world = world_of(config(vec![tenant(), bank.clone(), lab.clone()]));
    let password = ephemeral_password("bank", USER);
    assert_eq!(world.request_as(USER, &password, Method::Allocate, [7; 12], udp), Answer::Success);
    let reach = |world: &mut World, address| {
        let transaction = world.next_transaction();
        world.request_as(USER, &password, Method::CreatePermission, transaction, peer(address))
    };
    assert_eq!(reach(&mut world, "10.1.0.1:1"), Answer::Success);

    let places = ["default", "bank", "lab"];
    let reconfigured = |tenants| Config {
        credentials: Credentials::new(tenants).in_places(places),
        ..config(Vec::new())
    };
    world.server.reconfigure(reconfigured(vec![tenant(), lab.clone(), bank]));
    assert_eq!(reach(&mut world, "10.1.0.1:1"), Answer::Success);
    assert_eq!(reach(&mut world, "10.2.0.1:1"), Answer::Error(403));
    // One that is gone takes its peers along, and nobody comes into its place.
    world.server.reconfigure(reconfigured(vec![tenant(), lab]));
    for address in ["10.1.0.1:1", "10.2.0.1:1", "8.8.8.8:1"] {
        assert_eq!(reach(&mut world, address), Answer::Error(403), "{address}");
    }
}

#[test]
fn a_challenge_tells_where_tokens_come_from_only_if_they_are_taken() {
    let mut plain = world();
    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Request, Method::Allocate, &[1; 12]);
    plain.send(&packet);
    assert_eq!(plain.reply_attribute(attribute::THIRD_PARTY_AUTHORIZATION), None);

    let mut tenant = tenant();
    let oauth = OauthKey::new(&[7; 16], REALM).expect("16 bytes");
    tenant.oauth_keys.insert("kid-1".to_owned(), oauth);
    let mut world = world_of(config(vec![tenant]));
    world.send(&packet);
    let told = world.reply_attribute(attribute::THIRD_PARTY_AUTHORIZATION);
    assert_eq!(told.as_deref(), Some(REALM.as_bytes()));
}

#[test]
fn the_secret_says_which_tenant_it_is_and_tenants_do_not_share_quotas() {
    let other = Tenant {
        name: "other".to_owned(),
        secrets: vec!["0ther".to_owned()],
        limits: crate::quota::TenantLimits {
            allocations_per_user: 0,
            ..crate::quota::TenantLimits::default()
        },
        ..tenant()
    };
    let mut world = world_of(config(vec![tenant(), other]));
    let password = ephemeral_password("0ther", USER);
    let transaction = world.next_transaction();
    let got = world.request_as(USER, &password, Method::Allocate, transaction, udp);
    assert_eq!(got, Answer::Error(486), "the other tenant has no room");
    assert_eq!(world.request(Method::Allocate, udp), Answer::Success);
}

#[test]
fn a_replaced_secret_keeps_what_runs_and_refuses_what_is_new() {
    let mut world = world();
    world.allocate();
    let mut rotated = tenant();
    rotated.secrets = vec!["newer".to_owned(), SECRET.to_owned()];
    world.server.reconfigure(config(vec![rotated.clone()]));
    assert_eq!(world.request(Method::Refresh, |_| {}), Answer::Success);
    rotated.secrets = vec!["newer".to_owned()];
    world.server.reconfigure(config(vec![rotated]));
    // The secret is gone; what it let in is known by its own key.
    assert_eq!(world.request(Method::Refresh, |_| {}), Answer::Success);
    let bind = world.request(Method::ChannelBind, channel(0x4000, "8.8.8.8:53"));
    assert_eq!(bind, Answer::Success);
    world.tuple.client = at("198.51.100.8:4000");
    world.fetch_nonce();
    assert_eq!(world.request(Method::Allocate, udp), Answer::Error(401));
}

#[test]
fn a_stricter_policy_drops_permissions_that_were_given() {
    let mut world = world();
    let relayed = world.allocate();
    assert_eq!(world.request(Method::ChannelBind, channel(0x4000, "8.8.8.8:53")), Answer::Success);
    let mut strict = tenant();
    strict.policy.denied = vec!["8.8.8.0/24".parse().expect("a literal")];
    world.server.reconfigure(config(vec![strict]));
    assert_eq!(
        world.peer_sends(relayed, "8.8.8.8:53", b"x"),
        Verdict::Drop(DropReason::NotPermitted)
    );
    assert_eq!(world.send(&[0x40, 0, 0, 1, b'x']), Verdict::Drop(DropReason::NoChannel));
}

#[test]
fn a_flood_of_strangers_is_met_with_silence_and_keeps_no_memory() {
    let mut world = world();
    let mut packet = Vec::new();
    Writer::begin(&mut packet, Class::Request, Method::Binding, &[1; 12]);
    let answered = (0..1000).filter(|_| world.send(&packet) == Verdict::REPLY).count();
    assert!(answered < 200, "{answered}");
    assert_eq!(world.send(&packet), Verdict::Drop(DropReason::ChallengesSpent));
    // Those who proved themselves are not held back by their neighbours.
    assert_eq!(world.request(Method::Allocate, udp), Answer::Success);
}

#[test]
fn an_allocation_relays_no_more_than_its_tenant_bought() {
    let mut tenant = tenant();
    tenant.limits.packets_per_second = 3;
    let mut world = world_of(config(vec![tenant]));
    let relayed = world.allocate();
    assert_eq!(world.request(Method::CreatePermission, peer("8.8.8.8:1")), Answer::Success);
    let verdicts: Vec<_> = (0..5).map(|_| world.peer_sends(relayed, "8.8.8.8:1", b"x")).collect();
    assert_eq!(verdicts[3..], [const { Verdict::Drop(DropReason::OverRate) }; 2]);
    world.now.steady += Duration::from_secs(1);
    assert_eq!(world.peer_sends(relayed, "8.8.8.8:1", b"x"), Verdict::ToClient(world.tuple));
}

#[test]
fn a_draining_server_keeps_what_it_has_and_names_another() {
    let mut config = config(vec![tenant()]);
    config.alternate_server = Some(at("198.51.100.9:3478"));
    let mut world = world_of(config);
    world.allocate();
    world.server.drain();
    assert_eq!(world.request(Method::Refresh, |_| {}), Answer::Success);
    world.tuple.client.set_port(1);
    world.fetch_nonce();
    assert_eq!(world.request(Method::Allocate, udp), Answer::Error(300));
    assert!(world.reply_attribute(attribute::ALTERNATE_SERVER).is_some());
}

#[test]
fn permissions_that_expired_leave_their_place_to_the_users_other_allocations() {
    let mut tenant = tenant();
    tenant.limits.permissions_per_user = 1;
    let mut world = world_of(config(vec![tenant]));
    world.allocate();
    assert_eq!(world.request(Method::CreatePermission, peer("8.8.8.8:1")), Answer::Success);
    let first = world.tuple;
    world.tuple.client.set_port(9);
    world.fetch_nonce();
    world.allocate();
    world.now.steady += Duration::from_secs(301);
    // An allocation notices when it is asked something.
    let permit = |world: &mut World| world.request(Method::CreatePermission, peer("8.8.4.4:1"));
    assert_eq!(permit(&mut world), Answer::Error(508));
    let second = std::mem::replace(&mut world.tuple, first);
    world.fetch_nonce();
    assert_eq!(world.request(Method::Refresh, |_| {}), Answer::Success);
    world.tuple = second;
    world.fetch_nonce();
    assert_eq!(permit(&mut world), Answer::Success);
}
