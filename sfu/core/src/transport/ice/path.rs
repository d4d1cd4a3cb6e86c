//! The addresses a client was heard at, and the one that media goes to.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How many addresses of one client are remembered. The one silent for longest makes room.
///
/// A laptop with two interfaces in IPv4 and IPv6 behind NAT shows four.
pub const PATH_CAPACITY: usize = 8;

/// A selected path silent for this long loses to any that is heard, nominated or not.
const SILENCE: Duration = Duration::from_secs(2);

/// How long a path that was left may not come back against a better one; see [`Paths::note`].
const SETTLING: Duration = Duration::from_secs(3);

#[derive(Clone, Copy)]
struct Path {
    address: SocketAddr,
    priority: u32,
    heard_at: Instant,
    nominated_at: Option<Instant>,
    /// When another path was preferred to this one.
    left_at: Option<Instant>,
}

/// Every path of one client.
#[derive(Default)]
pub(super) struct Paths {
    /// At most [`PATH_CAPACITY`].
    paths: Vec<Path>,
    selected: Option<SocketAddr>,
}

/// What noting a check did besides.
pub(super) struct Noted {
    pub(super) is_new: bool,
    pub(super) forgotten: Option<SocketAddr>,
}

impl Paths {
    pub(super) fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = SocketAddr> {
        self.paths.iter().map(|path| path.address)
    }

    /// Forgets what was nominated, so that the next nomination meets no resistance. Media goes on
    /// where it went.
    pub(super) fn release(&mut self) {
        for path in &mut self.paths {
            path.nominated_at = None;
            path.left_at = None;
        }
    }

    /// Notes an authentic check and decides where media goes.
    ///
    /// The newest nomination wins, so that a client that changes networks is followed at once. One
    /// exception keeps media from flapping: old agents nominate every pair they check (RFC 5245,
    /// section 8.1.1.2) and mean the one of highest priority. A nomination that would go back to a
    /// path just left is therefore not followed while a better one is nominated as well.
    pub(super) fn note(
        &mut self,
        address: SocketAddr,
        priority: u32,
        nominated: bool,
        now: Instant,
    ) -> Noted {
        let (at, noted) = self.place(address, priority, now);
        let path = &mut self.paths[at];
        path.priority = priority;
        path.heard_at = now;
        if nominated {
            path.nominated_at = Some(now);
        }
        let path = *path;

        let current = self.paths.iter().position(|path| Some(path.address) == self.selected);
        let follow = match current.map(|current| &self.paths[current]) {
            None => true,
            Some(current) if current.address == address => false,
            Some(current) if nominated => {
                let settled = |since: Instant| now.saturating_duration_since(since) >= SETTLING;
                let was_left = path.left_at.is_some_and(|left_at| !settled(left_at));
                let rival = current.nominated_at.is_some_and(|at| !settled(at));
                !(was_left && rival && path.priority < current.priority)
            }
            Some(current) => now.saturating_duration_since(current.heard_at) >= SILENCE,
        };
        if follow {
            if let Some(current) = current {
                self.paths[current].left_at = Some(now);
            }
            self.selected = Some(address);
        } else if nominated && self.selected != Some(address) {
            self.paths[at].left_at = Some(now);
        }
        noted
    }

    /// Finds or makes the place for `address`.
    fn place(&mut self, address: SocketAddr, priority: u32, now: Instant) -> (usize, Noted) {
        if let Some(at) = self.paths.iter().position(|path| path.address == address) {
            return (at, Noted { is_new: false, forgotten: None });
        }
        let mut forgotten = None;
        if self.paths.len() >= PATH_CAPACITY {
            let quietest = self
                .paths
                .iter()
                .enumerate()
                .filter(|(_, path)| Some(path.address) != self.selected)
                .min_by_key(|(_, path)| path.heard_at)
                .map(|(at, _)| at);
            forgotten = quietest.map(|at| self.paths.swap_remove(at).address);
        }
        self.paths.push(Path {
            address,
            priority,
            heard_at: now,
            nominated_at: None,
            left_at: None,
        });
        (self.paths.len() - 1, Noted { is_new: true, forgotten })
    }
}
