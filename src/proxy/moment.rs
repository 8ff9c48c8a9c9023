//! A moment by both clocks of this host. They are read a few times for each exchange, and not for every use of the time: what
//! happens within a few microseconds happens at once.

use std::time::Duration;

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

    /// Now, when it is `instant`: within a second, the clock that may be set is taken to have gone on since this moment.
    #[must_use]
    pub fn later(self, instant: Instant) -> Self {
        let since = instant.saturating_duration_since(self.instant);
        if since > Duration::from_secs(1) {
            return Self { instant, wall: clock::now() };
        }
        let wall = SignedDuration::try_from(since).ok().and_then(|since| self.wall.checked_add(since).ok());
        Self { instant, wall: wall.unwrap_or(self.wall) }
    }

    /// As the reckoning of the endpoint's clock wants it.
    #[must_use]
    pub fn reading(self) -> Reading {
        Reading { wall: self.wall, monotonic: clock::millis_at(self.instant.into_std()) }
    }
}
