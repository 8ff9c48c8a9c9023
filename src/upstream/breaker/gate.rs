//! When calls to an endpoint that is down are tried again: pauses that grow, and probes that take turns.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

/// The first pause after an endpoint went down. Each failed probe doubles it, up to the limit of the route.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// How long a probe keeps other calls from probing. A probe may take as long as `first_byte`, and an endpoint that is
/// back must not seem down because of one slow call.
pub(super) const TURN: Duration = Duration::from_secs(1);

/// Holds calls back, except for those that find out whether the endpoint is back.
pub(super) struct Gate {
    /// When the last attempt failed.
    since: Instant,
    /// How long to wait since then before the next attempt.
    pause: Duration,
    failed_probes: u32,
    /// When the probe began whose turn it is.
    probe: Option<Instant>,
}

impl Gate {
    /// One that closes `now`.
    pub(super) fn closed(now: Instant, longest: Duration) -> Self {
        Self { since: now, pause: spread(lengthened(0, longest)), failed_probes: 0, probe: None }
    }

    /// Whether a call may pass as a probe, which then begins `now`. `longest` also holds for a pause that began when
    /// the longest pause was another one.
    pub(super) fn pass(&mut self, now: Instant, longest: Duration) -> bool {
        let over = |since: Instant, time: Duration| since.checked_add(time).is_none_or(|until| until <= now);
        let passes = over(self.since, self.pause.min(longest)) && self.probe.is_none_or(|began| over(began, TURN));
        if passes {
            self.probe = Some(now);
        }
        passes
    }

    /// A probe failed: the next pause is longer.
    pub(super) fn close_again(&mut self, now: Instant, longest: Duration) {
        let failed_probes = self.failed_probes.saturating_add(1);
        let pause = spread(lengthened(failed_probes, longest));
        *self = Self { since: now, pause, failed_probes, probe: None };
    }

    /// The probe that began then ended without an outcome: its turn is over.
    pub(super) fn give_up(&mut self, began: Instant) {
        if self.probe == Some(began) {
            self.probe = None;
        }
    }
}

/// Twice the first pause after one failed probe, four times after two, and so on.
fn lengthened(failed_probes: u32, longest: Duration) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(failed_probes)).min(longest)
}

/// A random time between half of `pause` and `pause`, so that processes that began to wait together do not return
/// together. The randomness comes from the standard library's hash maps.
fn spread(pause: Duration) -> Duration {
    let random = RandomState::new().build_hasher().finish();
    let part = f64::from(u32::try_from(random % 1024).unwrap_or_default()) / 1024.0;
    pause.mul_f64(0.5 + part / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(2);

    #[test]
    fn pauses_double_up_to_their_limit_and_are_spread_over_their_second_half() {
        let pauses: Vec<u128> = (0..40).map(|n| lengthened(n, LONGEST).as_millis()).collect();
        assert_eq!(pauses[..5], [250, 500, 1000, 2000, 2000]);
        assert_eq!(pauses[39], 2000);
        let pause = Duration::from_secs(1);
        let spread: Vec<Duration> = (0..100).map(|_| spread(pause)).collect();
        assert!(spread.iter().all(|spread| (pause / 2..=pause).contains(spread)));
        assert!(spread.iter().any(|other| *other != spread[0]));
    }

    #[test]
    fn a_probe_has_its_turn_for_a_second_and_then_another_call_may_probe() {
        let start = Instant::now();
        let mut gate = Gate::closed(start, LONGEST);
        assert!(!gate.pass(start + FIRST_PAUSE / 2 - Duration::from_millis(1), LONGEST));
        let first = start + FIRST_PAUSE;
        assert!(gate.pass(first, LONGEST));
        assert!(!gate.pass(first, LONGEST));
        assert!(!gate.pass(first + TURN - Duration::from_nanos(1), LONGEST));
        assert!(gate.pass(first + TURN, LONGEST));
        gate.give_up(first);
        assert!(!gate.pass(first + TURN, LONGEST), "it is the second one's turn now");
        gate.give_up(first + TURN);
        assert!(gate.pass(first + TURN, LONGEST));
    }

    #[test]
    fn a_probe_that_fails_lengthens_the_pause() {
        let start = Instant::now();
        let mut gate = Gate::closed(start, LONGEST);
        assert!(gate.pass(start + FIRST_PAUSE, LONGEST));
        let failed = start + FIRST_PAUSE;
        gate.close_again(failed, LONGEST);
        assert!(!gate.pass(failed + FIRST_PAUSE - Duration::from_nanos(1), LONGEST));
        assert!(gate.pass(failed + 2 * FIRST_PAUSE, LONGEST));
    }
}
