//! Limits how often a client may call: a token bucket in one atomic number, shared by all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;

use super::calls_left::CallsLeft;

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
    /// What the configuration says.
    terms: Terms,
}

/// A rate as people write it.
#[derive(Debug, Clone, Copy)]
struct Terms {
    calls: u32,
    period: Duration,
    burst: u32,
}

/// What a bucket holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLevel {
    /// The tokens that it can hold.
    pub size: u64,
    /// The tokens that it holds.
    pub remaining: u64,
    /// The time until it is full.
    pub full_in: Duration,
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
        let terms = Terms { calls, period, burst };
        let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
        let interval = period.checked_div(u64::from(calls)).unwrap_or(period).max(1);
        let tolerance = interval.saturating_mul(u64::from(burst).saturating_sub(1));
        Self { interval, tolerance, full_at: Arc::default(), terms }
    }

    /// Lets the client be as far ahead of its rate as `least` at least. Tokens of a rate that replicas share come in
    /// batches: a bucket that is smaller than a batch would lose a part of each.
    #[must_use]
    pub fn tolerating(self, least: Duration) -> Self {
        let least = u64::try_from(least.as_nanos()).unwrap_or(u64::MAX);
        Self { tolerance: self.tolerance.max(least), ..self }
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

    /// What the bucket holds at `now_nanos`, without taking a token.
    #[must_use]
    pub fn level(&self, now_nanos: u64) -> RateLevel {
        let ahead = self.full_at.load(Ordering::Relaxed).saturating_sub(now_nanos);
        let size = self.tolerance.checked_div(self.interval).unwrap_or(0).saturating_add(1);
        let room = self.tolerance.checked_sub(ahead);
        let remaining = room.map_or(0, |room| room.checked_div(self.interval).unwrap_or(0).saturating_add(1));
        RateLevel { size, remaining, full_in: Duration::from_nanos(ahead) }
    }

    /// What is left of the rate at `now_nanos`.
    #[must_use]
    pub fn left(&self, now_nanos: u64) -> CallsLeft {
        let Terms { calls, period, burst } = self.terms;
        let RateLevel { size: _, remaining, full_in } = self.level(now_nanos);
        // a bucket for the tokens of several replicas may hold more
        let remaining = remaining.min(burst.into());
        let lasts = match self.check(now_nanos) {
            Ok(()) => Duration::from_nanos(self.interval.saturating_mul(remaining)),
            Err(Throttled { retry_after }) => retry_after,
        };
        CallsLeft {
            limit: CallsLeft::RATE,
            calls: calls.into(),
            window: period,
            burst: burst.into(),
            remaining,
            lasts,
            full_in,
        }
    }

    /// Whether there is a token at `now_nanos`, without taking it.
    ///
    /// # Errors
    /// [`Throttled`] when there is none.
    pub fn check(&self, now_nanos: u64) -> Result<(), Throttled> {
        let earliest = self.full_at.load(Ordering::Relaxed).saturating_sub(self.tolerance);
        match earliest.checked_sub(now_nanos) {
            None | Some(0) => Ok(()),
            Some(wait) => Err(Throttled { retry_after: Duration::from_nanos(wait) }),
        }
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
    fn what_is_left_is_what_can_be_taken_and_telling_it_takes_nothing() {
        let limit = RateLimit::new(600, Duration::from_secs(60), 5);
        let full = limit.left(SECOND);
        assert_eq!((full.calls, full.window, full.burst), (600, Duration::from_secs(60), 5));
        assert_eq!((full.remaining, full.lasts, full.full_in), (5, Duration::from_millis(500), Duration::ZERO));
        assert_eq!(taken(&limit, SECOND, 2), 2);
        let less = limit.left(SECOND + SECOND / 20);
        assert_eq!(
            (less.remaining, less.lasts, less.full_in),
            (3, Duration::from_millis(300), Duration::from_millis(150))
        );
        assert_eq!(taken(&limit, SECOND + SECOND / 20, 9), 3);
        let none = limit.left(SECOND + SECOND / 20);
        assert_eq!((none.remaining, none.lasts), (0, Duration::from_millis(50)), "the next one comes then");
        assert_eq!(limit.left(u64::MAX).remaining, 5);
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
    fn a_level_is_told_without_taking_a_token() {
        let limit = RateLimit::new(10, Duration::from_secs(1), 5);
        let level = |now| (limit.level(now).remaining, limit.level(now).full_in.as_millis());
        assert_eq!((limit.level(SECOND).size, level(SECOND)), (5, (5, 0)));
        assert_eq!(taken(&limit, SECOND, 3), 3);
        assert_eq!(level(SECOND), (2, 300));
        assert!(limit.check(SECOND).is_ok());
        assert_eq!(taken(&limit, SECOND, 9), 2);
        assert_eq!((level(SECOND), limit.check(SECOND)), ((0, 500), limit.try_take(SECOND)));
        assert_eq!(level(SECOND + SECOND / 5), (2, 300));
    }

    #[test]
    fn a_bucket_for_batches_holds_as_much_as_a_batch() {
        let limit = || RateLimit::new(100, Duration::from_secs(1), 1);
        let batches = limit().tolerating(Duration::from_millis(100));
        assert_eq!((taken(&limit(), SECOND, 100), taken(&batches, SECOND, 100)), (1, 11));
        let burst = RateLimit::new(100, Duration::from_secs(1), 50).tolerating(Duration::from_millis(100));
        assert_eq!(taken(&burst, SECOND, 100), 50, "a larger burst stays as it is");
    }

    #[test]
    fn extreme_numbers_neither_panic_nor_overflow() {
        for (calls, period, burst) in [(0, 0, 0), (u32::MAX, 1, u32::MAX), (1, u64::MAX, u32::MAX)] {
            let limit = RateLimit::new(calls, Duration::from_secs(period), burst);
            for now in [0, 1, u64::MAX] {
                let _either = (limit.check(now), limit.level(now), limit.try_take(now));
            }
        }
    }
}
