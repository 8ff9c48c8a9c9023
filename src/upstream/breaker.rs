//! The circuit breaker of a route: after some failures in a row, calls are refused at once, except for one at a time
//! that finds out whether the endpoint is back.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// The first pause after an endpoint went down. Each failed attempt to reach it doubles it, up to the limit of the
/// route.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// When a route's breaker opens, and how long it stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Failures in a row that open it; 0: it never opens.
    pub failures: usize,
    /// The longest pause between two attempts to reach the endpoint.
    pub longest_pause: Duration,
}

/// How an endpoint is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// No connection to it can be had.
    Unreachable,
    /// It accepts connections and does not answer in time.
    Silent,
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "no connection to it could be made lately",
            Self::Silent => "it has not answered lately",
        })
    }
}

/// The breaker of one route, shared by all workers. An untrusted certificate does not open it, nor does a response of
/// any status or a connection that breaks off: such an endpoint reacts quickly, and perhaps only one call causes the
/// failure.
pub struct Breaker {
    limits: BreakerLimits,
    endpoint: Arc<EndpointHealth>,
}

/// What is known of one endpoint, however it is called.
struct EndpointHealth {
    /// The route's name in the log.
    route: String,
    /// Whether there have been failures: until then nobody takes the lock.
    troubled: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures_in_a_row: usize,
    down: Option<Down>,
    outages: u64,
}

struct Down {
    outage: Outage,
    /// When the last attempt failed.
    since: Instant,
    /// How long to wait since then before the next attempt.
    pause: Duration,
    /// Failed attempts to reach the endpoint since it went down.
    attempts: u32,
    probing: bool,
}

/// One call that the breaker has let pass, which reports its outcome. If it is dropped without one (the client left),
/// it counts neither as success nor as failure.
pub(super) struct CallInProgress<'b> {
    breaker: &'b Breaker,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ordinary,
    Probe,
}

impl Breaker {
    /// A closed one. `route` is its name in the log.
    #[must_use]
    pub fn new(route: &str, limits: BreakerLimits) -> Self {
        let (route, troubled, state) = (route.to_owned(), AtomicBool::new(false), Mutex::default());
        Self { limits, endpoint: Arc::new(EndpointHealth { route, troubled, state }) }
    }

    /// A breaker for the same endpoint with other limits: an endpoint that is down stays down. Calls of either breaker
    /// count for both, and each has its own limits.
    #[must_use]
    pub fn with_limits(&self, limits: BreakerLimits) -> Self {
        Self { limits, endpoint: Arc::clone(&self.endpoint) }
    }

    /// Why calls are refused now, if they are.
    #[must_use]
    pub fn outage(&self) -> Option<Outage> {
        let down = |state: &State| state.down.as_ref().map(|down| down.outage);
        if self.limits.never_opens() { None } else { down(&self.endpoint.state()) }
    }

    /// How often it has opened.
    #[must_use]
    pub fn outages(&self) -> u64 {
        self.endpoint.state().outages
    }

    /// Lets a call pass, or says why it is refused.
    pub(super) fn admit(&self, now: Instant) -> Result<CallInProgress<'_>, Outage> {
        let troubled = self.endpoint.troubled.load(Ordering::Relaxed) && !self.limits.never_opens();
        let kind = if troubled { self.endpoint.state().admit(now, self.limits.longest_pause)? } else { Kind::Ordinary };
        Ok(CallInProgress { breaker: self, kind })
    }
}

impl BreakerLimits {
    const fn never_opens(&self) -> bool {
        self.failures == 0
    }
}

impl EndpointHealth {
    /// The state is consistent after every statement: a panic of another worker leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn report_recovery(&self, recovered: Option<Outage>) {
        if recovered.is_some() {
            tracing::info!(route = self.route, "the endpoint is back: calls are sent again");
        }
    }
}

impl State {
    /// `longest` also holds for a pause that began when the longest pause was another one.
    fn admit(&mut self, now: Instant, longest: Duration) -> Result<Kind, Outage> {
        match &mut self.down {
            None => Ok(Kind::Ordinary),
            Some(down) if down.probing || down.is_paused(now, longest) => Err(down.outage),
            Some(down) => {
                down.probing = true;
                Ok(Kind::Probe)
            }
        }
    }

