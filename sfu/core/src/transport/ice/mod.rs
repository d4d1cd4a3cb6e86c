//! ICE-lite: we answer checks and follow the client, which is always the controlling side
//! (RFC 8445, section 2.5; consent by RFC 7675).
//!
//! One [`IceLite`] belongs to one participant and is found by its ufrag, never by an address: a
//! client that appears elsewhere joins the same transport with its first authentic check. Media
//! takes the newest nominated route; before any nomination, the first that was authentic.

mod path;
pub(crate) mod stun;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;

use super::Route;
pub use path::PATH_CAPACITY;
use path::Paths;
pub use stun::CheckRefusal;

/// A user name fragment and its password (RFC 8445, section 5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    pub ufrag: String,
    pub pwd: String,
}

impl IceCredentials {
    /// Ours: `random` must be fresh. 24 and 120 bits of it end up in ufrag and password, as
    /// RFC 8445, section 5.3 wants; the ufrag is the key under which checks find us, and it
    /// tells nothing else.
    pub fn from_random(random: [u8; 32]) -> Self {
        let mut text = random.iter().map(|byte| char::from(ICE_CHARS[usize::from(byte % 64)]));
        Self { ufrag: text.by_ref().take(LOCAL_UFRAG_LEN).collect(), pwd: text.collect() }
    }
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// The `ice-char`s of RFC 8839, section 5.4.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Long enough that ufrags of one shard do not meet; RFC 8445 asks for four at least.
const LOCAL_UFRAG_LEN: usize = 8;

/// How long silence means what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsentLimits {
    /// After this long without an authentic check or packet the transport is [`Consent::Suspect`].
    /// Default: 6 s. Browsers check a stable path every 2.5 s, so two checks were missed.
    pub suspect: Duration,
    /// After this long it is [`Consent::Failed`] and nothing more is sent (RFC 7675, section 5.1).
    /// Default: 30 s.
    pub failed: Duration,
}

impl Default for ConsentLimits {
    fn default() -> Self {
        Self { suspect: Duration::from_secs(6), failed: Duration::from_secs(30) }
    }
}

/// A client that was not heard for so long may not have heard us either: whoever receives media
/// sends reports several times a second.
const UNHEARD: Duration = Duration::from_secs(1);

/// Whether the client still wants what we send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// No authentic check came yet.
    New,
    Connected,
    /// Nothing was heard for a while.
    Suspect,
    /// Nothing was heard for so long that we must not send any more. A later check revives it.
    Failed,
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// The reply buffer holds an answer for the check's source.
    Answered {
        /// The remote address is one of this agent's from now on: other packets from it are its
        /// client's.
        source_is_new: bool,
        /// An older remote address that is given up to make room; it is not this agent's any more.
        forgotten: Option<SocketAddr>,
        /// Media takes this route from now on.
        path_changed: Option<Route>,
    },
    /// The reply buffer holds an error for the check's source; nothing else happened.
    Corrected,
    /// There is nothing to send.
    Refused(CheckRefusal),
}

/// One participant's ICE agent.
pub struct IceLite {
    current: Generation,
    /// What was valid before an ICE restart, until the client has nominated under the new
    /// credentials: the old pair carries media so long.
    previous: Option<Generation>,
    /// The ufrag whose checks are no longer taken, until somebody asks.
    retired: Option<String>,
    limits: ConsentLimits,
    created_at: Instant,
    heard_at: Option<Instant>,
    /// Nothing was heard for [`UNHEARD`] since media took the path that it has.
    was_unheard: bool,
    /// Media has taken another path after such a silence.
    has_recovered: bool,
    consent: Consent,
    paths: Paths,
}

/// One pair of credentials and what derives from it (RFC 8445, section 9).
struct Generation {
    local: IceCredentials,
    key: hmac::Key,
    remote: Option<IceCredentials>,
}

impl Generation {
    fn new(local: IceCredentials, remote: Option<IceCredentials>) -> Self {
        let key = stun::integrity_key(&local.pwd);
        Self { local, key, remote }
    }

    /// Checks may run ahead of the offer that names their sender.
    fn knows(&self, remote_ufrag: &[u8]) -> bool {
        self.remote.as_ref().is_none_or(|remote| remote.ufrag.as_bytes() == remote_ufrag)
    }
}

impl IceLite {
    /// An agent that answers to `local`.
    pub fn new(local: IceCredentials, limits: ConsentLimits, now: Instant) -> Self {
        Self {
            current: Generation::new(local, None),
            previous: None,
            retired: None,
            limits,
            created_at: now,
            heard_at: None,
            was_unheard: false,
            has_recovered: false,
            consent: Consent::New,
            paths: Paths::default(),
        }
    }

    /// The credentials to put into the next answer.
    pub fn local(&self) -> &IceCredentials {
        &self.current.local
    }

    /// Whether an offer with these credentials asks for a restart (RFC 8839, section 4.4.1.1).
    pub fn is_restart(&self, remote: &IceCredentials) -> bool {
        self.current.remote.as_ref().is_some_and(|known| known != remote)
    }

