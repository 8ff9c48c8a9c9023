//! The one place that reads the time: everything else is told it.

use std::time::SystemTime;

use jiff::Timestamp;

/// The wall clock, for signatures and expiry. Durations are measured with `tokio::time::Instant` instead, which no step
/// of the wall clock moves.
///
/// A clock outside the years jiff can hold (-9999 to 9999) reads as 1970, which every endpoint refuses as expired.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}
