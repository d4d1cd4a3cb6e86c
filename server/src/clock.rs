//! The one place that reads wall time.

use confer_protocol::Timestamp;
use time::OffsetDateTime;

/// Now, in UTC.
pub(crate) fn now() -> Timestamp {
    Timestamp(OffsetDateTime::now_utc())
}
