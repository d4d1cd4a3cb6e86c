//! Where the relay listens, where it relays, and how others see both.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use confer_turn_core::{Behaviour, OwnRelays, Transport};
use confer_turn_net::{Listener, RelayAddress};

use crate::config::{Config, TurnConfig};
use crate::interfaces;

/// The port of STUN and TURN (RFC 8656, section 17).
const PORT: u16 = 3478;
const EVERY: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

pub(super) fn listeners(config: &Config, certificate: bool) -> Vec<Listener> {
    let turn = &config.turn;
    let transports: Vec<Transport> = turn
        .transports
        .iter()
        .map(|transport| Transport::from(*transport))
        .filter(|transport| certificate || !matches!(transport, Transport::Tls | Transport::Dtls))
        .collect();
    let listener = |address| Listener { address, transports: transports.clone() };
    listening(turn).into_iter().map(listener).collect()
}

/// Where clients come in.
pub(super) fn listening(turn: &TurnConfig) -> Vec<SocketAddr> {
    let everywhere = [SocketAddr::new(EVERY, PORT)];
    let configured = match turn.listen.as_slice() {
        [] => &everywhere,
        configured => configured,
    };
    by_family(configured, |ip| UdpSocket::bind((ip, 0)).is_ok())
}

/// `::` means every address, IPv4 included, as in other settings; a socket of the relay has one
/// family, and not every host has both.
fn by_family(configured: &[SocketAddr], has: impl Fn(IpAddr) -> bool) -> Vec<SocketAddr> {
    let mut found = Vec::new();
    for address in configured {
        let families = match address.ip() {
            EVERY => {
                [EVERY, Ipv4Addr::UNSPECIFIED.into()].into_iter().filter(|ip| has(*ip)).collect()
            }
            ip => vec![ip],
        };
        for address in families.into_iter().map(|ip| SocketAddr::new(ip, address.port())) {
            if address.port() == 0 || !found.contains(&address) {
                found.push(address);
            }
        }
    }
    found
}

/// Where packets are relayed from, and what peers see instead. Several of one family belong to
/// interfaces of their own, in the order in which they were named.
pub(super) fn relay_addresses(config: &Config) -> Vec<RelayAddress> {
    paired(&config.turn.relay_addresses, &external_addresses(config))
}

fn paired(bound: &[IpAddr], external: &[IpAddr]) -> Vec<RelayAddress> {
    let [mut v4, mut v6] = [true, false].map(|wanted| {
        let of_family = move |ip: &&IpAddr| ip.is_ipv4() == wanted;
        bound.iter().filter(of_family).copied()
    });
    let pair = |external: &IpAddr| {
        let bind = match external {
            IpAddr::V4(_) => v4.next().unwrap_or(Ipv4Addr::UNSPECIFIED.into()),
            IpAddr::V6(_) => v6.next().unwrap_or(Ipv6Addr::UNSPECIFIED.into()),
        };
        RelayAddress { bind, external: *external }
    };
    external.iter().map(pair).collect()
}

/// Relayed addresses as peers see them. Those that nobody named are at most one of each family.
pub(super) fn external_addresses(config: &Config) -> Vec<IpAddr> {
    let turn = &config.turn;
    if !turn.external_addresses.is_empty() {
        return turn.external_addresses.clone();
    }
    if turn.relay_addresses.iter().any(|ip| !ip.is_unspecified()) {
        let real = |ip: &&IpAddr| !ip.is_unspecified();
        return turn.relay_addresses.iter().filter(real).copied().collect();
    }
    let found = announced(config);
    let of = |v4: bool| found.iter().find(|ip| ip.is_ipv4() == v4).copied();
    [of(true), of(false)].into_iter().flatten().collect()
}

