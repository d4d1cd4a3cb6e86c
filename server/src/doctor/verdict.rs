//! What a trouble most likely means, and what to do next. No socket, no clock.
//!
//! Settings are named as confer has them; they are one line away from what other relays call them.

use std::time::Duration;

use confer_turn_core::Transport;

use super::certificate::{Fault, Shown};
use super::codes;
use super::login::Login;
use super::report::{Finding, Outcome, Step};
use super::target::Place;
use super::trouble::{Language, Parcel, Trouble, span};

/// Certificates that end sooner than this are worth a warning.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// The circumstances of a trouble.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) place: &'a Place,
    pub(crate) login: &'a Login,
    pub(crate) step: Step,
    /// How long was waited for each answer.
    pub(crate) patience: Duration,
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// The relayed address is a private one of a server with a public one.
    pub(crate) misnamed: bool,
}

/// A trouble in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) outcome: Outcome,
    pub(crate) says: String,
    pub(crate) means: Option<String>,
    pub(crate) next: Option<String>,
}

impl Verdict {
    fn new(outcome: Outcome, says: impl Into<String>) -> Self {
        Self { outcome, says: says.into(), means: None, next: None }
    }

    pub(super) fn good(says: impl Into<String>) -> Self {
        Self::new(Outcome::Good, says)
    }

    pub(super) fn warning(says: impl Into<String>) -> Self {
        Self::new(Outcome::Warning, says)
    }

    pub(super) fn skipped(says: impl Into<String>) -> Self {
        Self::new(Outcome::Skipped, says)
    }

    pub(super) fn failed(says: impl Into<String>) -> Self {
        Self::new(Outcome::Failed, says)
    }

    pub(super) fn means(self, means: impl Into<String>) -> Self {
        Self { means: Some(means.into()), ..self }
    }

    pub(super) fn next(self, next: impl Into<String>) -> Self {
        Self { next: Some(next.into()), ..self }
    }

    /// Of something that need not be there: said, and not explained.
    pub(crate) fn absent(self) -> Self {
        Self { outcome: Outcome::Absent, means: None, next: None, ..self }
    }

    /// As a line of the report.
    pub(crate) fn finding(self, step: Step, took: Duration) -> Finding {
        let Self { outcome, says, means, next } = self;
        Finding { step, outcome, says, means, next, took: Some(took) }
    }
}

/// Says what a trouble means.
pub(crate) fn explain(trouble: &Trouble, scene: &Scene<'_>) -> Verdict {
    let Place { host, port, transport, .. } = scene.place;
    let carrier = if transport.is_stream() { "TCP" } else { "UDP" };
    let patience = span(scene.patience);
    match trouble {
        Trouble::NoAddress(why) => Verdict::failed(format!("{host} has no address ({why})"))
            .means("The name is misspelt or not published, or this machine's DNS does not answer.")
            .next(format!(
                "Look at `getent hosts {host}` here and elsewhere; the name needs an A or \
                           AAAA record."
            )),
        Trouble::NoRoute => Verdict::failed("there is no way there from this machine")
            .means("This machine has no address of that family, or no route."),
        Trouble::Refused => {
            Verdict::failed(format!("refused: nothing listens at {carrier} port {port}"))
                .means(
                    "The machine is reached. The relay does not run there or does not serve this \
                    transport at this port; some firewalls refuse in its name.",
                )
                .next(
                    "Check that the relay runs, and `turn.listen` and `turn.transports` of its \
                   configuration.",
                )
        }
        Trouble::NoConnection => Verdict::failed(format!("no connection within {patience}"))
            .means(format!(
                "A firewall drops TCP to port {port} without a word, here or at the \
                            server, or the machine is off."
            ))
            .next(format!(
                "Open TCP port {port} at the server: the host's firewall, and the cloud's \
                           security group."
            )),
        Trouble::Silent => silent(scene, carrier, &patience),
        Trouble::Cut => cut(scene),
        Trouble::Speaks(Language::Unknown) if scene.step == Step::Handshake => {
            Verdict::failed("what answers here does not speak TLS")
                .means("It is a service without TLS, or the relay has no certificate.")
                .next(
                    "Give the relay a certificate (`[tls]`) and let it serve `tls` \
                       (`turn.transports`); without TLS the URL begins with turn:.",
                )
        }
        Trouble::Speaks(language) => speaks(*language, scene.place),
        Trouble::Certificate { fault, shown } => certificate(fault, shown, host, scene.now),
        Trouble::AlpnRefused => {
            Verdict::warning("the server refuses the protocol name `stun.turn`").means(
                "It wants to hear of another protocol in the handshake (ALPN, RFC 7443). \
                    Browsers name none and get through.",
            )
        }
        Trouble::Handshake(why) => Verdict::failed(format!("no handshake: {why}"))
            .means(
                "The two sides found no common way to speak, or something on the way takes \
                    the connection apart.",
            )
            .next("Look at the server's certificate and TLS versions (1.2 or 1.3)."),
        Trouble::CredentialsWanted { realm } => {
            let says = format!("credentials are wanted (realm {realm:?}); none were given");
            Verdict::skipped(says)
                .next("Give --user with --password-file, or --secret-file, to look further.")
        }
        Trouble::Code { code, alternate } => codes::explain(*code, *alternate, scene),
        Trouble::ClockAhead => codes::clock_ahead(),
        Trouble::Incomplete => Verdict::failed("granted, but the answer names no address")
            .means("The server breaks RFC 8656, or something on the way rewrites what it says."),
        Trouble::Unreached => unreached(scene),
        Trouble::Lost(parcel) => lost(*parcel, scene),
        Trouble::System(why) => Verdict::failed(why.clone()),
    }
}

