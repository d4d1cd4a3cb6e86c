//! What is to be looked at: URLs of STUN and TURN (RFC 7064, RFC 7065), or a host alone, which
//! means every usual place.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use confer_turn_core::Transport;

/// Of STUN and TURN without TLS (RFC 8489, section 18.6; RFC 8656, section 18.10).
const PORT: u16 = 3478;
/// With TLS or DTLS.
const TLS_PORT: u16 = 5349;
/// Of HTTPS, which firewalls leave open.
const HTTPS_PORT: u16 = 443;

/// Why a text names no server.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TargetError {
    #[error("write it as turn:HOST, without `//` (RFC 7065)")]
    Slashes,
    #[error("a user does not stand in the URL; use --user")]
    User,
    #[error("`{0}` is no port")]
    Port(String),
    #[error("`{0}` is no host")]
    Host(String),
    #[error("`?{0}` is not known; there are ?transport=udp and ?transport=tcp")]
    Query(String),
}

/// What a server is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// To be told our own address, and nothing else.
    Stun,
    Turn,
}

/// One way to reach one server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) service: Service,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) transport: Transport,
}

/// What has to work: one place, or one of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) places: Vec<Place>,
    /// Nobody asked for it by name, and few servers have it.
    pub(crate) optional: bool,
}

impl Goal {
    /// What it is about, in few words.
    pub(crate) fn name(&self) -> String {
        match self.places.as_slice() {
            [] => String::new(),
            [place] => place.to_string(),
            [first, ..] => format!("{} to {}", word(first.transport), first.host),
        }
    }
}

/// The name of a transport as people write it.
pub(crate) fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
        Transport::Tls => "TLS",
        Transport::Dtls => "DTLS",
    }
}

/// What an argument of the command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked(pub(crate) Vec<Goal>);

impl FromStr for Asked {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let schemes = [
            ("turn:", Service::Turn, false),
            ("turns:", Service::Turn, true),
            ("stun:", Service::Stun, false),
            ("stuns:", Service::Stun, true),
        ];
        for (scheme, service, secure) in schemes {
            if let Some(rest) = text.strip_prefix(scheme) {
                return Ok(Self(vec![Goal {
                    places: vec![place(rest, service, secure)?],
                    optional: false,
                }]));
            }
        }
        everywhere(text)
    }
}

fn place(rest: &str, service: Service, secure: bool) -> Result<Place, TargetError> {
    let (authority, query) = match rest.split_once('?') {
        Some((authority, query)) => (authority, Some(query)),
        None => (rest, None),
    };
    let transport = match (query, secure) {
        (None | Some("transport=udp"), false) => Transport::Udp,
        (Some("transport=tcp"), false) => Transport::Tcp,
        (None | Some("transport=tcp"), true) => Transport::Tls,
        (Some("transport=udp"), true) => Transport::Dtls,
        (Some(other), _) => return Err(TargetError::Query(other.to_owned())),
    };
    let (host, port) = host_and_port(authority)?;
    let port = port.unwrap_or(if secure { TLS_PORT } else { PORT });
    Ok(Place { service, host, port, transport })
}

