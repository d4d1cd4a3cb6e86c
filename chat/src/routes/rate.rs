//! How often one user may ask over HTTP. The WebSocket has limits of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use confer_auth::RoomScope;
use confer_http::{ApiError, Authentication};
use confer_protocol::error::{ErrorBody, ErrorCode};
use confer_protocol::id::UserId;
use tokio::time::Instant;

use crate::config::Limits;

/// Users remembered at once. Beyond, those who asked longest ago are forgotten, which can only be
/// too generous.
const USERS_CAPACITY: usize = 20_000;

/// A token bucket per user, kept as the moment at which it is full again (the generic cell rate
/// algorithm, ITU-T I.371, annex A).
pub(super) struct RateLimiter {
    interval: Duration,
    burst: u32,
    buckets: Mutex<Generations>,
}

/// When the young generation is full it becomes the old one.
#[derive(Default)]
struct Generations {
    young: HashMap<UserId, Instant>,
    old: HashMap<UserId, Instant>,
}

impl RateLimiter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            interval: Duration::from_secs(1) / limits.requests_per_second.max(1),
            burst: limits.request_burst.max(1),
            buckets: Mutex::default(),
        }
    }

    /// Takes one token, or says how long there will be none.
    fn take(&self, user: UserId, now: Instant) -> Result<(), Duration> {
        // Nothing panics while it is held.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = buckets.young.get(&user).or_else(|| buckets.old.get(&user)).copied();
        let full_at = known.map_or(now, |full_at| full_at.max(now));
        let room = self.interval.saturating_mul(self.burst - 1);
        let wait = full_at.duration_since(now).saturating_sub(room);
        if wait > Duration::ZERO {
            return Err(wait);
        }
        if buckets.young.len() >= USERS_CAPACITY / 2 {
            buckets.old = std::mem::take(&mut buckets.young);
        }
        buckets.young.insert(user, full_at + self.interval);
        Ok(())
    }
}

/// Answers 429 to a user who asks too often. Back ends with a token for everything are trusted, and
/// whoever is nobody is refused by the route.
pub(super) async fn limit(
    State(limiter): State<Arc<RateLimiter>>,
    request: Request,
    next: Next,
) -> Response {
    if let Some(Authentication::Known(identity)) = request.extensions().get()
        && identity.grants.rooms != RoomScope::All
        && let Err(wait) = limiter.take(identity.user_id(), Instant::now())
    {
        // Rounded up: a client that waits exactly this long is not refused again.
        let wait_ms = u32::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX);
        let error = ErrorBody {
            retry_after_ms: Some(wait_ms),
            ..ErrorBody::new(ErrorCode::RateLimited, "Too many requests. Wait and try again.")
        };
        return ApiError::from(error).into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_per_interval_for_each_user() {
        let limits = Limits { request_burst: 3, requests_per_second: 10, ..Limits::default() };
        let limiter = RateLimiter::new(&limits);
        let (alice, bob) = (UserId(Uuid::from_u128(1)), UserId(Uuid::from_u128(2)));
        let start = Instant::now();
        let tenth = Duration::from_millis(100);
        for _ in 0..3 {
            assert_eq!(limiter.take(alice, start), Ok(()));
        }
        assert_eq!(limiter.take(alice, start), Err(tenth));
        assert_eq!(limiter.take(bob, start), Ok(()));
        let almost = start + tenth - Duration::from_nanos(1);
        assert_eq!(limiter.take(alice, almost), Err(Duration::from_nanos(1)));
        assert_eq!(limiter.take(alice, start + tenth), Ok(()));
        assert_eq!(limiter.take(alice, start + tenth), Err(tenth));
    }

    #[test]
    fn strangers_do_not_push_out_somebody_who_keeps_asking() {
        let limits = Limits { request_burst: 2, requests_per_second: 1, ..Limits::default() };
        let limiter = RateLimiter::new(&limits);
        let (alice, start) = (UserId(Uuid::nil()), Instant::now());
        assert_eq!(limiter.take(alice, start), Ok(()));
        assert_eq!(limiter.take(alice, start), Ok(()));
        for stranger in 1..USERS_CAPACITY as u128 / 2 {
            assert_eq!(limiter.take(UserId(Uuid::from_u128(stranger)), start), Ok(()));
        }
        assert!(limiter.take(alice, start).is_err());
        let buckets = limiter.buckets.lock().expect("nothing panicked");
        assert!(buckets.young.len() + buckets.old.len() <= USERS_CAPACITY);
    }
}
