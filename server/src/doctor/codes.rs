//! What the error codes of a relay mean (RFC 8656, section 19), and what to do about them.

use std::net::SocketAddr;
use std::time::Duration;

use super::login::Login;
use super::report::Step;
use super::trouble::span;
use super::verdict::{Scene, Verdict};

/// Says what a refusal means.
pub(super) fn explain(code: u16, alternate: Option<SocketAddr>, scene: &Scene<'_>) -> Verdict {
    let failed = |what: &str| Verdict::failed(format!("{code}: {what}"));
    match code {
        300 => elsewhere(alternate),
        400 => failed("the request was not understood")
            .means("The server does not know a part of it, or something on the way rewrites it."),
        401 => unauthorized(scene),
        403 if scene.step == Step::Peer => {
            Verdict::skipped("403: the policy does not let the relay reach this machine")
        }
        403 if scene.step == Step::Relay => refused_peer(scene),
        403 => failed("this user may not relay").next("Look at the policy of the server."),
        420 => failed("the server does not know an attribute that it must know")
            .means("It implements an older standard than RFC 8656."),
        437 => failed("this address and port hold an allocation already")
            .means("A NAT on the way used the port of somebody else's allocation again.")
            .next("Try again; a minute or ten later if need be."),
        438 => failed("every nonce is stale")
            .means(
                "Requests reach different servers that do not share their nonce secret, or the \
                    address we are seen by changes between packets (NAT with several addresses).",
            )
            .next("Let a load balancer keep a client at one server."),
        440 => failed("the server does not relay in this family")
            .means("It has no address of this family, or was told not to use it.")
            .next("Look at `turn.relay-addresses`, or ask for the other --peer-family."),
        441 => failed("the allocation belongs to somebody else")
            .means("A NAT on the way used the port of somebody else's allocation again.")
            .next("Try again; a minute or ten later if need be."),
        442 => failed("the server does not relay UDP"),
        486 if scene.step == Step::Relay => {
            Verdict::warning("486: this user may not have a second allocation")
                .means("Packets were not tried, because that takes two.")
                .next("Raise `turn.allocations-per-user` to see more.")
        }
        486 => failed("this user has as many allocations as it may")
            .means("They are in use, or were not given up when the last client ended.")
            .next(
                "Raise `turn.allocations-per-user`, or wait for those that are left to expire \
                   (ten minutes).",
            ),
        508 => failed("the server has no room")
            .means("Its relay ports or its allocations are all in use, or it drains.")
            .next("Look at `turn.relay-ports` and `turn.allocations`, and at the metrics."),
        500..600 => failed("the server failed").next("Look at its log."),
        _ => Verdict::failed(format!("refused with code {code}")),
    }
}

fn elsewhere(alternate: Option<SocketAddr>) -> Verdict {
    let other = alternate.map(|address| format!(" to {address}")).unwrap_or_default();
    let verdict = Verdict::failed(format!("300: sent on{other}"))
        .means("The server drains or is full. Browsers do not follow this; other clients may.");
    match alternate {
        Some(address) => verdict.next(format!("Look there: confer doctor turn turn:{address}")),
        None => verdict,
    }
}

fn unauthorized(scene: &Scene<'_>) -> Verdict {
    if let Some(expiry) = scene.login.expires_at() {
        if expiry <= scene.now {
            let ago = span(Duration::from_secs(scene.now - expiry));
            return Verdict::failed(format!("401: the credential expired {ago} ago"))
                .means("That is what its user name says, by the clock of this machine.")
                .next(
                    "Fetch a fresh one; if this one is fresh, compare `date -u` here and where \
                       it was made.",
                );
        }
        let left = span(Duration::from_secs(expiry - scene.now));
        return Verdict::failed("401: user name and password do not fit")
            .means(format!(
                "The name says that it is good for {left} more. It was made with another secret \
                 than the server's, or the server's clock is ahead by more than that."
            ))
            .next(
                "Compare the secret (`turn.secret-file`) with that of who made the credential, \
                   then `date -u` on both machines.",
            );
    }
    match scene.login {
        Login::Secret { .. } => Verdict::failed("401: the server does not take this secret")
            .means(
                "It has another one, or checks passwords in another way than by a shared \
                    secret (`expiry:identity` and HMAC-SHA1).",
            )
            .next(
                "Compare --secret-file with the server's `turn.secret-file` (coturn: \
                   static-auth-secret).",
            ),
        Login::Password { .. } | Login::Nobody => {
            Verdict::failed("401: user name or password is wrong")
                .means("The server does not know the user, or has another password for it.")
                .next(
                    "Look at `turn.users-file`. Where the server makes ephemeral credentials, use \
                   --secret-file instead.",
                )
        }
    }
}

/// An hour's credential was refused and a year's is taken.
pub(super) fn clock_ahead() -> Verdict {
    Verdict::failed("401: the server's clock is ahead of this machine's")
        .means("It takes the secret, but for a credential of an hour it is too late there already.")
        .next(
            "Compare `date -u` on both machines and set the wrong clock (NTP). Until then \
               clients are refused.",
        )
}

fn refused_peer(scene: &Scene<'_>) -> Verdict {
    let says = "403: the policy does not let one relayed address reach another";
    if scene.misnamed {
        return Verdict::failed(says)
            .means("The relay names a private address, which its policy refuses as a peer.")
            .next("Set `turn.external-addresses` to the public address of the server.");
    }
    Verdict::warning(says)
        .means("Relayed packets were not tried. Calls through confer's own media plane are not \
                affected; calls between two clients that both need the relay are.")
        .next("If that is not wanted: the relayed address is private, so name its network in \
               `turn.allowed-peers`, or it stands in `turn.denied-peers`. `confer turn check-policy` \
               tells which rule decides.")
}
