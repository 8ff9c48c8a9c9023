//! Limits how many calls a client may make in a day of UTC: a day and a count in one atomic number, shared by all
//! workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;

use super::calls_left::CallsLeft;

const DAY_SECONDS: i64 = 86_400;

/// The bits of the count. The day above them has room until the year 46,000.
const COUNT_BITS: u32 = 40;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// A number of calls for each day of UTC. This process counts its own calls; what other replicas count is added by
/// whoever shares the quota.
#[derive(Debug)]
pub struct Quota {
    calls: u64,
    /// The number of the day since 1970, and the calls of that day.
    counted: Arc<AtomicU64>,
}

/// A client has used its quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the quota of {quota} calls a day is used")]
pub struct OverQuota {
    /// The calls that a day has.
    pub quota: u64,
    /// The time until the next day begins.
    pub retry_after: Duration,
}

impl Quota {
    /// The largest that can be counted.
    pub const LARGEST: u64 = COUNT;

    /// So many calls a day; more than [`Self::LARGEST`] count as that.
    #[must_use]
    pub fn new(calls: u64) -> Self {
        Self { calls: calls.min(Self::LARGEST), counted: Arc::default() }
    }

    /// Keeps the count of `before`, whatever its quota was: a reload forgives no calls.
    #[must_use]
    pub fn continuing(self, before: &Self) -> Self {
        Self { counted: Arc::clone(&before.counted), ..self }
    }

    /// The calls that a day has.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.calls
    }

    /// The calls that this process has counted on the day of `unix_seconds`.
    #[must_use]
    pub fn used(&self, unix_seconds: i64) -> u64 {
        used_on(day_of(unix_seconds), self.counted.load(Ordering::Relaxed))
    }

    /// Whether a call is left, without counting one.
    ///
    /// # Errors
    /// [`OverQuota`] when none is left.
    pub fn check(&self, unix_seconds: i64) -> Result<(), OverQuota> {
        if self.used(unix_seconds) < self.calls { Ok(()) } else { Err(self.over(unix_seconds)) }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// [`OverQuota`] when none is left. A refused call is not counted.
    pub fn try_take(&self, unix_seconds: i64) -> Result<(), OverQuota> {
        let day = day_of(unix_seconds);
        // Relaxed is enough: no other memory depends on this number
        let counted = self.counted.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |counted| {
            let used = used_on(day, counted);
            (used < self.calls).then(|| (day << COUNT_BITS) | used.saturating_add(1))
        });
        counted.map(drop).map_err(|_| self.over(unix_seconds))
    }

    /// What is left of the day, as far as this process knows.
    #[must_use]
    pub fn left(&self, unix_seconds: i64) -> CallsLeft {
        let until = until_midnight(unix_seconds);
        CallsLeft {
            limit: CallsLeft::QUOTA,
            calls: self.calls,
            window: Duration::from_secs(DAY_SECONDS.unsigned_abs()),
            burst: self.calls,
            remaining: self.calls.saturating_sub(self.used(unix_seconds)),
            lasts: until,
            full_in: until,
        }
    }

    fn over(&self, unix_seconds: i64) -> OverQuota {
        OverQuota { quota: self.calls, retry_after: until_midnight(unix_seconds) }
    }
}

/// The time until the next day of UTC begins.
#[must_use]
pub fn until_midnight(unix_seconds: i64) -> Duration {
    let into = unix_seconds.rem_euclid(DAY_SECONDS);
    Duration::from_secs(u64::try_from(DAY_SECONDS.saturating_sub(into)).unwrap_or_default())
}

fn day_of(unix_seconds: i64) -> u64 {
    u64::try_from(unix_seconds.div_euclid(DAY_SECONDS)).unwrap_or_default()
}

/// A day that was counted before is over, and so is one that a wrong clock put into the future.
const fn used_on(day: u64, counted: u64) -> u64 {
    if counted >> COUNT_BITS == day { counted & COUNT } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-01T00:00:00Z.
    const MIDNIGHT: i64 = 1_767_225_600;

    #[test]
    fn a_day_has_its_calls_and_the_next_day_has_them_again() {
        let quota = Quota::new(3);
        let taken = |now| (0..9).filter(|_| quota.try_take(now).is_ok()).count();
        assert_eq!((taken(MIDNIGHT), quota.used(MIDNIGHT + 5)), (3, 3));
        let refused = quota.try_take(MIDNIGHT + 86_399).unwrap_err();
        assert_eq!((refused.quota, refused.retry_after), (3, Duration::from_secs(1)));
        assert_eq!(quota.check(MIDNIGHT + 86_399), Err(refused));
        let left = quota.left(MIDNIGHT + 86_399);
        assert_eq!((left.calls, left.remaining, left.lasts), (3, 0, Duration::from_secs(1)));
        assert_eq!(quota.left(MIDNIGHT + 86_400).remaining, 3);
        assert!(quota.check(MIDNIGHT + 86_400).is_ok());
        assert_eq!((quota.used(MIDNIGHT + 86_400), taken(MIDNIGHT + 86_400)), (0, 3));
    }

    #[test]
    fn a_reload_keeps_the_count_whatever_the_quota_becomes() {
        let before = Quota::new(3);
        assert!(before.try_take(MIDNIGHT).is_ok() && before.try_take(MIDNIGHT).is_ok());
        let less = Quota::new(2).continuing(&before);
        assert!(less.try_take(MIDNIGHT).is_err());
        let more = Quota::new(4).continuing(&less);
        assert_eq!((0..9).filter(|_| more.try_take(MIDNIGHT).is_ok()).count(), 2);
    }

    #[test]
    fn workers_share_one_count_and_extreme_times_are_days_too() {
        let quota = Quota::new(1000);
        let count = || (0..1000).filter(|_| quota.try_take(MIDNIGHT).is_ok()).count();
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(total, 1000);
        for now in [i64::MIN, -1, 0, i64::MAX] {
            let _either = Quota::new(u64::MAX).try_take(now);
            assert!(until_midnight(now) <= Duration::from_secs(86_400));
        }
    }
}
