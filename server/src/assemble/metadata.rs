//! Where clouds answer their guests with credentials, keys and configuration. Never a peer, whatever
//! is allowed: one request there can be worth the whole account.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// In the order of their numbers. Most are not globally routable and refused anyway, until somebody
/// allows a network that they are in.
const IPV4: [Ipv4Addr; 6] = [
    // Alibaba.
    Ipv4Addr::new(100, 100, 100, 200),
    // Azure's WireServer: a public address that every guest reaches.
    Ipv4Addr::new(168, 63, 129, 16),
    // AWS, Azure, Google, Hetzner, OpenStack and others.
    Ipv4Addr::new(169, 254, 169, 254),
    // AWS, of a container task and of a pod.
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    // Oracle, classic.
    Ipv4Addr::new(192, 0, 0, 192),
];
const IPV6: [Ipv6Addr; 4] = [
    // AWS, of a pod and of an instance.
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    // Google.
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    // OpenStack.
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

/// All of them, as networks of one address.
pub(super) fn services() -> impl Iterator<Item = IpNet> {
    let v4 = IPV4.into_iter().map(IpAddr::V4);
    v4.chain(IPV6.into_iter().map(IpAddr::V6)).map(IpNet::from)
}