/// What the relay's URLs name. A name leads clients of either family here; where there is none, each
/// needs an address of its own.
pub(super) fn hosts(
    named: Option<&str>,
    external: &[IpAddr],
    listening: &[SocketAddr],
) -> Vec<String> {
    let written = |host: String| if host.contains(':') { format!("[{host}]") } else { host };
    if let Some(named) = named {
        return vec![written(named.to_owned())];
    }
    let served = |host: &String| listening.iter().any(|listener| leads_to(host, listener.ip()));
    [true, false]
        .iter()
        .filter_map(|v4| external.iter().find(|ip| ip.is_ipv4() == *v4))
        .map(|ip| written(ip.to_string()))
        .filter(served)
        .collect()
}

/// Whether clients that are sent to `host` arrive at a listener.
pub(super) fn leads_to(host: &str, listener: IpAddr) -> bool {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(ip) if listener.is_loopback() => ip.is_loopback(),
        Ok(ip) => ip.is_ipv4() == listener.is_ipv4() || listener == Ipv6Addr::UNSPECIFIED,
        // Names are for others.
        Err(_) => !listener.is_loopback(),
    }
}

/// Where two clients of this relay meet, if the operator has named it; on loopback they need not.
pub(super) fn own_relays(turn: &TurnConfig) -> Option<OwnRelays> {
    let named = match turn.external_addresses.as_slice() {
        [] => &turn.relay_addresses,
        external => external,
    };
    let addresses: Vec<IpAddr> =
        named.iter().filter(|ip| !ip.is_unspecified() && !ip.is_loopback()).copied().collect();
    (!addresses.is_empty()).then(|| OwnRelays { addresses, ports: turn.relay_ports.clone() })
}

/// Behaviour discovery needs two addresses with the same two ports (RFC 5780, section 3).
pub(super) fn behaviour(listen: &[SocketAddr]) -> Option<Behaviour> {
    let (first, rest) = listen.split_first()?;
    let port = rest.iter().find(|at| at.ip() == first.ip())?.port();
    let ip = rest.iter().find(|at| at.ip() != first.ip() && at.is_ipv4() == first.is_ipv4())?.ip();
    let at = |ip, port| SocketAddr::new(ip, port);
    let addresses = [[*first, at(first.ip(), port)], [at(ip, first.port()), at(ip, port)]];
    let served = addresses.iter().flatten().all(|address| listen.contains(address));
    (served && !first.ip().is_unspecified()).then_some(Behaviour { addresses })
}

/// By which addresses others know this host.
fn announced(config: &Config) -> Vec<IpAddr> {
    beyond_loopback(match config.rtc.announce.as_slice() {
        [] => interfaces::addresses(),
        announced => announced.to_vec(),
    })
}

/// Loopback helps nobody where there is something better, and what is relayed over it does not come
/// from the relayed address that clients know.
fn beyond_loopback(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    if addresses.iter().any(|ip| !ip.is_loopback()) {
        addresses.retain(|ip| !ip.is_loopback());
    }
    addresses
}