fn silent(scene: &Scene<'_>, carrier: &str, patience: &str) -> Verdict {
    let Place { port, transport, .. } = scene.place;
    let says = Verdict::failed(format!("no answer within {patience}"));
    if scene.step == Step::Handshake && transport.is_stream() {
        return says
            .means(
                "Something accepts connections there and waits for what is not TLS, or a \
                    firewall holds the handshake back.",
            )
            .next("Check that this port serves TLS.");
    }
    match (transport.is_stream(), scene.step) {
        (false, Step::Binding | Step::Handshake) => says
            .means(format!(
                "Most likely a firewall drops UDP to port {port}, here or at the server; or {} \
                 there.",
                if *transport == Transport::Dtls {
                    "DTLS is not served"
                } else {
                    "no relay listens"
                }
            ))
            .next(format!(
                "Open UDP port {port} at the server: the host's firewall, and the cloud's security \
                 group. Where this network blocks UDP, clients need TCP, or TLS on port 443."
            )),
        (true, Step::Binding) => says
            .means(
                "Something accepts connections there that does not speak TURN: a load balancer \
                    without a relay behind it, another service, or a relay that waits for the \
                    header of its proxy (`turn.proxies`).",
            )
            .next(format!("Find out what listens at {carrier} port {port}.")),
        (_, _) => says.means(
            "It answered before. The server is overloaded, was stopped just now, or packets get \
             lost on the way.",
        ),
    }
}

fn cut(scene: &Scene<'_>) -> Verdict {
    if scene.step == Step::Handshake {
        return Verdict::failed("the connection was cut during the handshake")
            .means(
                "This port does not speak TLS, the server has no certificate, or a firewall \
                    that looks into TLS does not like what it sees.",
            )
            .next(
                "Check that the relay has a certificate (`[tls]`) and serves `tls` (\
                   `turn.transports`); then try from another network.",
            );
    }
    Verdict::failed("the connection was cut")
        .means(
            "What listens there does not speak TURN, refuses so many connections from one \
                address (`turn.connections-per-prefix`), or a firewall ends what it does not know.",
        )
        .next("Try from another network; look at the server's metrics.")
}

fn speaks(language: Language, place: &Place) -> Verdict {
    let Place { host, port, .. } = place;
    match language {
        Language::Http => Verdict::failed("a web server answers here, and not a relay")
            .means("The port belongs to HTTP, or a proxy on the way answers in the relay's name.")
            .next(
                "confer carries TURN on the port of `http.listen` where the role turn runs and \
                   `turn.share-http-port` is on. A proxy in front must pass the TCP stream on \
                   as it is.",
            ),
        Language::Ssh => Verdict::failed("an SSH server answers here, and not a relay"),
        Language::Mail => Verdict::failed("a mail or file server answers here, and not a relay"),
        Language::Tls => {
            let instead = Place { transport: Transport::Tls, ..place.clone() };
            Verdict::failed("only TLS is spoken here").next(format!("Use {instead}."))
        }
        Language::Unknown => Verdict::failed("what answers here is not a relay")
            .next(format!("Find out what listens at port {port} of {host}.")),
    }
}

