//! The only place that reads the time. Everything else takes the time as an argument.

mod deadline;

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

pub use deadline::Deadline;

/// The wall clock, for signatures and expiry. Durations are measured with `tokio::time::Instant` instead, which does
/// not change when the wall clock is set.
///
/// A clock outside the years that jiff supports (-9999 to 9999) counts as 1970, which every endpoint refuses as
/// expired.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The wall clock at `instant`, which is now or shortly before, for lines of the log. Each thread reads the wall clock
/// once a second, and adds the monotonic clock's progress in between. Signatures and decisions need [`now`].
#[must_use]
pub fn at(instant: Instant) -> Timestamp {
    thread_local! {
        /// Both clocks at the last reading.
        static LAST: Cell<Option<(Instant, Timestamp)>> = const { Cell::new(None) };
    }
    let known = LAST.get().and_then(|(then, wall)| after(wall, instant.checked_duration_since(then)?));
    known.unwrap_or_else(|| {
        let wall = now();
        LAST.set(Some((Instant::now(), wall)));
        wall
    })
}

/// The wall clock after `since`, to the microsecond. `None` from one second on, because the clock may have been set in
/// between.
#[must_use]
pub fn after(wall: Timestamp, since: Duration) -> Option<Timestamp> {
    let micros = wall.as_microsecond().saturating_add(since.subsec_micros().into());
    (since.as_secs() == 0).then(|| Timestamp::from_microsecond(micros).ok())?
}

/// When the monotonic clock was first read.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds from the first reading of the monotonic clock to `instant`, the same for all threads. For rates, which
/// are stored as one number. It overflows after 584 years.
#[must_use]
pub fn nanos_at(instant: Instant) -> u64 {
    u64::try_from(instant.saturating_duration_since(*BEGINNING).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_is_extrapolated_for_less_than_a_second() {
        let wall = Timestamp::new(1_767_225_600, 999_999_000).unwrap();
        for (since, shown) in [(0, "00:00:00.999999"), (1, "00:00:01"), (999_999, "00:00:01.999998")] {
            let shown = format!("2026-01-01T{shown}Z");
            assert_eq!(after(wall, Duration::from_micros(since)), Some(shown.parse().unwrap()));
        }
        assert_eq!(after(wall, Duration::from_secs(1)), None);
        assert_eq!(after(Timestamp::MAX, Duration::from_millis(1)), None, "there is no later time");
    }
}
