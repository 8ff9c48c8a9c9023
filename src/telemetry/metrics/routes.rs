//! Metrics of routes: how exchanges end, how long signing and the endpoint take, bytes, repetitions and refused
//! signatures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::register::{register, register_with_unit};
use super::sharded::{Durations, Sharded};
use crate::telemetry::outcome::Outcome;

/// Upper bounds in microseconds. Signing takes about 1 us in memory, 1,000 us in a hardware token.
const SIGN_BOUNDS: [u64; 8] = [2, 5, 10, 20, 100, 1_000, 10_000, 100_000];
/// Upper bounds in microseconds.
const FIRST_BYTE_BOUNDS: [u64; 10] =
    [1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

/// A counter that every exchange increments.
type WorkerCounter = Counter<u64, Sharded>;
/// One counter for each outcome.
type OutcomeCounters = [WorkerCounter; Outcome::ALL.len()];
type SignDurations = Durations<{ SIGN_BOUNDS.len() }>;
type FirstByteDurations = Durations<{ FIRST_BYTE_BOUNDS.len() }>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct RouteLabel {
    pub(super) route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExchangeLabels {
    route: String,
    action: String,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    route: String,
    cause: &'static str,
}

/// The families of all routes.
pub(super) struct RouteFamilies {
    exchanges: Family<ExchangeLabels, WorkerCounter>,
    sign: Family<RouteLabel, SignDurations>,
    first_byte: Family<RouteLabel, FirstByteDurations>,
    received: Family<RouteLabel, WorkerCounter>,
    returned: Family<RouteLabel, WorkerCounter>,
    clock_offset: Family<RouteLabel, Gauge<f64, AtomicU64>>,
    clock_repeats: Family<RouteLabel, WorkerCounter>,
    refusals: Family<RefusalLabels, Counter>,
    repeats: Family<RouteLabel, WorkerCounter>,
}

/// The metrics of one route. They are looked up once, so that an exchange only increments.
#[derive(Clone)]
pub struct RouteMetrics {
    /// Sorted by name.
    known_actions: Arc<[(String, OutcomeCounters)]>,
    other: OutcomeCounters,
    sign: SignDurations,
    first_byte: FirstByteDurations,
    received: WorkerCounter,
    returned: WorkerCounter,
    repeats: WorkerCounter,
    label: RouteLabel,
    clock_offset: Family<RouteLabel, Gauge<f64, AtomicU64>>,
    clock_repeats: WorkerCounter,
    refusals: Family<RefusalLabels, Counter>,
}

/// An Action that a route's configuration names, as an index into its known Actions.
#[derive(Debug, Clone, Copy)]
pub(in crate::telemetry) struct KnownAction(usize);

/// What an exchange adds to the metrics of its route.
pub(in crate::telemetry) struct Counted {
    pub(in crate::telemetry) action: Option<KnownAction>,
    pub(in crate::telemetry) outcome: Outcome,
    /// Body bytes from the client.
    pub(in crate::telemetry) received: u64,
    /// Body bytes to the client.
    pub(in crate::telemetry) returned: u64,
    /// How often the request was sent again.
    pub(in crate::telemetry) repeats: u64,
    pub(in crate::telemetry) sign: Option<Duration>,
    pub(in crate::telemetry) first_byte: Option<Duration>,
}

impl RouteFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let sign = Family::new_with_constructor((|| Durations::new(SIGN_BOUNDS)) as fn() -> SignDurations);
        let first_byte =
            Family::new_with_constructor((|| Durations::new(FIRST_BYTE_BOUNDS)) as fn() -> FirstByteDurations);
        let seconds_to_sign = "Time to canonicalise and sign";
        let seconds_to_first_byte = "Time from the signed request to the head of its answer";
        let ahead = "How far the endpoint's clock is ahead of this host's; absent until an answer has told";
        let clock_repeats = "Requests refused for their time and sent again with the endpoint's";
        let repeats = "Requests signed and sent again after an attempt without an answer";
        let refusals = "Signatures that the endpoint refused, by what differs";
        Self {
            exchanges: register(registry, "exchanges", "Exchanges that ended, by outcome", Family::default()),
            sign: register_with_unit(registry, "sign", Unit::Seconds, seconds_to_sign, sign),
            first_byte: register_with_unit(registry, "first_byte", Unit::Seconds, seconds_to_first_byte, first_byte),
            received: bytes(registry, "request_body", "Body bytes from clients"),
            returned: bytes(registry, "response_body", "Body bytes to clients"),
            clock_offset: {
                register_with_unit(registry, "endpoint_clock_offset", Unit::Seconds, ahead, Family::default())
            },
            clock_repeats: register(registry, "clock_repeats", clock_repeats, Family::default()),
            refusals: register(registry, "signature_refusals", refusals, Family::default()),
            repeats: register(registry, "repeats", repeats, Family::default()),
        }
    }

    /// The metrics of one route. Actions outside `known_actions` count as `other`.
    pub(super) fn of_route(&self, route: &str, known_actions: &[String]) -> RouteMetrics {
        let counters = |action: &str| {
            Outcome::ALL.map(|outcome| {
                let labels = ExchangeLabels { route: route.to_owned(), action: action.to_owned(), outcome };
                self.exchanges.get_or_create(&labels).clone()
            })
        };
        let known_actions: BTreeMap<_, _> =
            known_actions.iter().map(|action| (action.clone(), counters(action))).collect();
        let label = RouteLabel { route: route.to_owned() };
        RouteMetrics {
            known_actions: known_actions.into_iter().collect(),
            other: counters("other"),
            sign: self.sign.get_or_create(&label).clone(),
            first_byte: self.first_byte.get_or_create(&label).clone(),
            received: self.received.get_or_create(&label).clone(),
            returned: self.returned.get_or_create(&label).clone(),
            repeats: self.repeats.get_or_create(&label).clone(),
            clock_offset: self.clock_offset.clone(),
            clock_repeats: self.clock_repeats.get_or_create(&label).clone(),
            refusals: self.refusals.clone(),
            label,
        }
    }
}

