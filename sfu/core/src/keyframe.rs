//! One keyframe request per publication per interval, repeated until a keyframe comes.

use std::time::{Duration, Instant};

/// Merges the wishes of all subscribers of one publication.
#[derive(Debug, Default)]
pub(crate) struct KeyframeThrottle {
    asked_at: Option<Instant>,
    is_wanted: bool,
}

impl KeyframeThrottle {
    /// Somebody cannot go on without a keyframe.
    pub(crate) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// A keyframe began: everybody who waited can go on.
    ///
    /// A wish uttered later than the frame left the encoder is met by it as well; a decoder that
    /// still needs another says so again.
    pub(crate) fn arrived(&mut self) {
        self.is_wanted = false;
    }

    /// Whether a request is to be sent now.
    pub(crate) fn poll(&mut self, interval: Duration, now: Instant) -> bool {
        let rested = self.asked_at.is_none_or(|at| now.saturating_duration_since(at) >= interval);
        if self.is_wanted && rested {
            self.asked_at = Some(now);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(500);

    #[test]
    fn many_wishes_are_one_request() {
        let start = Instant::now();
        let mut throttle = KeyframeThrottle::default();
        assert!(!throttle.poll(INTERVAL, start));
        throttle.want();
        throttle.want();
        assert!(throttle.poll(INTERVAL, start));
        throttle.want();
        assert!(!throttle.poll(INTERVAL, start + INTERVAL / 2));
    }

    #[test]
    fn a_request_is_repeated_until_a_keyframe_comes() {
        let start = Instant::now();
        let mut throttle = KeyframeThrottle::default();
        throttle.want();
        assert!(throttle.poll(INTERVAL, start));
        assert!(throttle.poll(INTERVAL, start + INTERVAL));
        throttle.arrived();
        assert!(!throttle.poll(INTERVAL, start + INTERVAL * 2));
        throttle.want();
        assert!(throttle.poll(INTERVAL, start + INTERVAL * 2));
    }
}
