//! Which peers the relay may talk to: one decision, on the canonical form of an address.
//!
//! By default everything that is not globally routable is refused, in both families and in every
//! notation that hides an IPv4 address inside an IPv6 one (CVE-2020-26262, CVE-2026-27624). What
//! is allowed beyond that is said explicitly.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// IPv4 space that is not globally reachable (IANA special-purpose registry, RFC 6890), and
/// multicast.
const NOT_GLOBAL_V4: [Ipv4Net; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    v4([240, 0, 0, 0], 4),
];

/// Only this is handed out as global unicast today (RFC 4291, section 2.4).
const GLOBAL_V6: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// Parts of it that are not globally reachable, or that tunnel to IPv4 (Teredo, 6to4).
const NOT_GLOBAL_V6: [Ipv6Net; 4] = [
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

/// What an operator allows and refuses beyond the default.
#[derive(Clone, Debug, Default)]
pub struct PeerPolicy {
    /// Endpoints that are always reachable: this server's own media plane.
    pub own_media: BTreeSet<SocketAddr>,
    /// Endpoints that never are: this server's listeners and what it stores its data in.
    pub own_services: BTreeSet<SocketAddr>,
    /// Where this server relays, so that two of its clients reach each other there.
    pub own_relays: Option<OwnRelays>,
    /// Networks that may be reached although they are not globally routable.
    pub allowed: Vec<IpNet>,
    /// Networks that may not be reached although they are. Stronger than `allowed`.
    pub denied: Vec<IpNet>,
}

/// Relayed addresses as peers see them.
#[derive(Clone, Debug)]
pub struct OwnRelays {
    pub addresses: Vec<IpAddr>,
    pub ports: RangeInclusive<u16>,
}

/// Why a peer may be reached, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It is this server's own media plane.
    OwnMedia,
    /// This server relays from there.
    OwnRelay,
    /// It is this server itself, or what it stores its data in.
    OwnService,
    /// Nothing listens at port zero.
    NoPort,
    /// This network is denied.
    Denied(IpNet),
    /// This network is allowed.
    Allowed(IpNet),
    /// It is globally routable.
    Global,
    /// It is not, and nothing allows it.
    NotGlobal,
}

impl Rule {
    /// Whether packets may go there and come from there.
    pub fn permits(self) -> bool {
        match self {
            Self::OwnMedia | Self::OwnRelay | Self::Allowed(_) | Self::Global => true,
            Self::OwnService | Self::NoPort | Self::Denied(_) | Self::NotGlobal => false,
        }
    }
}

impl PeerPolicy {
    /// The rule that decides about `peer`.
    pub fn judge(&self, peer: SocketAddr) -> Rule {
        let canonical = SocketAddr::new(canonical(peer.ip()), peer.port());
        if self.own_media.contains(&canonical) {
            return Rule::OwnMedia;
        }
        if peer.port() == 0 {
            return Rule::NoPort;
        }
        if self.own_services.contains(&canonical) {
            return Rule::OwnService;
        }
        let own = self.own_relays.as_ref().is_some_and(|own| own.ports.contains(&peer.port()));
        match self.judge_network(peer.ip()) {
            Rule::NotGlobal if own && self.relays_at(canonical.ip()) => Rule::OwnRelay,
            rule => rule,
        }
    }

    /// The rule that decides about an address, whatever the port.
    pub fn judge_network(&self, ip: IpAddr) -> Rule {
        let inner = canonical(ip);
        let denies = |net: &&IpNet| net.contains(&ip) || net.contains(&inner);
        if let Some(net) = self.denied.iter().find(denies) {
            return Rule::Denied(*net);
        }
        if let Some(net) = self.allowed.iter().find(|net| net.contains(&inner)) {
            return Rule::Allowed(*net);
        }
        if global(ip) && global(inner) { Rule::Global } else { Rule::NotGlobal }
    }

    /// Whether packets may go to and come from `peer`.
    pub fn permits(&self, peer: SocketAddr) -> bool {
        self.judge(peer).permits()
    }

    /// Whether a permission, which names no port, may be given for `ip`.
    pub fn permits_address(&self, ip: IpAddr) -> bool {
        let own = canonical(ip);
        if self.own_media.iter().any(|media| media.ip() == own) {
            return true;
        }
        match self.judge_network(ip) {
            Rule::NotGlobal => self.relays_at(own),
            rule => rule.permits(),
        }
    }

    fn relays_at(&self, ip: IpAddr) -> bool {
        self.own_relays.as_ref().is_some_and(|own| own.addresses.contains(&ip))
    }
}

/// The address that packets for `ip` reach in the end: IPv4 that is written as or carried in IPv6
/// is unwrapped until nothing is left to unwrap.
#[inline]
pub fn canonical(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => embedded(v6).map_or(ip, IpAddr::V4),
    }
}

/// The IPv4 address inside an IPv6 one, in every notation that network stacks or gateways undo.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = ip.segments();
    let tail = ipv4(s6, s7);
    match [s0, s1, s2, s3, s4, s5] {
        // Mapped (RFC 4291, 2.5.5.2), its old form with ffff one group earlier (SIIT, RFC 2765).
        [0, 0, 0, 0, 0, 0xffff] | [0, 0, 0, 0, 0xffff, 0] => Some(tail),
        // Compatible (RFC 4291, 2.5.5.1); :: and ::1 are themselves.
        [0, 0, 0, 0, 0, 0] if s6 != 0 || s7 > 1 => Some(tail),
        // NAT64, well-known and local-use (RFC 6052, RFC 8215).
        [0x64, 0xff9b, 0, 0, 0, 0] | [0x64, 0xff9b, 1, ..] => Some(tail),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(ipv4(high, low)),
        // Teredo: the client's address, inverted (RFC 4380).
        [0x2001, 0, ..] => Some(ipv4(!s6, !s7)),
        // ISATAP (RFC 5214).
        [_, _, _, _, 0 | 0x200, 0x5efe] => Some(tail),
        _ => None,
    }
}

fn global(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !NOT_GLOBAL_V4.iter().any(|net| net.contains(&ip)),
        IpAddr::V6(ip) => {
            GLOBAL_V6.contains(&ip) && !NOT_GLOBAL_V6.iter().any(|net| net.contains(&ip))
        }
    }
}

fn ipv4(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}

const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

#[cfg(test)]
mod tests {
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
        for text in
            ["::", "::1", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1", "100::1", "5f00::1"]
        {
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
}