    /// Records a failure; `pause` gives the pause after a number of attempts. Returns whether the endpoint is down from
    /// now on.
    fn fail(
        &mut self,
        outage: Outage,
        kind: Kind,
        now: Instant,
        limit: usize,
        pause: impl Fn(u32) -> Duration,
    ) -> bool {
        let down = |attempts| Down { outage, since: now, pause: pause(attempts), attempts, probing: false };
        match (&mut self.down, kind) {
            (Some(before), Kind::Probe) => {
                *before = down(before.attempts.saturating_add(1));
                false
            }
            // this call was sent before the endpoint went down
            (Some(_), Kind::Ordinary) => false,
            (None, Kind::Ordinary | Kind::Probe) => {
                self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
                let opens = limit > 0 && self.failures_in_a_row >= limit;
                if opens {
                    self.down = Some(down(0));
                    self.outages = self.outages.saturating_add(1);
                }
                opens
            }
        }
    }

    /// Ends the outage, if there is one.
    fn recover(&mut self) -> Option<Outage> {
        self.failures_in_a_row = 0;
        self.down.take().map(|down| down.outage)
    }
}

impl Down {
    fn is_paused(&self, now: Instant, longest: Duration) -> bool {
        self.since.checked_add(self.pause.min(longest)).is_some_and(|until| now < until)
    }
}

impl CallInProgress<'_> {
    /// A new connection was made: an unreachable endpoint is back. A silent one has yet to respond.
    pub(super) fn connected(&mut self) {
        if !self.breaker.endpoint.troubled.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.breaker.endpoint.state();
        if state.down.as_ref().is_some_and(|down| down.outage == Outage::Unreachable) {
            self.kind = Kind::Ordinary;
            let recovered = state.recover();
            drop(state);
            self.breaker.endpoint.report_recovery(recovered);
        }
    }

    /// The head of a response came.
    pub(super) fn answered(mut self) {
        self.kind = Kind::Ordinary;
        if self.breaker.endpoint.troubled.swap(false, Ordering::Relaxed) {
            let recovered = self.breaker.endpoint.state().recover();
            self.breaker.endpoint.report_recovery(recovered);
        }
    }

    /// No connection could be made, or no response came in time.
    pub(super) fn failed(mut self, outage: Outage) {
        let Breaker { limits, endpoint } = self.breaker;
        let kind = std::mem::replace(&mut self.kind, Kind::Ordinary);
        let pause = |attempts| spread(lengthened(attempts, limits.longest_pause));
        let opened = self.breaker.endpoint.state().fail(outage, kind, Instant::now(), limits.failures, pause);
        endpoint.troubled.store(true, Ordering::Relaxed);
        if opened {
            tracing::warn!(
                route = endpoint.route,
                %outage,
                "the endpoint is down: calls are answered with 503 at once until an attempt succeeds"
            );
        }
    }
}

impl Drop for CallInProgress<'_> {
    /// Lets the next call probe the endpoint.
    fn drop(&mut self) {
        if self.kind == Kind::Probe
            && let Some(down) = &mut self.breaker.endpoint.state().down
        {
            down.probing = false;
        }
    }
}

