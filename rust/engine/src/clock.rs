//! Times as whole numbers, for records, headers and `fastgate_core`; what does not fit is the largest number.

use std::time::{Duration, SystemTime};

pub(crate) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Since 1970; nothing before it.
pub(crate) fn since_1970(at: SystemTime) -> Duration {
    at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms(at: SystemTime) -> u64 {
    milliseconds(since_1970(at))
}

/// Whole seconds since 1970.
pub(crate) fn unix_s(at: SystemTime) -> i64 {
    since_1970(at).as_secs().cast_signed()
}
