//! The slowest that a client may send a body or take a response. Only time during which countersign waits for the
//! client counts.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;

/// The slowest that a client may move a body or a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinimumRate {
    /// Bytes a second.
    pub bytes: NonZeroU32,
    /// How long a client may move nothing while it is waited for. Each byte that it moves gives it time back, at the
    /// minimum rate, but never more than this: a fast start does not buy a long pause later.
    pub grace: Duration,
}

/// A client moves its bytes slower than [`MinimumRate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("slower than {0}")]
pub struct TooSlow(pub MinimumRate);

/// How much patience is left with a client, in one direction. Pure: time is an argument.
#[derive(Debug)]
pub(super) struct Pace {
    rate: MinimumRate,
    /// How long the client may still be waited for.
    patience: Duration,
    /// Since when the client is waited for.
    since: Option<Instant>,
    /// How many bytes had moved when `patience` was computed.
    moved: u64,
}

impl Pace {
    /// All patience; nothing has moved.
    pub(super) const fn new(rate: MinimumRate) -> Self {
        Self { rate, patience: rate.grace, since: None, moved: 0 }
    }

    pub(super) const fn rate(&self) -> MinimumRate {
        self.rate
    }

    /// All patience again: another body or response begins when so many bytes have moved.
    pub(super) const fn begin(&mut self, moved: u64) {
        (self.patience, self.since, self.moved) = (self.rate.grace, None, moved);
    }

    /// The client is waited for, and so many bytes have moved in all. Returns when the wait has to end, which is `most`
    /// after the last byte at the latest.
    pub(super) fn wait(&mut self, moved: u64, most: Duration, now: Instant) -> Instant {
        let since = match self.since {
            Some(since) if moved == self.moved => since,
            Some(_) | None => {
                self.settle(moved, now);
                *self.since.insert(now)
            }
        };
        since.checked_add(self.patience.min(most)).unwrap_or(since)
    }

    /// The client is not waited for any more.
    pub(super) fn go_on(&mut self, moved: u64, now: Instant) {
        self.settle(moved, now);
        self.since = None;
    }

    fn settle(&mut self, moved: u64, now: Instant) {
        let waited = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let bytes = u32::try_from(moved.saturating_sub(self.moved)).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(u64::from(bytes)).checked_div(self.rate.bytes.get()).unwrap_or_default();
        self.patience = self.patience.saturating_sub(waited).saturating_add(earned).min(self.rate.grace);
        self.moved = moved;
    }
}

impl fmt::Display for MinimumRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bytes.get() {
            bytes if bytes.is_multiple_of(1 << 20) => write!(f, "{} MiB/s", bytes >> 20),
            bytes if bytes.is_multiple_of(1 << 10) => write!(f, "{} KiB/s", bytes >> 10),
            bytes => write!(f, "{bytes} B/s"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const RATE: MinimumRate = MinimumRate { bytes: NonZeroU32::new(1000).unwrap(), grace: Duration::from_secs(20) };

    /// How long a client that moves `step` bytes each `pause` lasts; `None`: a day at least.
    fn lasted(step: u64, pause: Duration) -> Option<Duration> {
        let start = Instant::now();
        let day = start.checked_add(Duration::from_secs(86_400)).unwrap();
        let (mut now, mut moved, mut pace) = (start, 0_u64, Pace::new(RATE));
        while now < day {
            let (end, next) = (pace.wait(moved, Duration::MAX, now), now.checked_add(pause).unwrap());
            if end <= next {
                return Some(end.saturating_duration_since(start));
            }
            (now, moved) = (next, moved.saturating_add(step));
        }
        None
    }

    #[test]
    fn a_client_at_the_minimum_rate_goes_on_and_a_slower_one_until_the_grace_is_used_up() {
        assert_eq!(lasted(1000, SECOND), None);
        assert_eq!(lasted(19_000, 19 * SECOND), None);
        assert_eq!(lasted(0, SECOND), Some(20 * SECOND));
        assert_eq!(lasted(1, SECOND / 10).map(|lasted| lasted.as_secs()), Some(20));
        assert_eq!(lasted(900, SECOND).map(|lasted| lasted.as_secs()), Some(191));
        assert_eq!(lasted(1_000_000, 20 * SECOND), Some(20 * SECOND), "a step may not take longer than the grace");
    }

    #[test]
    fn time_in_which_others_are_waited_for_does_not_count_and_haste_is_not_saved_up() {
        let start = Instant::now();
        let mut pace = Pace::new(RATE);
        pace.go_on(50_000_000, start);
        assert_eq!(pace.wait(50_000_000, Duration::MAX, start), start + 20 * SECOND);
        pace.go_on(50_000_000, start + 15 * SECOND);
        let later = start + 3600 * SECOND;
        assert_eq!(pace.wait(50_002_000, Duration::MAX, later), later + 7 * SECOND, "an hour for the endpoint is free");
        assert_eq!(pace.wait(50_002_000, SECOND, later + SECOND), later + SECOND, "nor may a byte take longer");
        pace.begin(0);
        assert_eq!(pace.wait(0, Duration::MAX, later), later + 20 * SECOND);
    }

    #[test]
    fn a_rate_is_shown_in_the_largest_unit_that_fits() {
        let shown = |bytes| MinimumRate { bytes: NonZeroU32::new(bytes).unwrap(), ..RATE }.to_string();
        assert_eq!([1, 1500, 2048, 3 << 20].map(shown), ["1 B/s", "1500 B/s", "2 KiB/s", "3 MiB/s"]);
    }
}
