//! What ends when, soonest first. Looking for the next end takes the same time however many there are:
//! a thread asks whenever something other than a packet has happened.

use std::collections::BTreeSet;
use std::time::Instant;

/// The ends of things that are known by a `K`.
#[derive(Debug)]
pub(super) struct Deadlines<K>(BTreeSet<(Instant, K)>);

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Ord + Copy> Deadlines<K> {
    pub(super) fn add(&mut self, at: Instant, key: K) {
        self.0.insert((at, key));
    }

    pub(super) fn remove(&mut self, at: Instant, key: K) {
        self.0.remove(&(at, key));
    }

    /// The next one.
    pub(super) fn first(&self) -> Option<Instant> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes one whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<K> {
        let (_, key) = *self.0.first().filter(|(at, _)| *at <= now)?;
        self.0.pop_first();
        Some(key)
    }
}
