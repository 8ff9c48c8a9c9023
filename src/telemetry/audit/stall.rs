//! Whether the writer is stuck in a target that neither takes a line nor fails: a pipe that nobody reads, a mount whose
//! server is gone.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a target may take for one line, as long as the daemons of the other targets.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The same while no further line finds room: every exchange is refused already.
pub(super) const WHEN_FULL: Duration = Duration::from_secs(1);

const NOT_AT_WORK: u64 = u64::MAX;

pub(super) struct Stall {
    epoch: Instant,
    /// When the writer turned to the target for the current line, in milliseconds since `epoch`.
    begun: AtomicU64,
    told: AtomicBool,
}

impl Stall {
    pub(super) fn new() -> Self {
        Self { epoch: Instant::now(), begun: AtomicU64::new(NOT_AT_WORK), told: AtomicBool::new(false) }
    }

    /// The writer turns to the target.
    pub(super) fn begin(&self) {
        self.begun.store(self.now(), Ordering::Relaxed);
    }

    /// The writer is back; whether somebody has said that it was stuck.
    pub(super) fn end(&self) -> bool {
        self.begun.store(NOT_AT_WORK, Ordering::Relaxed);
        self.told.swap(false, Ordering::Relaxed)
    }

    /// How long the writer has been away, if that is at least `limit`. Reads the clock only while it is away.
    pub(super) fn lasts_for(&self, limit: Duration) -> Option<Duration> {
        let begun = self.begun.load(Ordering::Relaxed);
        if begun == NOT_AT_WORK {
            return None;
        }
        let away = Duration::from_millis(self.now().saturating_sub(begun));
        (away >= limit).then_some(away)
    }

    /// Whether nobody has said yet that the writer is stuck.
    pub(super) fn is_news(&self) -> bool {
        !self.told.swap(true, Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(NOT_AT_WORK).min(NOT_AT_WORK.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_is_away_is_stuck_after_the_limit_and_that_is_said_once() {
        let stall = Stall::new();
        assert_eq!(stall.lasts_for(Duration::ZERO), None);
        stall.begin();
        assert!(stall.lasts_for(Duration::ZERO).is_some());
        assert_eq!(stall.lasts_for(Duration::from_secs(3600)), None);
        assert_eq!([stall.is_news(), stall.is_news()], [true, false]);
        assert!(stall.end());
        assert_eq!(stall.lasts_for(Duration::ZERO), None);
        assert!(!stall.end(), "what was said is over");
    }
}
