//! The addresses a client was heard at, and the one that media goes to.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::transport::Route;

/// How many routes to one client are remembered. The one silent for longest makes room.
///
/// A laptop with two interfaces in IPv4 and IPv6 shows four addresses and tries each of ours from
/// each.
pub const PATH_CAPACITY: usize = 16;

/// A selected path silent for this long loses to any that is heard, nominated or not.
const SILENCE: Duration = Duration::from_secs(2);

/// How long a path that was left may not come back against a better one; see [`Paths::note`].
const SETTLING: Duration = Duration::from_secs(3);

#[derive(Clone, Copy)]
struct Path {
    route: Route,
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
    selected: Option<Route>,
}

/// What noting a check did besides.
pub(super) struct Noted {
    /// No path from this remote address was known.
    pub(super) is_new: bool,
    /// The last path from this remote address was given up.
    pub(super) forgotten: Option<SocketAddr>,
}

impl Paths {
    pub(super) fn selected(&self) -> Option<Route> {
        self.selected
    }

    pub(super) fn sources(&self) -> impl Iterator<Item = SocketAddr> {
        self.paths.iter().map(|path| path.route.remote)
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
        route: Route,
        priority: u32,
        nominated: bool,
        now: Instant,
    ) -> Noted {
        let (at, noted) = self.place(route, priority, now);
        let path = &mut self.paths[at];
        path.priority = priority;
        path.heard_at = now;
        if nominated {
            path.nominated_at = Some(now);
        }
        let path = *path;

        let current = self.paths.iter().position(|path| Some(path.route) == self.selected);
        let follow = match current.map(|current| &self.paths[current]) {
            None => true,
            Some(current) if current.route == route => false,
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
            self.selected = Some(route);
        } else if nominated && self.selected != Some(route) {
            self.paths[at].left_at = Some(now);
        }
        noted
    }

    /// Finds or makes the place for `route`.
    fn place(&mut self, route: Route, priority: u32, now: Instant) -> (usize, Noted) {
        if let Some(at) = self.paths.iter().position(|path| path.route == route) {
            return (at, Noted { is_new: false, forgotten: None });
        }
        let is_new = !self.sources().any(|source| source == route.remote);
        let mut forgotten = None;
        if self.paths.len() >= PATH_CAPACITY {
            let quietest = self
                .paths
                .iter()
                .enumerate()
                .filter(|(_, path)| Some(path.route) != self.selected)
                .min_by_key(|(_, path)| path.heard_at)
                .map(|(at, _)| at);
            forgotten = quietest.map(|at| self.paths.swap_remove(at).route.remote);
        }
        self.paths.push(Path { route, priority, heard_at: now, nominated_at: None, left_at: None });
        let forgotten = forgotten.filter(|gone| !self.sources().any(|source| source == *gone));
        (self.paths.len() - 1, Noted { is_new, forgotten })
    }
}
