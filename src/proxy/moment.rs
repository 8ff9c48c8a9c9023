//! A moment by both clocks of this host. They are read a few times for each exchange, and not for every use of the time: what
//! happens within a few microseconds happens at once.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use crate::clock;
use crate::signing::skew::Reading;

/// See the module's page.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// By the clock that nobody sets.
    pub instant: Instant,
    /// By the clock that says what time it is.
    pub wall: Timestamp,
}

impl Moment {
    /// This one.
    #[must_use]
    pub fn now() -> Self {
        Self { instant: Instant::now(), wall: clock::now() }
    }

    /// Now, when it is `instant`: the clock that may be set is taken to have gone on since this moment.
    #[must_use]
    pub fn later(self, instant: Instant) -> Self {
        let since = SignedDuration::try_from(instant.saturating_duration_since(self.instant)).unwrap_or_default();
        Self { instant, wall: self.wall.checked_add(since).unwrap_or(self.wall) }
    }

    /// As the reckoning of the endpoint's clock wants it.
    #[must_use]
    pub fn reading(self) -> Reading {
        Reading { wall: self.wall, monotonic: clock::millis_at(self.instant.into_std()) }
    }
}
