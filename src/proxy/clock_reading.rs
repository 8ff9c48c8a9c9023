//! A moment by both clocks of this host. They are read a few times for each exchange, and not for every use of the time: what
//! happens within a few microseconds happens at once.

use jiff::Timestamp;
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
    /// `instant` as a number, see [`clock::nanos_at`].
    pub nanos: u64,
}

impl Moment {
    /// When it is `instant`, which is now or was a moment ago. The wall clock is read: a clock that was set is followed at once.
    #[must_use]
    pub fn at(instant: Instant) -> Self {
        Self { instant, wall: clock::now(), nanos: clock::nanos_at(instant.into_std()) }
    }

    /// The same, a little later: the clock that may be set is taken to have gone on since this moment.
    #[must_use]
    pub fn later(self, instant: Instant) -> Self {
        let since = instant.saturating_duration_since(self.instant);
        let Some(wall) = clock::after(self.wall, since) else { return Self::at(instant) };
        Self { instant, wall, nanos: self.nanos.saturating_add(since.subsec_nanos().into()) }
    }

    /// As the reckoning of the endpoint's clock wants it.
    #[must_use]
    pub fn reading(self) -> Reading {
        Reading { wall: self.wall, monotonic: i64::try_from(self.nanos / 1_000_000).unwrap_or(i64::MAX) }
    }
}