fn bytes(registry: &mut Registry, name: &str, help: &str) -> Family<RouteLabel, WorkerCounter> {
    register_with_unit(registry, name, Unit::Bytes, help, Family::default())
}

impl RouteMetrics {
    /// The route's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.label.route
    }

    /// Sets how many seconds the endpoint's clock is ahead of this host's.
    pub(crate) fn set_clock_offset(&self, seconds: f64) {
        self.clock_offset.get_or_create(&self.label).set(seconds);
    }

    /// Counts a request that is sent again with the endpoint's time.
    pub(crate) fn count_clock_repeat(&self) {
        self.clock_repeats.inc();
    }

    /// Counts a refused signature. `cause` is one of a fixed set.
    pub(crate) fn count_refusal(&self, cause: &'static str) {
        self.refusals.get_or_create(&RefusalLabels { route: self.label.route.clone(), cause }).inc();
    }

    /// Counts an exchange that has ended.
    pub(in crate::telemetry) fn count(&self, counted: &Counted) {
        let Counted { action, outcome, received, returned, repeats, sign, first_byte } = counted;
        let counters = self.known(*action).map_or(&self.other, |(_, counters)| counters);
        if let Some(counter) = counters.get(outcome.index()) {
            counter.inc();
        }
        self.received.inc_by(*received);
        self.returned.inc_by(*returned);
        if *repeats > 0 {
            self.repeats.inc_by(*repeats);
        }
        if let Some(sign) = sign {
            self.sign.observe(*sign);
        }
        if let Some(first_byte) = first_byte {
            self.first_byte.observe(*first_byte);
        }
    }

    /// Looks `name` up among the Actions that the configuration names.
    pub(in crate::telemetry) fn known_action(&self, name: &str) -> Option<KnownAction> {
        self.known_actions.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok().map(KnownAction)
    }

    /// The name of an Action in metrics and logs, or `other` for one that the configuration does not name: such a
    /// name is a client's text like any other value.
    pub(in crate::telemetry) fn action_name(&self, action: Option<KnownAction>) -> &str {
        self.known(action).map_or("other", |(name, _)| name)
    }

    fn known(&self, action: Option<KnownAction>) -> Option<&(String, OutcomeCounters)> {
        let KnownAction(index) = action?;
        self.known_actions.get(index)
    }
}
