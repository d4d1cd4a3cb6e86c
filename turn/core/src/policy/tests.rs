use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("a literal")
}

fn permits(policy: &PeerPolicy, peer: &str) -> bool {
    policy.permits(peer.parse().expect("a literal"))
}

/// Every notation of `ip` that [`embedded`] knows, and mapped forms of some of them.
fn disguises(ip: Ipv4Addr) -> Vec<IpAddr> {
    let [a, b, c, d] = ip.octets();
    let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    [
        [0, 0, 0, 0, 0, 0xffff, high, low],
        [0, 0, 0, 0, 0xffff, 0, high, low],
        [0, 0, 0, 0, 0, 0, high, low],
        [0x64, 0xff9b, 0, 0, 0, 0, high, low],
        [0x64, 0xff9b, 1, 0, 0, 0, high, low],
        [0x2002, high, low, 0, 0, 0, 0, 1],
        [0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low],
        [0xfe80, 0, 0, 0, 0, 0x5efe, high, low],
        [0x2606, 0, 0, 0, 0x200, 0x5efe, high, low],
    ]
    .into_iter()
    .map(|segments| IpAddr::from(Ipv6Addr::from(segments)))
    .collect()
}

#[test]
fn what_is_not_global_is_refused_in_every_disguise() {
    let policy = PeerPolicy::default();
    for net in NOT_GLOBAL_V4 {
        for inside in [net.network(), net.broadcast()] {
            assert!(!policy.permits_address(inside.into()), "{inside}");
            for disguise in disguises(inside) {
                assert!(!policy.permits_address(disguise), "{inside} as {disguise}");
            }
        }
    }
    for text in ["::", "::1", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1", "100::1", "5f00::1"] {
        assert!(!policy.permits_address(ip(text)), "{text}");
    }
}

#[test]
fn the_rest_of_the_internet_is_reachable() {
    let policy = PeerPolicy::default();
    for text in ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::1"] {
        assert!(policy.permits_address(ip(text)), "{text}");
    }
}

#[test]
fn our_media_is_reachable_on_its_port_and_nothing_else_of_this_host() {
    let policy = PeerPolicy {
        own_media: ["127.0.0.1:7882".parse().expect("a literal")].into(),
        own_services: ["203.0.113.5:5432".parse().expect("a literal")].into(),
        allowed: vec!["203.0.113.0/24".parse().expect("a literal")],
        ..PeerPolicy::default()
    };
    assert!(policy.permits_address(ip("127.0.0.1")));
    assert!(permits(&policy, "127.0.0.1:7882"));
    assert!(permits(&policy, "[::ffff:127.0.0.1]:7882"));
    assert!(!permits(&policy, "127.0.0.1:5432"));
    assert!(permits(&policy, "203.0.113.5:9"));
    assert!(!permits(&policy, "203.0.113.5:5432"));
    assert!(!permits(&policy, "[::ffff:203.0.113.5]:5432"));
}

#[test]
fn two_clients_reach_each_other_where_we_relay_and_nothing_else_there() {
    let mut policy = PeerPolicy {
        own_relays: Some(OwnRelays { addresses: vec![ip("10.0.0.5")], ports: 49_152..=65_535 }),
        ..PeerPolicy::default()
    };
    assert!(policy.permits_address(ip("10.0.0.5")));
    assert!(permits(&policy, "10.0.0.5:50000"));
    assert!(permits(&policy, "[::ffff:10.0.0.5]:50000"));
    assert!(!permits(&policy, "10.0.0.5:161"));
    assert!(!permits(&policy, "10.0.0.6:50000"));
    policy.denied = vec!["10.0.0.0/8".parse().expect("a literal")];
    assert!(!policy.permits_address(ip("10.0.0.5")));
    assert!(!permits(&policy, "10.0.0.5:50000"));
}

#[test]
fn what_stands_inside_an_address_opens_nothing() {
    let policy = PeerPolicy {
        own_media: ["10.0.0.5:7882".parse().expect("a literal")].into(),
        allowed: vec!["10.2.0.0/16".parse().expect("a literal")],
        ..PeerPolicy::default()
    };
    assert!(permits(&policy, "10.2.0.1:1") && permits(&policy, "[::ffff:10.2.0.1]:1"));
    for hidden in [
        "[fd00::5efe:10.2.0.1]:1",
        "[fe80::200:5efe:10.2.0.1]:1",
        "[2002:a02:1::1]:1",
        "[64:ff9b:1:c0a8:0:100:a02:1]:1",
        "[fd00::5efe:10.0.0.5]:7882",
    ] {
        assert!(!permits(&policy, hidden), "{hidden}");
    }
}

#[test]
fn a_gateway_to_ipv4_can_be_allowed_and_leads_to_what_is_global_only() {
    let policy = PeerPolicy {
        allowed: vec!["64:ff9b::/96".parse().expect("a literal")],
        ..PeerPolicy::default()
    };
    assert!(permits(&policy, "[64:ff9b::8.8.8.8]:1"));
    assert!(!permits(&policy, "[64:ff9b::10.0.0.1]:1"));
}

#[test]
fn of_this_host_only_relayed_ports_are_reached() {
    let mut policy = PeerPolicy {
        this_host: Some(ThisHost {
            addresses: ["8.8.4.4", "2606:4700::5"].map(ip).into(),
            relay_ports: 49_152..=65_535,
        }),
        own_media: ["8.8.4.4:7882".parse().expect("a literal")].into(),
        ..PeerPolicy::default()
    };
    assert!(policy.permits_address(ip("8.8.4.4")), "its relayed addresses are there");
    for (peer, expected) in [
        ("8.8.4.4:50000", Rule::Global),
        ("8.8.4.4:7882", Rule::OwnMedia),
        ("8.8.4.4:53", Rule::OwnHost),
        ("[::ffff:8.8.4.4]:22", Rule::OwnHost),
        ("[2606:4700::5]:22", Rule::OwnHost),
        ("8.8.8.8:53", Rule::Global),
    ] {
        assert_eq!(policy.judge(peer.parse().expect("a literal")), expected, "{peer}");
    }
    policy.allowed = vec!["8.8.4.4/32".parse().expect("a literal")];
    assert!(permits(&policy, "8.8.4.4:53"));
}

#[test]
fn a_denied_network_beats_an_allowed_one() {
    let policy = PeerPolicy {
        allowed: vec!["10.0.0.0/8".parse().expect("a literal")],
        denied: vec!["10.1.0.0/16".parse().expect("a literal")],
        ..PeerPolicy::default()
    };
    assert!(permits(&policy, "10.2.0.1:1"));
    assert!(!permits(&policy, "10.1.0.1:1"));
    assert!(!permits(&policy, "[64:ff9b::10.1.0.1]:1"));
}
