use std::time::{Duration, Instant};

/// A token bucket that remembers debt, so that a peer which keeps on is told apart from one that
/// overshoots once.
///
/// Fill is counted in nanoseconds' worth of allowance, so that no rate rounds to nothing.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    per_second: u32,
    burst: u32,
    /// Allowance in billionths of a unit; negative is debt.
    fill: i128,
    filled_at: Instant,
}

/// What a bucket says to a withdrawal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Within,
    /// Too fast: refuse the request; it could be done after this long.
    Over {
        wait: Duration,
    },
    /// Too fast for long: end it.
    Abusive,
}

const UNIT: i128 = 1_000_000_000;
/// Debt, in bursts, beyond which overshooting is abuse.
const DEBT_BURSTS: i128 = 2;

impl Bucket {
    pub(crate) fn new(per_second: u32, burst: u32, now: Instant) -> Self {
        let per_second = per_second.max(1);
        Self { per_second, burst, fill: i128::from(burst) * UNIT, filled_at: now }
    }

    pub(crate) fn take(&mut self, units: usize, now: Instant) -> Verdict {
        let elapsed = now.saturating_duration_since(self.filled_at);
        let gained = i128::try_from(elapsed.as_nanos()).unwrap_or(i128::MAX / UNIT);
        let full = i128::from(self.burst) * UNIT;
        self.fill = (self.fill + gained.saturating_mul(i128::from(self.per_second))).min(full);
        self.filled_at = now;

        let units = i128::try_from(units).unwrap_or(i128::MAX / UNIT / 2);
        self.fill -= units * UNIT;
        if self.fill >= 0 {
            Verdict::Within
        } else if self.fill >= -full * DEBT_BURSTS {
            let nanos = (-self.fill) / i128::from(self.per_second);
            Verdict::Over { wait: Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)) }
        } else {
            Verdict::Abusive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_the_rate_holds_then_persistence_is_abuse() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 5, start);
        for _ in 0..5 {
            assert_eq!(bucket.take(1, start), Verdict::Within);
        }
        assert_eq!(bucket.take(1, start), Verdict::Over { wait: Duration::from_millis(100) });
        assert_eq!(bucket.take(1, start + Duration::from_millis(200)), Verdict::Within);
        for _ in 0..10 {
            assert!(matches!(
                bucket.take(1, start + Duration::from_millis(200)),
                Verdict::Over { .. }
            ));
        }
        assert_eq!(bucket.take(1, start + Duration::from_millis(200)), Verdict::Abusive);
    }

    #[test]
    fn a_long_pause_fills_the_bucket_to_its_burst_and_no_further() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 5, start);
        let later = start + Duration::from_secs(3600);
        assert_eq!(bucket.take(5, later), Verdict::Within);
        assert!(matches!(bucket.take(1, later), Verdict::Over { .. }));
    }
}