    /// Takes the credentials of the first offer, or again those of a later one.
    ///
    /// When [`is_restart`](Self::is_restart) says so, use [`restart`](Self::restart) instead.
    pub fn set_remote(&mut self, remote: IceCredentials) {
        self.current.remote = Some(remote);
    }

    /// Begins anew under fresh credentials on both sides (RFC 8445, section 9).
    ///
    /// The old ones stay good, and the path in use, until the client nominates under the new.
    /// The caller must let checks for the new ufrag find this agent, too.
    pub fn restart(&mut self, local: IceCredentials, remote: IceCredentials) {
        let next = Generation::new(local, Some(remote));
        let last = std::mem::replace(&mut self.current, next);
        if let Some(older) = self.previous.replace(last) {
            self.retired = Some(older.local.ufrag);
        }
    }

    /// A ufrag whose checks this agent no longer takes. Ask after every restart and every check.
    pub fn poll_retired(&mut self) -> Option<String> {
        self.retired.take()
    }

    /// Every ufrag whose checks this agent takes.
    pub fn ufrags(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.current)
            .chain(&self.previous)
            .map(|generation| generation.local.ufrag.as_str())
    }

    /// Checks and answers a check that came by `route`. What is in `reply` before is overwritten.
    pub fn handle_check(
        &mut self,
        datagram: &[u8],
        route: Route,
        now: Instant,
        reply: &mut Vec<u8>,
    ) -> CheckOutcome {
        reply.clear();
        let for_previous = stun::local_ufrag(datagram).is_some_and(|ufrag| {
            self.previous.as_ref().is_some_and(|old| old.local.ufrag.as_bytes() == ufrag)
        });
        let generation = match &self.previous {
            Some(previous) if for_previous => previous,
            _ => &self.current,
        };
        let peer_known = |ufrag: &[u8]| generation.knows(ufrag);
        let ufrag = &generation.local.ufrag;
        let check = match stun::read_check(datagram, ufrag, peer_known, &generation.key) {
            Ok(check) => check,
            Err(refusal) => return CheckOutcome::Refused(refusal),
        };
        if check.unknown[0] != 0 {
            stun::write_unknown_attributes(datagram, &check.unknown, &generation.key, reply);
            return CheckOutcome::Corrected;
        }
        if check.claims_controlled {
            stun::write_role_conflict(datagram, &generation.key, reply);
            return CheckOutcome::Corrected;
        }
        stun::write_success(datagram, route.remote, &generation.key, reply);

        self.heard(now);
        let before = self.paths.selected();
        if check.use_candidate
            && !for_previous
            && let Some(previous) = self.previous.take()
        {
            // A nomination under new credentials ends the old ones, whatever the priorities were.
            self.retired = Some(previous.local.ufrag);
            self.paths.release();
        }
        let noted = self.paths.note(route, check.priority, check.use_candidate, now);
        let path_changed = self.paths.selected().filter(|after| before != Some(*after));
        if path_changed.is_some() {
            self.has_recovered |= self.was_unheard;
            self.was_unheard = false;
        }
        CheckOutcome::Answered {
            source_is_new: noted.is_new,
            forgotten: noted.forgotten,
            path_changed,
        }
    }

    /// Whether media has taken another path after a silence, so that what was sent before went
    /// nowhere. Ask after every check.
    pub fn poll_recovered(&mut self) -> bool {
        std::mem::take(&mut self.has_recovered)
    }

    /// Where to send, and from which of our addresses.
    pub fn path(&self) -> Option<Route> {
        self.paths.selected()
    }

    /// The addresses from which authentic checks came, of which only the latest are remembered.
    pub fn sources(&self) -> impl Iterator<Item = SocketAddr> {
        self.paths.sources()
    }

    /// Notes that an authentic packet came, of whatever protocol: it proves as much as a check
    /// that the client is there.
    pub fn heard(&mut self, now: Instant) {
        self.was_unheard |=
            self.heard_at.is_some_and(|at| now.saturating_duration_since(at) >= UNHEARD);
        self.heard_at = Some(now);
        self.consent = Consent::Connected;
    }

    /// Whether the client still wants what we send.
    pub fn consent(&self) -> Consent {
        self.consent
    }

    /// When [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let since = self.heard_at.unwrap_or(self.created_at);
        match self.consent {
            Consent::New | Consent::Suspect => Some(since + self.limits.failed),
            Consent::Connected => Some(since + self.limits.suspect),
            Consent::Failed => None,
        }
    }

    /// Looks at how long the silence is; compare [`consent`](Self::consent) before and after.
    pub fn handle_timeout(&mut self, now: Instant) {
        let since = self.heard_at.unwrap_or(self.created_at);
        let silence = now.saturating_duration_since(since);
        if silence >= self.limits.failed {
            self.consent = Consent::Failed;
        } else if silence >= self.limits.suspect && self.consent == Consent::Connected {
            self.consent = Consent::Suspect;
        }
    }
}

#[cfg(test)]
mod tests;
