//! What can go wrong between a client and a relay, as it is seen from here.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use super::certificate::{Fault, Shown};

/// What stopped a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The resolver gave no address; what it says.
    NoAddress(String),
    /// This machine has no way there, such as no IPv6 at all.
    NoRoute,
    /// The other side says that nothing is there.
    Refused,
    /// Nobody answered an attempt to connect.
    NoConnection,
    /// Connected, or over datagrams, and no answer.
    Silent,
    /// The connection ended or was reset.
    Cut,
    /// Something answers that is not what was asked for.
    Speaks(Language),
    /// The certificate proves nothing.
    Certificate { fault: Fault, shown: Box<Shown> },
    /// The server wants to hear of another protocol than `stun.turn` (RFC 7443).
    AlpnRefused,
    /// The handshake came to nothing; what TLS says.
    Handshake(String),
    /// A relay asks who we are, and we have nothing to say.
    CredentialsWanted { realm: String },
    /// The relay refused with an error code (RFC 8656, section 19).
    Code { code: u16, alternate: Option<SocketAddr> },
    /// A credential of the same secret that expires much later is taken.
    ClockAhead,
    /// A success without what was asked for.
    Incomplete,
    /// Packets of a plain socket do not get to the relayed address and back.
    Unreached,
    /// The relay took packets for itself, and they did not arrive.
    Lost(Parcel),
    /// What the operating system says.
    System(String),
}

/// Packets that were sent through the relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) bytes: usize,
    pub(crate) in_channel: bool,
    /// Smaller ones had arrived before, the same way.
    pub(crate) smaller_arrived: bool,
}

/// What something that is not TURN speaks, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Http,
    Ssh,
    Tls,
    Mail,
    Unknown,
}

impl Language {
    pub(crate) fn of(first: &[u8]) -> Self {
        match first {
            [b'H', b'T', b'T', b'P', b'/', ..] | [b'<', ..] => Self::Http,
            [b'S', b'S', b'H', b'-', ..] => Self::Ssh,
            // A record of an alert or of a handshake (RFC 8446, section 5.1).
            [0x15 | 0x16, 3, ..] => Self::Tls,
            [b'2', b'2', b'0', b' ' | b'-', ..] => Self::Mail,
            _ => Self::Unknown,
        }
    }
}

impl From<&Error> for Trouble {
    fn from(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::NetworkUnreachable
            | ErrorKind::HostUnreachable
            | ErrorKind::AddrNotAvailable
            | ErrorKind::Unsupported => Self::NoRoute,
            ErrorKind::TimedOut => Self::NoConnection,
            ErrorKind::ConnectionReset
            | ErrorKind::ConnectionAborted
            | ErrorKind::BrokenPipe
            | ErrorKind::UnexpectedEof => Self::Cut,
            _ => Self::System(error.to_string()),
        }
    }
}

/// A span as people read it.
pub(crate) fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let count =
        |number: u64, unit: &str| format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
    match seconds {
        0 if duration.as_millis() == 0 => "0 s".to_owned(),
        0 => format!("{} ms", duration.as_millis()),
        1..120 => format!("{seconds} s"),
        120..7_200 => count(seconds / 60, "minute"),
        7_200..172_800 => count(seconds / 3_600, "hour"),
        172_800..63_072_000 => count(seconds / 86_400, "day"),
        _ => count(seconds / 31_536_000, "year"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_is_known_by_its_first_bytes() {
        for (first, language) in [
            (&b"HTTP/1.1 400 Bad Request\r\n"[..], Language::Http),
            (b"SSH-2.0-OpenSSH_9", Language::Ssh),
            (&[0x15, 3, 3, 0, 2, 2, 10], Language::Tls),
            (b"220 mail.example.org", Language::Mail),
            (b"", Language::Unknown),
        ] {
            assert_eq!(Language::of(first), language);
        }
    }

    #[test]
    fn spans_are_read_in_one_unit() {
        let told = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(told(0), "0 s");
        assert_eq!(told(5), "5 s");
        assert_eq!(told(600), "10 minutes");
        assert_eq!(told(3 * 3_600), "3 hours");
        assert_eq!(told(71 * 86_400), "71 days");
        assert_eq!(told(2000 * 86_400), "5 years");
        assert_eq!(span(Duration::from_millis(12)), "12 ms");
    }
}
