//! The limits of a client over all replicas, and the numbers with which the store's script counts them.

use std::time::Duration;

/// Calls in each period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedRate {
    /// Calls in each period, one at least.
    pub calls: u32,
    /// The period.
    pub period: Duration,
    /// Calls that may come at once.
    pub burst: u32,
}

/// The limits of one client, which has at least one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedLimits {
    /// How often it may call.
    pub rate: Option<SharedRate>,
    /// How many calls it may make in a day of UTC.
    pub quota: Option<u64>,
}

/// The limits as arguments of the store's script.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Terms {
    /// Microseconds for each token; 0 without a rate.
    pub(super) interval: f64,
    /// How many microseconds the client may be ahead of its rate.
    pub(super) tolerance: f64,
    /// Calls of a day; 0 without a quota.
    pub(super) quota: u64,
}

impl SharedLimits {
    /// The terms where tokens are leased for `ahead`. A bucket holds as much as a lease at least: what comes in while
    /// nobody asks would be lost otherwise.
    pub(super) fn terms(self, ahead: Duration) -> Terms {
        let (interval, tolerance) = self.rate.map_or((0.0, 0.0), |SharedRate { calls, period, burst }| {
            let interval = micros(period) / f64::from(calls.max(1));
            (interval, (interval * f64::from(burst.saturating_sub(1))).max(micros(ahead)))
        });
        Terms { interval, tolerance, quota: self.quota.unwrap_or(0) }
    }
}

impl Terms {
    /// The longest that the script has a client wait for a token, in microseconds.
    pub(super) fn longest_wait(self) -> u64 {
        // a cast from a float saturates
        (self.tolerance + 2.0 * self.interval).ceil() as u64
    }

    /// How many tokens the bucket holds; as many as there may be without a rate.
    pub(super) fn bucket(self) -> u32 {
        if self.interval > 0.0 { saturated(self.tolerance / self.interval).saturating_add(1) } else { u32::MAX }
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The whole part, as far as it is a number of tokens.
pub(super) const fn saturated(number: f64) -> u32 {
    // a cast from a float saturates
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const AHEAD: Duration = Duration::from_millis(100);

    fn terms(calls: u32, seconds: u64, burst: u32) -> Terms {
        let rate = SharedRate { calls, period: Duration::from_secs(seconds), burst };
        SharedLimits { rate: Some(rate), quota: None }.terms(AHEAD)
    }

    #[test]
    fn a_bucket_holds_the_burst_and_a_lease_at_least() {
        assert_eq!(terms(10, 1, 5), Terms { interval: 100_000.0, tolerance: 400_000.0, quota: 0 });
        assert_eq!((terms(10, 1, 5).bucket(), terms(6, 60, 6).bucket()), (5, 6));
        assert_eq!((terms(1, 1, 1).bucket(), terms(10_000, 1, 1).bucket()), (1, 1001));
        let unlimited = SharedLimits { rate: None, quota: Some(7) }.terms(AHEAD);
        assert_eq!((unlimited.bucket(), unlimited.quota), (u32::MAX, 7));
        assert_eq!((terms(10, 1, 5).longest_wait(), unlimited.longest_wait()), (600_000, 0));
    }
}