/// Twice the first pause after one failed attempt, four times after two, and so on.
fn lengthened(attempts: u32, longest: Duration) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(attempts)).min(longest)
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

    const LIMITS: BreakerLimits = BreakerLimits { failures: 3, longest_pause: Duration::from_secs(2) };

    fn down_after_three(outage: Outage) -> Breaker {
        let breaker = Breaker::new("importexport", LIMITS);
        for _ in 0..3 {
            breaker.admit(Instant::now()).ok().unwrap().failed(outage);
        }
        breaker
    }

    /// After any pause there is.
    fn later() -> Instant {
        Instant::now().checked_add(LIMITS.longest_pause).unwrap()
    }

    #[test]
    fn failures_in_a_row_open_it_and_an_answer_between_them_does_not() {
        let breaker = Breaker::new("importexport", LIMITS);
        let call = || breaker.admit(Instant::now()).ok().unwrap();
        call().failed(Outage::Unreachable);
        call().failed(Outage::Silent);
        call().answered();
        call().failed(Outage::Unreachable);
        call().failed(Outage::Unreachable);
        assert_eq!(breaker.outage(), None);
        call().failed(Outage::Silent);
        assert!(breaker.outage().is_some());
        assert_eq!(breaker.admit(Instant::now()).err(), Some(Outage::Silent));
        assert_eq!(breaker.outages(), 1);
    }

    #[test]
    fn without_a_limit_it_never_opens() {
        let breaker = Breaker::new("importexport", BreakerLimits { failures: 0, ..LIMITS });
        for _ in 0..1000 {
            breaker.admit(Instant::now()).ok().unwrap().failed(Outage::Unreachable);
        }
    }

    #[test]
    fn other_limits_change_nothing_that_is_known_of_the_endpoint() {
        let breaker = down_after_three(Outage::Unreachable);
        let shorter = Duration::from_millis(1);
        let now = Instant::now();
        let impatient = breaker.with_limits(BreakerLimits { failures: 5, longest_pause: shorter });
        assert_eq!((impatient.outage(), impatient.outages()), (Some(Outage::Unreachable), 1));
        let probe = impatient.admit(now.checked_add(shorter).unwrap());
        probe.ok().unwrap().answered();
        assert_eq!(breaker.outage(), None, "what one learns, the other knows");
    }

    #[test]
    fn limits_that_never_open_it_end_an_outage_too() {
        let breaker = down_after_three(Outage::Silent);
        let tolerant = breaker.with_limits(BreakerLimits { failures: 0, ..LIMITS });
        assert_eq!(tolerant.outage(), None);
        assert!(tolerant.admit(Instant::now()).is_ok());
    }

    #[test]
    fn one_call_at_a_time_finds_out_whether_the_endpoint_is_back() {
        let breaker = down_after_three(Outage::Unreachable);
        let mut probe = breaker.admit(later()).ok().unwrap();
        assert!(breaker.admit(later()).is_err(), "only one");
        probe.connected();
        assert_eq!(breaker.outage(), None);
        let both = (breaker.admit(Instant::now()), breaker.admit(Instant::now()));
        assert!(both.0.is_ok() && both.1.is_ok());
    }

    #[test]
    fn a_silent_endpoint_is_back_when_it_answers_and_not_before() {
        let breaker = down_after_three(Outage::Silent);
        let mut probe = breaker.admit(later()).ok().unwrap();
        probe.connected();
        assert!(breaker.outage().is_some());
        probe.answered();
        assert_eq!(breaker.outage(), None);
    }

    #[test]
    fn a_probe_whose_client_leaves_makes_room_for_the_next() {
        let breaker = down_after_three(Outage::Unreachable);
        drop(breaker.admit(later()).ok().unwrap());
        assert!(breaker.admit(later()).is_ok());
    }

    #[test]
    fn a_call_that_began_before_the_outage_does_not_prolong_it_but_may_end_it() {
        let breaker = Breaker::new("importexport", LIMITS);
        let early: Vec<_> = (0..2).map(|_| breaker.admit(Instant::now()).ok().unwrap()).collect();
        for _ in 0..3 {
            breaker.admit(Instant::now()).ok().unwrap().failed(Outage::Silent);
        }
        let [failing, answered] = <[_; 2]>::try_from(early).ok().unwrap();
        failing.failed(Outage::Silent);
        assert!(breaker.admit(later()).is_ok());
        answered.answered();
        assert_eq!(breaker.outage(), None);
    }

    #[test]
    fn pauses_double_up_to_their_limit_and_are_spread_over_their_second_half() {
        let pauses: Vec<u128> = (0..40).map(|n| lengthened(n, LIMITS.longest_pause).as_millis()).collect();
        assert_eq!(pauses[..5], [250, 500, 1000, 2000, 2000]);
        assert_eq!(pauses[39], 2000);
        let pause = Duration::from_secs(1);
        let spread: Vec<Duration> = (0..100).map(|_| spread(pause)).collect();
        assert!(spread.iter().all(|spread| (pause / 2..=pause).contains(spread)));
        assert!(spread.iter().any(|other| *other != spread[0]));
    }

    #[test]
    fn workers_share_it_and_only_one_of_them_probes() {
        let breaker = down_after_three(Outage::Unreachable);
        let at = later();
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| breaker.admit(at).ok().map(std::mem::forget))).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).count()
        });
        assert_eq!(admitted, 1);
    }
}
