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
    /// This host, of whose globally routable addresses nothing else is reachable. What listens there
    /// takes packets from this host for its neighbours', and no firewall has seen them.
    pub this_host: Option<ThisHost>,
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

/// The host that the relay runs on.
#[derive(Clone, Debug)]
pub struct ThisHost {
    pub addresses: BTreeSet<IpAddr>,
    /// Where two clients of this server meet.
    pub relay_ports: RangeInclusive<u16>,
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
    /// It is another service of this host, and nothing allows it.
    OwnHost,
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
            Self::OwnService | Self::OwnHost | Self::NoPort | Self::Denied(_) | Self::NotGlobal => {
                false
            }
        }
    }
}

impl PeerPolicy {
    /// The rule that decides about `peer`.
    pub fn judge(&self, peer: SocketAddr) -> Rule {
        let layers = layers(peer.ip());
        let [plain, _] = layers;
        let port = peer.port();
        if self.own_media.contains(&SocketAddr::new(plain, port)) {
            return Rule::OwnMedia;
        }
        if port == 0 {
            return Rule::NoPort;
        }
        if layers.iter().any(|ip| self.own_services.contains(&SocketAddr::new(*ip, port))) {
            return Rule::OwnService;
        }
        let own = self.own_relays.as_ref().is_some_and(|own| own.ports.contains(&port));
        let kept =
            |host: &ThisHost| host.addresses.contains(&plain) && !host.relay_ports.contains(&port);
        match self.judge_network(peer.ip()) {
            Rule::NotGlobal if own && self.relays_at(plain) => Rule::OwnRelay,
            Rule::Global if self.this_host.as_ref().is_some_and(kept) => Rule::OwnHost,
            rule => rule,
        }
    }

    /// The rule that decides about an address, whatever the port. Both the address that packets are
    /// sent to and one that it carries have to be reachable: what is written inside an address that
    /// nobody undoes opens nothing, and what a gateway undoes is not hidden.
    pub fn judge_network(&self, ip: IpAddr) -> Rule {
        let layers = layers(ip);
        let holds = |net: &&IpNet| layers.iter().any(|layer| net.contains(layer));
        if let Some(net) = self.denied.iter().find(|net| net.contains(&ip) || holds(net)) {
            return Rule::Denied(*net);
        }
        let allowed = |layer: &IpAddr| self.allowed.iter().find(|net| net.contains(layer));
        if !layers.iter().all(|layer| global(*layer) || allowed(layer).is_some()) {
            return Rule::NotGlobal;
        }
        let found = layers.iter().find_map(allowed);
        found.map_or(Rule::Global, |net| Rule::Allowed(*net))
    }

    /// Whether packets may go to and come from `peer`.
    pub fn permits(&self, peer: SocketAddr) -> bool {
        self.judge(peer).permits()
    }

    /// Whether a permission, which names no port, may be given for `ip`.
    pub fn permits_address(&self, ip: IpAddr) -> bool {
        let own = ip.to_canonical();
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

/// The address that packets for `ip` are sent to, which is the same whether it is written as IPv4 or
/// mapped, and the one that they reach in the end.
fn layers(ip: IpAddr) -> [IpAddr; 2] {
    [ip.to_canonical(), canonical(ip)]
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
mod tests;
