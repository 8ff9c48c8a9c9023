//! Limits how often a client may call: a token bucket in one atomic number, shared by all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;

/// A token bucket, stored as the time at which it will be full again (the "generic cell rate algorithm"). This is one
/// number instead of a count and a time, so that taking a token is one compare-and-swap and never waits for another
/// worker.
#[derive(Debug)]
pub struct RateLimit {
    /// Nanoseconds until one token is added.
    interval: u64,
    /// How many nanoseconds a client may be ahead of its rate: the size of the bucket less one, in intervals.
    tolerance: u64,
    full_at: Arc<AtomicU64>,
}

/// A client exceeds its rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
// AWS's own message, which SDKs and people recognise
#[error("Rate exceeded")]
pub struct Throttled {
    /// The time until the next token.
    pub retry_after: Duration,
}

impl RateLimit {
    /// `calls` in each `period`, and up to `burst` at once. The configuration refuses zero for any of them; here zero
    /// counts as the smallest possible value.
    #[must_use]
    pub fn new(calls: u32, period: Duration, burst: u32) -> Self {
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        let interval = period.checked_div(u64::from(calls)).unwrap_or(period).max(1);
        let tolerance = interval.saturating_mul(u64::from(burst).saturating_sub(1));
        Self { interval, tolerance, full_at: Arc::default() }
    }

    /// Keeps the fill level of `before` if its limit was the same, so that reloading the configuration does not fill a
    /// client's bucket.
    #[must_use]
    pub fn continuing(self, before: &Self) -> Self {
        if (self.interval, self.tolerance) == (before.interval, before.tolerance) {
            return Self { full_at: Arc::clone(&before.full_at), ..self };
        }
        self
    }

    /// Takes a token at `now_nanos`, read from a monotonic clock that all workers share.
    ///
    /// # Errors
    /// [`Throttled`] when there is none. A refused call takes no token, so a client that keeps calling is still served
    /// at its rate.
    pub fn try_take(&self, now_nanos: u64) -> Result<(), Throttled> {
        // Relaxed is enough: no other memory depends on this number
        let mut full_at = self.full_at.load(Ordering::Relaxed);
        loop {
            let earliest = full_at.saturating_sub(self.tolerance);
            if now_nanos < earliest {
                return Err(Throttled { retry_after: Duration::from_nanos(earliest.saturating_sub(now_nanos)) });
            }
            let next = full_at.max(now_nanos).saturating_add(self.interval);
            match self.full_at.compare_exchange_weak(full_at, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(changed) => full_at = changed,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn taken(limit: &RateLimit, now: u64, attempts: usize) -> usize {
        (0..attempts).filter(|_| limit.try_take(now).is_ok()).count()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let limit = RateLimit::new(10, Duration::from_secs(1), 5);
        assert_eq!(taken(&limit, SECOND, 100), 5);
        assert_eq!(limit.try_take(SECOND).unwrap_err().retry_after, Duration::from_millis(100));
        assert_eq!(taken(&limit, SECOND + SECOND / 4, 100), 2);
        assert_eq!(taken(&limit, SECOND + SECOND / 10 * 3, 100), 1);
        assert_eq!(taken(&limit, 100 * SECOND, 100), 5, "the bucket holds no more than its burst");
    }

    #[test]
    fn a_rate_by_the_minute_drips_evenly() {
        let limit = RateLimit::new(6, Duration::from_secs(60), 1);
        let served = (0..600).filter(|tick| limit.try_take(tick * SECOND / 10).is_ok()).count();
        assert_eq!(served, 6, "60 s in steps of 0.1 s");
    }

    #[test]
    fn workers_share_one_bucket() {
        let limit = RateLimit::new(1, Duration::from_secs(3600), 1000);
        let count = || taken(&limit, SECOND, 1000);
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(total, 1000);
    }

    #[test]
    fn the_same_limit_goes_on_where_it_was_and_another_begins_anew() {
        let minute = Duration::from_secs(60);
        let before = RateLimit::new(2, minute, 2);
        assert_eq!(taken(&before, SECOND, 9), 2);
        assert_eq!(taken(&RateLimit::new(2, minute, 2).continuing(&before), SECOND, 9), 0);
        assert_eq!(taken(&RateLimit::new(3, minute, 3).continuing(&before), SECOND, 9), 3);
    }

    #[test]
    fn extreme_numbers_neither_panic_nor_overflow() {
        for (calls, period, burst) in [(0, 0, 0), (u32::MAX, 1, u32::MAX), (1, u64::MAX, u32::MAX)] {
            let limit = RateLimit::new(calls, Duration::from_secs(period), burst);
            for now in [0, 1, u64::MAX] {
                let _either = limit.try_take(now);
            }
        }
    }
}
