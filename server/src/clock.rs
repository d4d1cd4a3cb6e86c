//! The one place that reads wall time.

use confer_protocol::Timestamp;
use time::OffsetDateTime;

/// Now, in UTC.
pub(crate) fn now() -> Timestamp {
    Timestamp(OffsetDateTime::now_utc())
}

/// Seconds since 1970, as credentials of the relay count them.
pub(crate) fn unix_seconds() -> u64 {
    now().0.unix_timestamp().try_into().unwrap_or_default()
}
