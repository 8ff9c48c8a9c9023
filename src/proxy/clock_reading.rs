//! One reading of both clocks of this host. An exchange reads the clocks a few times, not at every use of the time:
//! what happens within a few microseconds counts as simultaneous.

use jiff::Timestamp;
use tokio::time::Instant;

use crate::authorize::CallTime;
use crate::clock;
use crate::signing::skew::HostClocks;

/// The time by the monotonic clock and by the wall clock, read together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClockReading {
    /// The monotonic clock, which nobody sets.
    pub(crate) instant: Instant,
    /// The wall clock, which an operator or NTP may set.
    pub(crate) wall: Timestamp,
    /// `instant` as a number, see [`clock::nanos_at`].
    pub(crate) nanos: u64,
}

impl ClockReading {
    /// Reads the wall clock for `instant`, which is now or a few microseconds ago. A clock that was set is followed
    /// at once.
    #[must_use]
    pub(crate) fn at(instant: Instant) -> Self {
        Self { instant, wall: clock::now(), nanos: clock::nanos_at(instant.into_std()) }
    }

    /// The reading at a later `instant`, computed on the assumption that the wall clock was not set in between.
    #[must_use]
    pub(crate) fn later(self, instant: Instant) -> Self {
        let since = instant.saturating_duration_since(self.instant);
        let Some(wall) = clock::after(self.wall, since) else { return Self::at(instant) };
        Self { instant, wall, nanos: self.nanos.saturating_add(since.subsec_nanos().into()) }
    }

    /// This reading as limits of calls take it.
    #[must_use]
    pub(crate) fn for_limits(self) -> CallTime {
        CallTime { nanos: self.nanos, unix_seconds: self.wall.as_second() }
    }

    /// This reading as the estimate of the endpoint's clock skew takes it: in milliseconds.
    #[must_use]
    pub(crate) fn for_skew(self) -> HostClocks {
        HostClocks { wall: self.wall, monotonic: i64::try_from(self.nanos / 1_000_000).unwrap_or(i64::MAX) }
    }
}
