//! The circuit breaker of an endpoint: after some failures in a row, it refuses calls at once, except for those that
//! find out whether the endpoint is back.
//!
//! One client's slow calls do not make an endpoint seem down to others. A failure counts only if nobody got a response
//! since its call was sent, and all unanswered calls of one client count as one failure for other clients. `state` has
//! the rules.

mod gate;
mod state;
mod way_out;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::endpoint_name::EndpointName;
use super::repetition::Repetition;
use state::{Failed, Kind, State};
pub use way_out::WayOut;
pub(super) use way_out::{Probe, Refusal};

/// When a route's breaker opens, and how long it stays open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Failures in a row that open it; 0: it never opens.
    pub failures: usize,
    /// The longest pause between two attempts to reach the endpoint.
    pub longest_pause: Duration,
}

/// For how long another replica's report about the endpoint is believed. It is repeated every two seconds.
const REPORT_HOLDS: Duration = Duration::from_secs(10);

/// How an endpoint is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outage {
    /// No connection to it can be made.
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

/// The breaker of one endpoint, shared by all workers. An untrusted certificate does not open it, nor does a response
/// of any status or a connection that breaks off: such an endpoint reacts quickly, and perhaps only one call causes the
/// failure.
pub struct Breaker {
    limits: BreakerLimits,
    endpoint: Arc<EndpointHealth>,
}

/// What is known of one endpoint, whatever limits it is called with.
struct EndpointHealth {
    name: EndpointName,
    /// When this value was made; times are counted from then.
    born: Instant,
    /// When the last response to any client came, in nanoseconds since `born`; 0: none has come.
    last_response: AtomicU64,
    /// Until when another replica's report holds, in nanoseconds since `born`; 0: there was none.
    reported_until: AtomicU64,
    /// Whether there have been failures: until then nobody takes the lock.
    troubled: AtomicBool,
    state: Mutex<State>,
}

/// One call that the breaker has let pass, which reports its outcome. If it is dropped without one (the client left),
/// it counts neither as success nor as failure.
pub(super) struct CallInProgress<'b> {
    breaker: &'b Breaker,
    /// Whose call it is.
    client: &'b str,
    kind: Kind,
    /// When the endpoint was first asked for something: for a connection, then for a response.
    since: Since,
}

#[derive(Clone, Copy)]
enum Since {
    Asked(Instant),
    Sent(Instant),
}

impl Breaker {
    /// A closed one, of the endpoint with this name.
    #[must_use]
    pub fn new(name: EndpointName, limits: BreakerLimits) -> Self {
        let endpoint = EndpointHealth {
            name,
            born: Instant::now(),
            last_response: AtomicU64::new(0),
            reported_until: AtomicU64::new(0),
            troubled: AtomicBool::new(false),
            state: Mutex::default(),
        };
        Self { limits, endpoint: Arc::new(endpoint) }
    }

    /// A breaker for the same endpoint with other limits: an endpoint that is down stays down. Calls of either breaker
    /// count for both, and each has its own limits.
    #[must_use]
    pub fn with_limits(&self, limits: BreakerLimits) -> Self {
        Self { limits, endpoint: Arc::clone(&self.endpoint) }
    }

    /// Why calls are refused now, if those of any client are.
    #[must_use]
    pub fn outage(&self) -> Option<Outage> {
        if self.limits.never_opens() { None } else { self.endpoint.state().outage() }
    }

    /// Notes at `now` that another replica cannot connect to the endpoint. For some seconds, one failed connection of
    /// this process is enough to open the breaker. A report alone refuses no call: it may be about the other replica's
    /// network, or come from somebody who can write to the store.
    pub fn note_report(&self, now: Instant) {
        let until = now.checked_add(REPORT_HOLDS).unwrap_or(now);
        let (now, until) = (self.endpoint.nanos(now), self.endpoint.nanos(until));
        if self.endpoint.reported_until.swap(until, Ordering::Relaxed) < now && self.outage().is_none() {
            let EndpointName { route, endpoint } = &self.endpoint.name;
            tracing::info!(
                route,
                endpoint,
                "another replica cannot connect to the endpoint: one failed connection is enough to count it as down"
            );
        }
    }

    /// How often it has opened.
    #[must_use]
    pub fn outages(&self) -> u64 {
        self.endpoint.state().outages
    }

