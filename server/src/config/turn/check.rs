//! What a relay could start with and would serve nobody by, or nobody for long.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::TurnSection;
use crate::config::error::ConfigError;
use crate::config::tenants;

/// Permissions or channels of one allocation: every packet of it looks through them.
const MOST_PLACES: u64 = 4_096;
/// Connections of one listener: more than there are file descriptors.
const MOST_CONNECTIONS: u64 = 10_000_000;
/// Less, and a credential has expired before it is used; more is no expiry.
const CREDENTIALS_LAST: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(10 * 365 * 86_400));
const LONGEST_DRAIN: Duration = Duration::from_secs(30 * 86_400);

impl TurnSection {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(url) = self.urls.iter().find(|url| !is_turn(url)) {
            return unusable(
                "turn.urls",
                format!("`{url}` must begin with turn: or turns: (RFC 7065)"),
            );
        }
        one_for_each(&self.relay_addresses, &self.external_addresses)?;
        if let Some(ip) = self.external_addresses.iter().find(|ip| !is_one_hosts(**ip)) {
            let problem = format!("{ip} is no address of one host; name real addresses");
            return unusable("turn.external-addresses", problem);
        }
        if self.transports.is_empty() {
            let problem = "nobody could connect; name udp, tcp, tls or dtls";
            return unusable("turn.transports", problem.to_owned());
        }
        if self.alternate_server.is_some_and(|other| other.port() == 0 || !is_one_hosts(other.ip()))
        {
            let problem = "clients are sent there; name an address and a port";
            return unusable("turn.alternate-server", problem.to_owned());
        }
        self.check_limits()?;
        self.check_times()
    }

    fn check_limits(&self) -> Result<(), ConfigError> {
        for (key, limit, most) in [
            ("turn.allocations", self.allocations as u64, u64::from(u32::MAX)),
            ("turn.allocations-per-user", self.allocations_per_user.into(), u64::MAX),
            ("turn.permissions-per-user", self.permissions_per_user.into(), u64::MAX),
            (
                "turn.permissions-per-allocation",
                self.permissions_per_allocation.into(),
                MOST_PLACES,
            ),
            ("turn.channels-per-allocation", self.channels_per_allocation.into(), MOST_PLACES),
            ("turn.max-connections", self.max_connections as u64, MOST_CONNECTIONS),
            ("turn.connections-per-prefix", self.connections_per_prefix.into(), u64::MAX),
        ] {
            if limit == 0 {
                return unusable(key, "0 leaves nothing to anybody; 1 is the least".to_owned());
            }
            if limit > most {
                return unusable(key, format!("{most} is the most"));
            }
        }
        let rates = [
            ("turn.bytes-per-second", self.bytes_per_second),
            ("turn.user-bytes-per-second", self.user_bytes_per_second),
            ("turn.total-bytes-per-second", self.total_bytes_per_second),
        ];
        rates.into_iter().try_for_each(|(key, rate)| tenants::at_least_a_packet(key, rate.0 as u64))
    }

    fn check_times(&self) -> Result<(), ConfigError> {
        let (least, most) = CREDENTIALS_LAST;
        if !(least..=most).contains(&self.credential_lifetime) {
            let problem = "a credential is good for a second or more, and for ten years at most";
            return unusable("turn.credential-lifetime", problem.to_owned());
        }
        if self.drain_timeout > LONGEST_DRAIN {
            return unusable("turn.drain-timeout", "30 days is the most".to_owned());
        }
        Ok(())
    }
}

fn unusable(key: &'static str, problem: String) -> Result<(), ConfigError> {
    Err(ConfigError::Unusable { key, problem })
}

/// Several interfaces cannot share one external address: two clients would get the same port of it.
fn one_for_each(relay: &[IpAddr], external: &[IpAddr]) -> Result<(), ConfigError> {
    let key = "turn.external-addresses";
    if external.iter().collect::<BTreeSet<_>>().len() < external.len() {
        return unusable(key, "an address stands there twice".to_owned());
    }
    for v4 in [true, false] {
        let count = |list: &[IpAddr]| list.iter().filter(|ip| ip.is_ipv4() == v4).count();
        let (relay, external) = (count(relay), count(external));
        if relay.max(external) > 1 && external > 0 && relay != external {
            let family = if v4 { "IPv4" } else { "IPv6" };
            let problem = format!(
                "{external} of {family} for {relay} in turn.relay-addresses; name one for each"
            );
            return unusable(key, problem);
        }
    }
    Ok(())
}

fn is_one_hosts(ip: IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_multicast() && ip != IpAddr::from([255; 4])
}

fn is_turn(url: &str) -> bool {
    url.starts_with("turn:") || url.starts_with("turns:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(change: impl FnOnce(&mut TurnSection)) -> Option<String> {
        let mut section = TurnSection::default();
        change(&mut section);
        section.check().err().map(|error| error.to_string())
    }

    #[test]
    fn the_defaults_serve() {
        assert_eq!(told(|_| {}), None);
    }

    #[test]
    fn what_serves_nobody_is_refused() {
        type Change = fn(&mut TurnSection);
        let changes: [(Change, &str); 10] = [
            (|turn| turn.allocations_per_user = 0, "`turn.allocations-per-user`: 0 leaves"),
            (|turn| turn.max_connections = usize::MAX, "10000000 is the most"),
            (|turn| turn.channels_per_allocation = u16::MAX, "4096 is the most"),
            (|turn| turn.bytes_per_second.0 = 100, "no packet passes"),
            (|turn| turn.credential_lifetime = Duration::ZERO, "a second or more"),
            (|turn| turn.credential_lifetime = Duration::MAX, "ten years at most"),
            (|turn| turn.drain_timeout = Duration::MAX, "30 days"),
            (|turn| turn.transports.clear(), "nobody could connect"),
            (
                |turn| turn.external_addresses = vec![IpAddr::from([224, 0, 0, 1])],
                "224.0.0.1 is no address of one host",
            ),
            (
                |turn| turn.alternate_server = Some(([0, 0, 0, 0], 3478).into()),
                "name an address and a port",
            ),
        ];
        for (change, part) in changes {
            let told = told(change).expect(part);
            assert!(told.contains(part), "{told}");
        }
    }
}
