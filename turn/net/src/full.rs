//! Port ranges that were found full a moment ago.
//!
//! Looking through a full range takes as long as relaying hundreds of packets, and whoever is refused
//! has used up no limit: without this, one user could keep a thread looking.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use confer_turn_core::{PortWish, RelayKind};

/// How long a range counts as full once it was. Ports that another process gives back are found that
/// much later.
const FULL_FOR: Duration = Duration::from_millis(100);

/// How many ports all threads have given back.
pub(crate) type GivenBack = Arc<AtomicU64>;

/// What was looked for: where, what for, and which ports of it.
type Range = (IpAddr, RelayKind, PortWish);

/// Ranges without a port. There are few: every address has one for each kind and wish.
#[derive(Debug)]
pub(crate) struct Full {
    given_back: GivenBack,
    ranges: Vec<Found>,
}

#[derive(Debug)]
struct Found {
    range: Range,
    at: Instant,
    /// How many ports had been given back by then.
    given_back: u64,
}

impl Full {
    pub(crate) fn new(given_back: GivenBack) -> Self {
        Self { given_back, ranges: Vec::new() }
    }

    /// Whether a range need not be looked through now.
    pub(crate) fn holds(&self, range: Range, now: Instant) -> bool {
        let given_back = self.given_back.load(Ordering::Relaxed);
        self.ranges.iter().any(|full| {
            full.range == range && full.given_back == given_back && now < full.at + FULL_FOR
        })
    }

    /// Nothing was found.
    pub(crate) fn note(&mut self, range: Range, now: Instant) {
        self.ranges.retain(|full| full.range != range);
        let given_back = self.given_back.load(Ordering::Relaxed);
        self.ranges.push(Found { range, at: now, given_back });
    }

    /// A port was given back.
    pub(crate) fn give_back(&self) {
        self.given_back.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_range_is_looked_through_again_after_a_while_or_when_a_port_is_free() {
        let (ip, now) = (IpAddr::from([192, 0, 2, 1]), Instant::now());
        let (any, even) =
            ((ip, RelayKind::Udp, PortWish::Any), (ip, RelayKind::Udp, PortWish::Even));
        let given_back = GivenBack::default();
        let (mut full, other) = (Full::new(Arc::clone(&given_back)), Full::new(given_back));
        assert!(!full.holds(even, now));
        full.note(even, now);
        assert!(full.holds(even, now) && !full.holds(any, now));
        assert!(!full.holds(even, now + FULL_FOR));
        full.note(even, now + FULL_FOR);
        assert!(full.holds(even, now + FULL_FOR));
        other.give_back();
        assert!(!full.holds(even, now + FULL_FOR), "by any thread");
    }
}