    /// Lets a call of `client` pass, or says why not.
    pub(super) fn admit<'b>(
        &'b self,
        client: &'b str,
        now: Instant,
        repetition: Repetition,
        way_out: WayOut,
    ) -> Result<CallInProgress<'b>, Refusal> {
        let troubled = self.endpoint.troubled.load(Ordering::Relaxed) && !self.limits.never_opens();
        let kind = if troubled { self.admit_in_trouble(client, now, repetition, way_out)? } else { Kind::Ordinary };
        Ok(CallInProgress { breaker: self, client, kind, since: Since::Asked(now) })
    }

    fn admit_in_trouble(
        &self,
        client: &str,
        now: Instant,
        repetition: Repetition,
        way_out: WayOut,
    ) -> Result<Kind, Refusal> {
        let mut state = self.endpoint.state();
        let down = state.outage();
        let admitted = match (down, way_out, repetition) {
            (Some(Outage::Silent), WayOut::OtherEndpoint, Repetition::Unsafe) => state.admit_unless_down(client),
            (_, WayOut::None | WayOut::OtherEndpoint, Repetition::Safe | Repetition::Unsafe) => {
                state.admit(client, now, &self.limits)
            }
        };
        match (admitted, down, way_out) {
            (Ok(Kind::Probe(began)), Some(outage @ Outage::Unreachable), WayOut::OtherEndpoint) => {
                Err(Refusal { outage, probe: Some(Probe { client: client.into(), began }) })
            }
            (admitted, ..) => admitted.map_err(|outage| Refusal { outage, probe: None }),
        }
    }
}

impl BreakerLimits {
    /// The limits after a failure of this kind, of an endpoint that others report as unreachable or do not.
    fn with_report(self, is_reported: bool, outage: Outage) -> Self {
        // a slow call says nothing about connections
        let is_confirmed = is_reported && outage == Outage::Unreachable;
        Self { failures: if is_confirmed { self.failures.min(1) } else { self.failures }, ..self }
    }

    const fn never_opens(&self) -> bool {
        self.failures == 0
    }
}

impl EndpointHealth {
    /// The state is consistent after every statement: a panic of another worker leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.born).as_nanos()).unwrap_or(u64::MAX)
    }

    fn report_recovery(&self, recovered: Option<Outage>) {
        if recovered.is_some() {
            let EndpointName { route, endpoint } = &self.name;
            tracing::info!(route, endpoint, "the endpoint is back: calls are sent to it again");
        }
    }

    fn report(&self, failed: &Failed, outage: Outage) {
        let EndpointName { route, endpoint } = &self.name;
        match failed {
            Failed::Counted => {}
            Failed::Down => tracing::warn!(
                route,
                endpoint,
                %outage,
                "the endpoint is down: until an attempt succeeds, calls go to the route's next endpoint, or are \
                 answered with 503 at once"
            ),
            Failed::DownForOne(client) => tracing::warn!(
                route,
                endpoint,
                %outage,
                client,
                "the endpoint is down for one client, and nobody else has called: until an attempt succeeds, this \
                 client's calls go to the route's next endpoint, or are answered with 503 at once"
            ),
        }
    }
}

impl CallInProgress<'_> {
    /// A new connection was made: an unreachable endpoint is back. A silent one has yet to respond.
    pub(super) fn connected(&mut self) {
        if !self.breaker.endpoint.troubled.load(Ordering::Relaxed) {
            return;
        }
        let mut state = self.breaker.endpoint.state();
        if state.outage() == Some(Outage::Unreachable) {
            self.kind = Kind::Ordinary;
            let recovered = state.recover();
            drop(state);
            self.breaker.endpoint.report_recovery(recovered);
        }
    }

    /// Its request is sent, for the first time or again.
    pub(super) const fn sent(&mut self, at: Instant) {
        if matches!(self.since, Since::Asked(_)) {
            self.since = Since::Sent(at);
        }
    }

    /// The head of a response came.
    pub(super) fn answered(mut self, at: Instant) {
        self.kind = Kind::Ordinary;
        let endpoint = &self.breaker.endpoint;
        // `failed` does these in the opposite order: either it sees this response, or this sees its failure
        endpoint.last_response.fetch_max(endpoint.nanos(at), Ordering::SeqCst);
        if endpoint.troubled.load(Ordering::SeqCst) {
            let mut state = endpoint.state();
            endpoint.troubled.store(false, Ordering::SeqCst);
            let recovered = state.recover();
            drop(state);
            endpoint.report_recovery(recovered);
        }
    }

    /// No connection could be made, or no response came in time. It counts only if no other call was answered
    /// meanwhile.
    pub(super) fn failed(mut self, outage: Outage, now: Instant) {
        let Breaker { limits, endpoint } = self.breaker;
        let (Since::Asked(since) | Since::Sent(since)) = self.since;
        let mut state = endpoint.state();
        endpoint.troubled.store(true, Ordering::SeqCst);
        if endpoint.last_response.load(Ordering::SeqCst) > endpoint.nanos(since) {
            drop(state);
            return;
        }
        let kind = std::mem::replace(&mut self.kind, Kind::Ordinary);
        let is_reported = endpoint.reported_until.load(Ordering::Relaxed) > endpoint.nanos(now);
        let failed = state.fail(outage, self.client, kind, now, &limits.with_report(is_reported, outage));
        drop(state);
        endpoint.report(&failed, outage);
    }
}

impl Drop for CallInProgress<'_> {
    /// Lets the next call probe the endpoint.
    fn drop(&mut self) {
        if let Kind::Probe(began) = self.kind {
            self.breaker.endpoint.state().give_up(self.client, began);
        }
    }
}

#[cfg(test)]
mod tests;
