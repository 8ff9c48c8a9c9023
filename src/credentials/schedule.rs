//! When a key store is asked again: before the key expires, at long intervals otherwise, and with exponential backoff
//! after failures.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use jiff::Timestamp;

/// How long before its expiration a key is normally renewed. A short-lived key is renewed half-way, a long-lived one
/// when a fifth of its time is left.
const AHEAD: Duration = Duration::from_secs(5 * 60);

/// The shortest time between two scheduled loads.
const SHORTEST: Duration = Duration::from_secs(1);

/// The longest time until a failing store is asked again.
const LONGEST_RETRY: Duration = Duration::from_secs(5 * 60);

/// How long to wait after a successful load. `left` is the time until the key expires.
pub(super) fn after_success(poll: Duration, left: Option<Duration>) -> Duration {
    let Some(left) = left else { return scattered(poll) };
    let part = |divisor| left.checked_div(divisor).unwrap_or_default();
    let ahead = part(5).max(AHEAD.min(part(2)));
    scattered(poll.min(left.saturating_sub(ahead)).max(SHORTEST))
}

/// How long to wait after the given number of failures in a row, if `first` is the wait after the first.
pub(super) fn after_failure(first: Duration, poll: Duration, failures: u32) -> Duration {
    let doubled = first.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    scattered(doubled.min(poll).min(LONGEST_RETRY).max(first))
}

/// The time from `now` to `end`, if there is an end; zero when it is past.
pub(super) fn left(end: Option<Timestamp>, now: Timestamp) -> Option<Duration> {
    end.map(|end| Duration::try_from(end.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Shortens a wait by up to a tenth, so that instances that started together do not keep loading at the same time.
fn scattered(wait: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) & 0xff;
    let part = u32::try_from(random).unwrap_or_default();
    wait.saturating_sub(wait.checked_div(10 * 256).unwrap_or_default().saturating_mul(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// Holds for a tenth less, too.
    fn about(wait: Duration, expected: Duration) -> bool {
        wait <= expected && wait >= expected.mul_f32(0.89)
    }

    #[test]
    fn a_key_is_renewed_ahead_of_its_end() {
        let hour = seconds(3600);
        for (left, expected) in [
            (hour, seconds(48 * 60)),
            (seconds(15 * 60), seconds(10 * 60)),
            (seconds(6 * 60), seconds(3 * 60)),
            (seconds(10), seconds(5)),
            (seconds(12 * 3600), hour),
            (seconds(0), SHORTEST),
        ] {
            let wait = after_success(hour, Some(left));
            assert!(about(wait, expected), "{left:?}: {wait:?}");
        }
        assert!(about(after_success(hour, None), hour));
    }

    #[test]
    fn a_failing_store_is_asked_soon_and_then_less_soon() {
        let (first, poll) = (seconds(1), seconds(3600));
        let expected = [(1, seconds(1)), (2, seconds(2)), (5, seconds(16)), (20, LONGEST_RETRY), (1000, LONGEST_RETRY)];
        for (failures, expected) in expected {
            let wait = after_failure(first, poll, failures);
            assert!(about(wait, expected), "{failures}: {wait:?}");
        }
        assert!(about(after_failure(first, seconds(30), 20), seconds(30)), "no seldomer than all is well");
    }

    #[test]
    fn waits_are_scattered() {
        let waits: std::collections::BTreeSet<_> = (0..32).map(|_| after_success(seconds(3600), None)).collect();
        assert!(waits.len() > 1);
    }

    #[test]
    fn what_is_left_of_a_key_that_has_ended_is_nothing() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(left(Some(at(10)), at(4)), Some(seconds(6)));
        assert_eq!(left(Some(at(10)), at(11)), Some(Duration::ZERO));
        assert_eq!(left(None, at(11)), None);
    }
}
