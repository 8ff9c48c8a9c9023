//! The one place that reads the time: everything else is told it.

mod deadline;

use std::sync::LazyLock;
use std::time::{Instant, SystemTime};

use jiff::Timestamp;

pub use deadline::Deadline;

/// The wall clock, for signatures and expiry. Durations are measured with `tokio::time::Instant` instead, which no step
/// of the wall clock moves.
///
/// A clock outside the years jiff can hold (-9999 to 9999) reads as 1970, which every endpoint refuses as expired.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// When the monotonic clock was first read.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds from the first reading to `instant`, to compare the two clocks of this host; see [`nanos_at`].
#[must_use]
pub fn millis_at(instant: Instant) -> i64 {
    i64::try_from(instant.saturating_duration_since(*BEGINNING).as_millis()).unwrap_or(i64::MAX)
}

/// Nanoseconds from the first reading to `instant`: the same clock for all threads, and no step of the wall clock moves it. For
/// rates, which are kept as one number. It lasts for 584 years.
#[must_use]
pub fn nanos_at(instant: Instant) -> u64 {
    u64::try_from(instant.saturating_duration_since(*BEGINNING).as_nanos()).unwrap_or(u64::MAX)
}