/// What is wrong with a certificate; its facts are told with it.
fn certificate(fault: &Fault, shown: &Shown, host: &str, now: u64) -> Verdict {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let since = |then: i64| span(Duration::from_secs(now.abs_diff(then)));
    let facts = facts(shown);
    match fault {
        Fault::Expired => Verdict::failed(format!("expired {} ago: {facts}", since(shown.until)))
            .means("Nobody renewed it, or the server was not told of the new one.")
            .next("Renew it. confer takes a new file up by itself; others may need a reload."),
        Fault::NotYet => Verdict::failed(format!("good in {} only: {facts}", since(shown.from)))
            .means("The clock of this machine, or of who issued it, is wrong.")
            .next("Compare `date -u` here with the time."),
        Fault::OtherName => Verdict::failed(format!("not for {host}: {facts}"))
            .means(
                "Another server or a proxy answers here, or the name is missing in the \
                    certificate.",
            )
            .next(format!("Get a certificate that names {host}, or use the name it has.")),
        Fault::UnknownIssuer if shown.self_signed => {
            Verdict::failed(format!("self-signed: {facts}"))
                .means("Nobody vouches for it: browsers refuse it for TURN without asking.")
                .next(
                    "Use one of a public authority (`[tls]` mode `files`); --ca FILE trusts this \
                       one for the test.",
                )
        }
        Fault::UnknownIssuer => Verdict::failed(format!("vouched for by nobody known: {facts}"))
            .means(if shown.others == 0 {
                "The server sends no intermediate certificate, the authority is a private one, or \
                 a proxy on the way opens TLS and shows its own."
            } else {
                "The authority is a private one, or a proxy on the way opens TLS and shows a \
                 certificate of its own: is the issuer your company's or a security product's?"
            })
            .next(
                "Serve the whole chain. For a private authority, give --ca FILE here, and clients \
                   must have it installed. A proxy that opens TLS must let this host pass.",
            ),
        Fault::NothingTrusted => {
            Verdict::failed(format!("this machine knows no authority to judge it by: {facts}"))
                .next("Install the package `ca-certificates`, or give --ca FILE.")
        }
        Fault::Other(why) => Verdict::failed(format!("{why}: {facts}")),
    }
}

fn facts(shown: &Shown) -> String {
    let issuer = if shown.self_signed { "itself" } else { &shown.issuer };
    format!("for {}, issued by {issuer}", shown.names())
}

/// What there is to say about a certificate that proves what it should.
pub(crate) fn good_certificate(shown: &Shown, now: u64) -> Verdict {
    let left = u64::try_from(shown.until).unwrap_or_default().saturating_sub(now);
    let left = Duration::from_secs(left);
    let says = format!("{}, good for {} more", facts(shown), span(left));
    if left < SOON {
        return Verdict::warning(says).next("Renew it now; confer takes a new file up by itself.");
    }
    Verdict::good(says)
}

fn unreached(scene: &Scene<'_>) -> Verdict {
    let says =
        Verdict::warning("packets of a socket of this machine do not reach the relayed address");
    if scene.misnamed {
        return says.means("It is a private address, which leads nowhere from outside.");
    }
    says.means(
        "The relay ports are closed from outside, or this network lets no UDP out. Peers that \
                the relay sends to first may still answer; calls to others fail.",
    )
    .next(
        "Open UDP for all of `turn.relay-ports` at the server: the host's firewall, and the \
               cloud's security group.",
    )
}

fn lost(parcel: Parcel, scene: &Scene<'_>) -> Verdict {
    let Parcel { bytes, in_channel, smaller_arrived } = parcel;
    let carried = if in_channel { "in a channel" } else { "in Send indications" };
    let says = Verdict::failed(format!("packets of {bytes} bytes {carried} did not arrive"));
    if smaller_arrived {
        return says
            .means(
                "Smaller ones did: packets of this size get lost on the way (MTU of a tunnel or \
                    VPN, or fragments that a firewall drops).",
            )
            .next("Let ICMP \"fragmentation needed\" pass, or lower the MTU of the interface.");
    }
    if in_channel {
        return says.means(
            "Send indications did, so the ports are open; the server's channels do not work.",
        );
    }
    if scene.misnamed {
        return says
            .means("The relay names a private address that leads nowhere from outside.")
            .next("Set `turn.external-addresses` to the public address of the server.");
    }
    says.means(
        "The relay was sent packets to its own relayed address. Its relay ports are closed, \
                or the network in front of it does not lead its own public address back to it \
                (hairpinning); then only calls between two relayed clients fail.",
    )
    .next(
        "Open UDP for all of `turn.relay-ports` at the server: the host's firewall, and the \
               cloud's security group.",
    )
}

/// What there is to say about the address by which a relay sees us.
pub(crate) fn mapped(seen: std::net::SocketAddr, own: std::net::SocketAddr) -> String {
    if seen == own {
        return format!("seen as {seen}, as it is: no NAT on the way");
    }
    if seen.ip() == own.ip() {
        return format!("seen as {seen}: the port is translated on the way");
    }
    format!("seen as {seen}, so this machine is behind NAT")
}

/// A relay with a public address that names a private one.
pub(crate) fn private_address(says: String) -> Verdict {
    Verdict::warning(says)
        .means(
            "The server is reached at a public address, and relays at a private one that peers \
                cannot reach.",
        )
        .next("Set `turn.external-addresses` to the public address (coturn: external-ip).")
}

/// A relay that did not ask who we are.
pub(crate) fn open_relay(says: String) -> Verdict {
    Verdict::warning(says)
        .means("The server did not ask for credentials: anybody may relay through it.")
        .next("Switch authentication on before somebody finds it.")
}

#[cfg(test)]
mod tests;
