//! The one place that reads the time: everything else is told it.

mod deadline;

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

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

/// The wall clock at `instant`, a moment ago at most, for lines of the log: it is read once a second in each thread, and taken to
/// go on in between as the monotonic clock does. Whatever is signed or decided wants [`now`].
#[must_use]
pub fn at(instant: Instant) -> Timestamp {
    thread_local! {
        /// Both clocks, when they were read last.
        static LAST: Cell<Option<(Instant, Timestamp)>> = const { Cell::new(None) };
    }
    let known = LAST.get().and_then(|(then, wall)| after(wall, instant.checked_duration_since(then)?));
    known.unwrap_or_else(|| {
        let wall = now();
        LAST.set(Some((Instant::now(), wall)));
        wall
    })
}

/// What the wall clock shows when `since` has passed, to the microsecond. Nothing from a second on: it may have been set.
#[must_use]
pub fn after(wall: Timestamp, since: Duration) -> Option<Timestamp> {
    let micros = wall.as_microsecond().saturating_add(since.subsec_micros().into());
    (since.as_secs() == 0).then(|| Timestamp::from_microsecond(micros).ok())?
}

/// When the monotonic clock was first read.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds from the first reading to `instant`: the same clock for all threads, and no step of the wall clock moves it. For
/// rates, which are kept as one number. It lasts for 584 years.
#[must_use]
pub fn nanos_at(instant: Instant) -> u64 {
    u64::try_from(instant.saturating_duration_since(*BEGINNING).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_goes_on_for_less_than_a_second() {
        let wall = Timestamp::new(1_767_225_600, 999_999_000).unwrap();
        for (since, shown) in [(0, "00:00:00.999999"), (1, "00:00:01"), (999_999, "00:00:01.999998")] {
            let shown = format!("2026-01-01T{shown}Z");
            assert_eq!(after(wall, Duration::from_micros(since)), Some(shown.parse().unwrap()));
        }
        assert_eq!(after(wall, Duration::from_secs(1)), None);
        assert_eq!(after(Timestamp::MAX, Duration::from_millis(1)), None, "there is no later one");
    }
}