/// The usual places of a host, or all transports at the port that is named.
fn everywhere(text: &str) -> Result<Asked, TargetError> {
    let (host, port) = host_and_port(text)?;
    let goal = |transport, usual: &[u16], optional| {
        let place = |port| Place { service: Service::Turn, host: host.clone(), port, transport };
        let places = match port {
            Some(port) => vec![place(port)],
            None => usual.iter().copied().map(place).collect(),
        };
        Goal { places, optional }
    };
    Ok(Asked(vec![
        goal(Transport::Udp, &[PORT], false),
        goal(Transport::Tcp, &[PORT], false),
        goal(Transport::Tls, &[HTTPS_PORT, TLS_PORT, PORT], false),
        goal(Transport::Dtls, &[TLS_PORT], true),
    ]))
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), TargetError> {
    if text.contains("//") {
        return Err(TargetError::Slashes);
    }
    if text.contains('@') {
        return Err(TargetError::User);
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Ok((text.to_owned(), None));
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            let known = address.parse::<std::net::Ipv6Addr>().is_ok();
            if !known || !(rest.is_empty() || rest.starts_with(':')) {
                return Err(TargetError::Host(text.to_owned()));
            }
            (address, rest.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    // An underscore is no part of a host name, but of names that people give to containers.
    let part = |c: char| c.is_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(part) {
        return Err(TargetError::Host(host.to_owned()));
    }
    let port = port.map(|port| match port.parse() {
        Ok(0) | Err(_) => Err(TargetError::Port(port.to_owned())),
        Ok(port) => Ok(port),
    });
    Ok((host.to_owned(), port.transpose()?))
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secure = matches!(self.transport, Transport::Tls | Transport::Dtls);
        let scheme = match (self.service, secure) {
            (Service::Turn, false) => "turn",
            (Service::Turn, true) => "turns",
            (Service::Stun, false) => "stun",
            (Service::Stun, true) => "stuns",
        };
        let transport = if self.transport.is_stream() { "tcp" } else { "udp" };
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V6(address)) => write!(f, "{scheme}:[{address}]:{}", self.port)?,
            Ok(IpAddr::V4(_)) | Err(_) => write!(f, "{scheme}:{}:{}", self.host, self.port)?,
        }
        match self.service {
            Service::Turn => write!(f, "?transport={transport}"),
            Service::Stun => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(text: &str) -> String {
        let Asked(goals) = text.parse().expect("a good URL");
        let [goal] = goals.as_slice() else { panic!("one goal: {goals:?}") };
        goal.name()
    }

    #[test]
    fn a_url_names_one_place_with_its_usual_port_and_transport() {
        assert_eq!(only("turn:a.example"), "turn:a.example:3478?transport=udp");
        assert_eq!(only("turn:a.example:80?transport=tcp"), "turn:a.example:80?transport=tcp");
        assert_eq!(only("turns:a.example"), "turns:a.example:5349?transport=tcp");
        assert_eq!(
            only("turns:[2001:db8::7]?transport=udp"),
            "turns:[2001:db8::7]:5349?transport=udp"
        );
        assert_eq!(only("stun:192.0.2.7:19302"), "stun:192.0.2.7:19302");
    }

    #[test]
    fn a_host_alone_means_every_usual_place() {
        let Asked(goals) = "turn.example.org".parse().expect("a host");
        let places: Vec<String> =
            goals.iter().flat_map(|goal| &goal.places).map(Place::to_string).collect();
        assert_eq!(
            places,
            [
                "turn:turn.example.org:3478?transport=udp",
                "turn:turn.example.org:3478?transport=tcp",
                "turns:turn.example.org:443?transport=tcp",
                "turns:turn.example.org:5349?transport=tcp",
                "turns:turn.example.org:3478?transport=tcp",
                "turns:turn.example.org:5349?transport=udp",
            ]
        );
        assert_eq!(
            goals.iter().map(|goal| goal.optional).collect::<Vec<_>>(),
            [false, false, false, true]
        );
        let Asked(goals) = "[::1]:7000".parse().expect("a host");
        assert!(goals.iter().all(|goal| goal.places.len() == 1 && goal.places[0].port == 7000));
        let Asked(goals) = "::1".parse().expect("a host");
        assert_eq!(goals[0].name(), "turn:[::1]:3478?transport=udp");
    }

    #[test]
    fn what_names_no_server_is_refused_with_what_to_write() {
        let problem = |text: &str| text.parse::<Asked>().expect_err("no server").to_string();
        assert!(problem("turn://a.example").contains("without `//`"));
        assert!(problem("https://a.example").contains("without `//`"));
        assert!(problem("turn:alice@a.example").contains("--user"));
        assert!(problem("turn:a.example:http").contains("no port"));
        assert!(problem("turn:a.example:0").contains("no port"));
        assert!(problem("turn:a.example?transport=sctp").contains("transport=udp"));
        assert!(problem("turn:").contains("no host"));
        assert!(problem("turn:[nonsense]").contains("no host"));
        assert!(problem("a b").contains("no host"));
    }
}
