//! Whose right to relay ended before the credentials that it was given.
//!
//! An ephemeral credential says itself how long it is good, and nobody can be asked. So who is to go
//! is remembered until all that was handed out to it has expired.

use std::collections::BTreeMap;

use super::{Now, Server};
use crate::credentials::identity;

/// Identities remembered at once; beyond it, the one whose credentials expire first is forgotten.
const MOST: usize = 100_000;

/// Identities, and until when their credentials (by their own expiry) are of no use.
#[derive(Debug, Default)]
pub(super) struct Revoked(BTreeMap<String, u64>);

impl Revoked {
    fn add(&mut self, user: &str, until: u64, unix: u64) {
        self.0.retain(|_, until| *until >= unix);
        if self.0.len() >= MOST
            && let Some(first) = self.0.iter().min_by_key(|(_, until)| **until)
        {
            let first = first.0.clone();
            self.0.remove(&first);
        }
        let known = self.0.entry(user.to_owned()).or_default();
        *known = until.max(*known);
    }

    /// Whether a credential of this name is of no use any more.
    fn covers(&self, username: &str) -> bool {
        let whole = identity(username);
        let expiry = username.split(':').next().and_then(|expiry| expiry.parse::<u64>().ok());
        let Some(expiry) = expiry.filter(|_| whole.len() < username.len()) else { return false };
        std::iter::once(whole)
            .chain(whole.split('/'))
            .any(|user| self.0.get(user).is_some_and(|until| expiry <= *until))
    }
}

impl Server {
    /// Ends every allocation of an identity as [`Server::kick`] does, and lets it make none with
    /// ephemeral credentials that expire up to `until` (Unix time): those it has. One that is made
    /// for it later expires later.
    pub fn revoke(&mut self, user: &str, until: u64, now: Now) -> usize {
        self.revoked.add(user, until, now.unix);
        self.kick(user, now.steady)
    }

    pub(super) fn is_revoked(&self, username: &str) -> bool {
        self.revoked.covers(username)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_handed_out_before_is_covered_and_what_is_handed_out_later_is_not() {
        let mut revoked = Revoked::default();
        revoked.add("alice", 2000, 1000);
        assert!(revoked.covers("2000:alice") && revoked.covers("1500:alice"));
        assert!(revoked.covers("1500:alice/phone") && revoked.covers("1500:home/alice"));
        assert!(!revoked.covers("2001:alice") && !revoked.covers("1500:bob"));
        assert!(!revoked.covers("alice"), "a static user, who has no expiry");
        revoked.add("bob", 1900, 1950);
        assert!(revoked.covers("2000:alice"));
        revoked.add("carol", 3000, 2001);
        assert!(!revoked.covers("2000:alice"), "expired by itself, and forgotten");
    }
}