/// Where the media plane is reached, which the relay always permits.
pub(super) fn media_endpoints(config: &Config, bound: &[SocketAddr]) -> BTreeSet<SocketAddr> {
    let announced = announced(config);
    let at = |address: &SocketAddr| {
        let ips = match (address.ip().is_unspecified(), config.rtc.announce.is_empty()) {
            (false, true) => vec![address.ip()],
            (true, _) | (false, false) => announced.clone(),
        };
        ips.into_iter().map(|ip| SocketAddr::new(ip, address.port())).collect::<Vec<_>>()
    };
    bound.iter().flat_map(at).map(|at| SocketAddr::new(at.ip().to_canonical(), at.port())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_addresses_with_two_ports_each_turn_on_behaviour_discovery() {
        let at = |text: &str| text.parse::<SocketAddr>().expect("a literal");
        let mut listen: Vec<SocketAddr> =
            ["192.0.2.1:3478", "192.0.2.1:3479", "192.0.2.2:3478"].map(at).into();
        assert_eq!(behaviour(&listen), None);
        listen.push(at("192.0.2.2:3479"));
        let found = behaviour(&listen).expect("all four are served");
        assert_eq!(found.addresses[1][1], at("192.0.2.2:3479"));
    }

    #[test]
    fn every_address_means_both_families_where_the_host_has_them() {
        let listening = |configured: &[&str], has: fn(IpAddr) -> bool| -> Vec<String> {
            let configured: Vec<SocketAddr> =
                configured.iter().map(|text| text.parse().expect("a literal")).collect();
            by_family(&configured, has).iter().map(ToString::to_string).collect()
        };
        let both = listening(&["[::]:3478", "[::]:5349"], |_| true);
        assert_eq!(both, ["[::]:3478", "0.0.0.0:3478", "[::]:5349", "0.0.0.0:5349"]);
        assert_eq!(listening(&["[::]:3478"], |ip| ip.is_ipv4()), ["0.0.0.0:3478"]);
        let named = ["0.0.0.0:3478", "[::]:3478", "[2001:db8::1]:3479"];
        assert_eq!(
            listening(&named, |_| true),
            ["0.0.0.0:3478", "[::]:3478", "[2001:db8::1]:3479"]
        );
        assert_eq!(listening(&["0.0.0.0:3478"], |_| true), ["0.0.0.0:3478"]);
    }

    #[test]
    fn without_a_name_clients_of_both_families_are_told_an_address() {
        let of = |named: Option<&str>, external: &[&str], listening: &[&str]| {
            let external: Vec<IpAddr> =
                external.iter().map(|text| text.parse().expect("a literal")).collect();
            let listening: Vec<SocketAddr> =
                listening.iter().map(|text| text.parse().expect("a literal")).collect();
            hosts(named, &external, &listening)
        };
        let both = ["203.0.113.5", "203.0.113.6", "2001:db8::5"];
        let everywhere = ["[::]:3478", "0.0.0.0:3478"];
        assert_eq!(of(None, &both, &everywhere), ["203.0.113.5", "[2001:db8::5]"]);
        assert_eq!(of(None, &both, &["10.0.0.5:3478"]), ["203.0.113.5"]);
        assert_eq!(of(Some("turn.example"), &both, &everywhere), ["turn.example"]);
        assert_eq!(of(Some("2001:db8::7"), &both, &everywhere), ["[2001:db8::7]"]);
    }

    #[test]
    fn whoever_is_sent_to_loopback_is_here() {
        let at = |text: &str| text.parse::<IpAddr>().expect("a literal");
        assert!(leads_to("127.0.0.1", at("127.0.0.1")));
        assert!(!leads_to("203.0.113.5", at("127.0.0.1")));
        assert!(!leads_to("meet.example", at("127.0.0.1")));
        assert!(leads_to("meet.example", at("0.0.0.0")));
        assert!(leads_to("203.0.113.5", at("::")));
        assert!(!leads_to("[2001:db8::5]", at("0.0.0.0")));
    }

    #[test]
    fn loopback_counts_only_where_there_is_nothing_else() {
        let ips = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().expect("a literal")).collect()
        };
        assert_eq!(beyond_loopback(ips(&["10.0.0.5", "127.0.0.1", "::1"])), ips(&["10.0.0.5"]));
        assert_eq!(beyond_loopback(ips(&["127.0.0.1", "::1"])), ips(&["127.0.0.1", "::1"]));
    }

    #[test]
    fn every_interface_has_its_own_external_address() {
        let ips = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().expect("a literal")).collect()
        };
        let pairs = |bound: &[&str], external: &[&str]| -> Vec<String> {
            let found = paired(&ips(bound), &ips(external));
            found.iter().map(|one| format!("{}={}", one.bind, one.external)).collect()
        };
        assert_eq!(pairs(&[], &["203.0.113.5"]), ["0.0.0.0=203.0.113.5"]);
        assert_eq!(
            pairs(
                &["10.0.0.5", "2001:db8::5", "10.1.0.5"],
                &["203.0.113.5", "203.0.113.6", "2001:db8::9"]
            ),
            ["10.0.0.5=203.0.113.5", "10.1.0.5=203.0.113.6", "2001:db8::5=2001:db8::9"]
        );
    }
}
