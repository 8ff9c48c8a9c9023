//! Metrics of routes: how exchanges end, how long signing and the endpoint take, bytes, repetitions and refused
//! signatures.

mod counted;
mod totals;

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use smol_str::SmolStr;

use super::family::Family;
use super::register::{register, register_with_unit};
use super::sharded::{Durations, Sharded};
use super::snapshot::RouteState;
use crate::faults::codes;
use crate::telemetry::outcome::Outcome;

pub(in crate::telemetry) use counted::Counted;
pub(crate) use totals::RouteTotals;

/// Upper bounds in microseconds: from an endpoint on the same host to the longest that anybody waits for one.
const BOUNDS: [u64; 17] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000, 60_000_000,
];
/// The same and those below them: signing takes about 1 us in memory, 1,000 us in a hardware token, and far longer in a
/// token that is stuck.
const SIGN_BOUNDS: [u64; 22] = [
    2, 5, 10, 20, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// A counter that every exchange increments.
type WorkerCounter = Counter<u64, Sharded>;
/// One counter for each outcome. None is there, and none takes memory, before it is needed.
type OutcomeCounters = [OnceLock<WorkerCounter>; Outcome::ALL.len()];
/// The same for each of our codes.
type CodeCounters = [OnceLock<Counter>; codes::ALL.len()];
type SignDurations = Durations<{ SIGN_BOUNDS.len() }>;
/// Times that depend on the network.
type RouteDurations = Durations<{ BOUNDS.len() }>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
pub(super) struct RouteLabel {
    pub(super) route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct ExchangeLabels {
    route: String,
    action: String,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct RefusalLabels {
    route: String,
    cause: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct CodeLabels {
    route: String,
    code: &'static str,
}

/// The name by which Actions that are not known are counted.
const OTHER: &str = "other";
/// The code of a request for which there is no route.
const NO_ROUTE: &str = "ProxyRouteNotFound";

/// The families of all routes. Cheap to clone.
#[derive(Clone)]
pub(super) struct RouteFamilies {
    /// The routes that count or may still count: those of the graph that is served, and of graphs before it that have
    /// exchanges in progress.
    live: Arc<Mutex<Vec<Weak<OfRoute>>>>,
    exchanges: Family<ExchangeLabels, WorkerCounter>,
    exchange: Family<RouteLabel, RouteDurations>,
    connect: Family<RouteLabel, RouteDurations>,
    sign: Family<RouteLabel, SignDurations>,
    first_byte: Family<RouteLabel, RouteDurations>,
    received: Family<RouteLabel, WorkerCounter>,
    returned: Family<RouteLabel, WorkerCounter>,
    clock_offset: Family<RouteLabel, Gauge<f64, AtomicU64>>,
    clock_repeats: Family<RouteLabel, WorkerCounter>,
    refusals: Family<RefusalLabels, Counter>,
    refused: Family<CodeLabels, Counter>,
    repeats: Family<RouteLabel, WorkerCounter>,
    reused: Family<RouteLabel, WorkerCounter>,
    opened: Family<RouteLabel, WorkerCounter>,
}

/// The metrics of one route. Cheap to clone.
///
/// A series takes memory when it is first counted, and is found without a lock from then on: the Actions that are known
/// of a service cost a pointer each until they are called.
#[derive(Clone)]
pub struct RouteMetrics(Arc<OfRoute>);

struct OfRoute {
    label: RouteLabel,
    families: RouteFamilies,
    /// Sorted by name.
    known_actions: Box<[CountedAction]>,
    other: CountedAction,
    series: OnceLock<RouteSeries>,
    refused: OnceLock<Box<CodeCounters>>,
}

/// An Action, and how its exchanges ended.
struct CountedAction {
    name: SmolStr,
    outcomes: OnceLock<Box<OutcomeCounters>>,
}

/// The series that have no other label than the route.
struct RouteSeries {
    exchange: RouteDurations,
    connect: RouteDurations,
    sign: SignDurations,
    first_byte: RouteDurations,
    received: WorkerCounter,
    returned: WorkerCounter,
    repeats: WorkerCounter,
    clock_repeats: WorkerCounter,
    reused: WorkerCounter,
    opened: WorkerCounter,
}

/// An Action that is known of a route, as an index into its known Actions.
#[derive(Debug, Clone, Copy)]
pub(in crate::telemetry) struct KnownAction(usize);

impl RouteFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let sign = Family::new(|| Durations::new(SIGN_BOUNDS));
        let times = || Family::new(|| Durations::new(BOUNDS));
        let seconds =
            |registry: &mut Registry, name, help| register_with_unit(registry, name, Unit::Seconds, help, times());
        let whole = "Time from the request's head to the end of the response, of exchanges that were not refused";
        let connecting = "Time to make a connection to the endpoint (name, TCP and TLS), or to fail to; exchanges that \
                          used an open connection do not count";
        let seconds_to_sign = "Time to canonicalise and sign";
        let seconds_to_first_byte = "Time from the signed request to the head of its answer";
        let ahead = "How far the endpoint's clock is ahead of this host's; absent until an answer has told";
        let clock_repeats = "Requests refused for their time and sent again with the endpoint's";
        let repeats = "Requests signed and sent again after an attempt without an answer";
        let refusals = "Signatures that the endpoint refused, by what differs";
        let refused = "Responses of countersign itself, by its code: the request was refused, could not be sent, or \
                       had no response";
        let reused = "Connections to the endpoint that were taken from the pool for a call";
        let opened = "Connections to the endpoint that were opened for a call";
        Self {
            live: Arc::default(),
            exchanges: register(registry, "exchanges", "Exchanges that ended, by outcome", Family::default()),
            exchange: seconds(registry, "exchange", whole),
            connect: seconds(registry, "connect", connecting),
            sign: register_with_unit(registry, "sign", Unit::Seconds, seconds_to_sign, sign),
            first_byte: seconds(registry, "first_byte", seconds_to_first_byte),
            received: bytes(registry, "request_body", "Body bytes from clients"),
            returned: bytes(registry, "response_body", "Body bytes to clients"),
            clock_offset: {
                register_with_unit(registry, "endpoint_clock_offset", Unit::Seconds, ahead, Family::default())
            },
            clock_repeats: register(registry, "clock_repeats", clock_repeats, Family::default()),
            refusals: register(registry, "signature_refusals", refusals, Family::default()),
            refused: register(registry, "refusals", refused, Family::default()),
            repeats: register(registry, "repeats", repeats, Family::default()),
            reused: register(registry, "pool_reused", reused, Family::default()),
            opened: register(registry, "pool_opened", opened, Family::default()),
        }
    }

    /// The metrics of one route. Actions outside `known_actions` count as `other`.
    pub(super) fn of_route(&self, route: &str, known_actions: &[SmolStr]) -> RouteMetrics {
        let mut known_actions = known_actions.to_vec();
        known_actions.sort_unstable();
        known_actions.dedup();
        let route = Arc::new(OfRoute {
            label: RouteLabel { route: route.to_owned() },
            families: self.clone(),
            known_actions: known_actions.into_iter().map(CountedAction::named).collect(),
            other: CountedAction::named(SmolStr::new_static(OTHER)),
            series: OnceLock::new(),
            refused: OnceLock::new(),
        });
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.len() == live.capacity() {
            live.retain(|route| route.strong_count() > 0);
        }
        live.push(Arc::downgrade(&route));
        RouteMetrics(route)
    }

    /// Has the series of these routes at 0 before anything is counted of them, for refusals of signatures with these
    /// causes. Forgets the series of routes that are neither among them nor still count.
    pub(super) fn expect(&self, routes: &[RouteState<'_>], causes: &[&'static str]) {
        self.forget_others(routes.iter().map(|state| state.route.to_owned()).collect());
        let every = || routes.iter().map(|state| state.route.to_owned());
        let labels = || every().map(|route| RouteLabel { route });
        for times in [&self.exchange, &self.connect, &self.first_byte] {
            times.expect(labels());
        }
        self.sign.expect(labels());
        for counters in [&self.received, &self.returned, &self.clock_repeats, &self.repeats, &self.reused, &self.opened]
        {
            counters.expect(labels());
        }
        let other = |route: String| {
            Outcome::ALL.map(|outcome| ExchangeLabels { route: route.clone(), action: OTHER.to_owned(), outcome })
        };
        self.exchanges.expect(every().flat_map(other));
        let refused = |route: String| causes.iter().map(move |cause| RefusalLabels { route: route.clone(), cause });
        self.refusals.expect(every().flat_map(refused));
        let codes = codes::ALL.iter().map(|codes| codes.ours).filter(|code| *code != NO_ROUTE);
        let answered = |route: String| codes.clone().map(move |code| CodeLabels { route: route.clone(), code });
        self.refused.expect(every().flat_map(answered));
    }

    fn forget_others(&self, mut kept: BTreeSet<String>) {
        // held to the end: a route that is made meanwhile counts after this, in series that are not forgotten
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|route| route.strong_count() > 0);
        kept.extend(live.iter().filter_map(|route| Some(route.upgrade()?.label.route.clone())));
        let is_kept = |label: &RouteLabel| kept.contains(&label.route);
        for times in [&self.exchange, &self.connect, &self.first_byte] {
            times.keep(is_kept);
        }
        self.sign.keep(is_kept);
        self.clock_offset.keep(is_kept);
        for counters in [&self.received, &self.returned, &self.clock_repeats, &self.repeats, &self.reused, &self.opened]
        {
            counters.keep(is_kept);
        }
        self.exchanges.keep(|labels| kept.contains(&labels.route));
        self.refusals.keep(|labels| kept.contains(&labels.route));
        self.refused.keep(|labels| kept.contains(&labels.route));
    }

    fn series(&self, label: &RouteLabel) -> RouteSeries {
        RouteSeries {
            exchange: self.exchange.get_or_create(label),
            connect: self.connect.get_or_create(label),
            sign: self.sign.get_or_create(label),
            first_byte: self.first_byte.get_or_create(label),
            received: self.received.get_or_create(label),
            returned: self.returned.get_or_create(label),
            repeats: self.repeats.get_or_create(label),
            clock_repeats: self.clock_repeats.get_or_create(label),
            reused: self.reused.get_or_create(label),
            opened: self.opened.get_or_create(label),
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
        &self.0.label.route
    }

    /// Sets how many seconds the endpoint's clock is ahead of this host's.
    pub(crate) fn set_clock_offset(&self, seconds: f64) {
        self.0.families.clock_offset.get_or_create(&self.0.label).set(seconds);
    }

    /// Counts a request that is sent again with the endpoint's time.
    pub(crate) fn count_clock_repeat(&self) {
        self.0.series().clock_repeats.inc();
    }

    /// Counts a refused signature. `cause` is one of a fixed set.
    pub(crate) fn count_refusal(&self, cause: &'static str) {
        self.0.families.refusals.get_or_create(&RefusalLabels { route: self.0.label.route.clone(), cause }).inc();
    }

    /// Counts an exchange that has ended.
    pub(in crate::telemetry) fn count(&self, counted: &Counted) {
        let Counted { action, outcome, code, received, returned, repeats, reused, opened, .. } = counted;
        let Counted { connect, sign, first_byte, total, .. } = counted;
        self.0.count_outcome(self.0.known(*action).unwrap_or(&self.0.other), *outcome);
        if let Some(code) = code {
            self.0.count_code(code);
        }
        let series = self.0.series();
        series.received.inc_by(*received);
        series.returned.inc_by(*returned);
        for (counter, count) in [(&series.repeats, *repeats), (&series.reused, *reused), (&series.opened, *opened)] {
            if count > 0 {
                counter.inc_by(count);
            }
        }
        // a flood of refusals, which take microseconds, would hide how long the others take
        if *outcome != Outcome::Refused {
            series.exchange.observe(*total);
        }
        if let Some(connect) = connect {
            series.connect.observe(*connect);
        }
        if let Some(sign) = sign {
            series.sign.observe(*sign);
        }
        if let Some(first_byte) = first_byte {
            series.first_byte.observe(*first_byte);
        }
    }

    /// Looks `name` up among the Actions that are known.
    pub(in crate::telemetry) fn known_action(&self, name: &str) -> Option<KnownAction> {
        self.0.known_actions.binary_search_by(|known| known.name.as_str().cmp(name)).ok().map(KnownAction)
    }

    /// The name of a known Action.
    pub(in crate::telemetry) fn action_name(&self, action: KnownAction) -> Option<&str> {
        self.0.known(Some(action)).map(|known| known.name.as_str())
    }
}

impl OfRoute {
    fn series(&self) -> &RouteSeries {
        self.series.get_or_init(|| self.families.series(&self.label))
    }

    fn known(&self, action: Option<KnownAction>) -> Option<&CountedAction> {
        let KnownAction(index) = action?;
        self.known_actions.get(index)
    }

    fn count_outcome(&self, action: &CountedAction, outcome: Outcome) {
        let counter = action.outcomes.get().and_then(|outcomes| outcomes.get(outcome.index())?.get());
        match counter {
            Some(counter) => counter.inc(),
            None => self.begin(action, outcome).inc(),
        };
    }

    /// Counts a response of our own. A code that is in no row is counted nowhere: there is none.
    #[cold]
    fn count_code(&self, code: &'static str) {
        let Some(index) = codes::ALL.iter().position(|codes| codes.ours == code) else { return };
        let counters = self.refused.get_or_init(Box::default);
        let Some(counter) = counters.get(index) else { return };
        let made = || self.families.refused.get_or_create(&CodeLabels { route: self.label.route.clone(), code });
        counter.get_or_init(made).inc();
    }

    /// Makes the series of an outcome. Where the Action was not refused, those of the other outcomes begin at 0 with
    /// it, so that the first one of them is a rise that an alert sees. A client whose calls are refused makes one
    /// series of each known Action, not nine.
    #[cold]
    fn begin(&self, action: &CountedAction, outcome: Outcome) -> WorkerCounter {
        let made = |outcome| {
            let labels = ExchangeLabels { route: self.label.route.clone(), action: action.name.to_string(), outcome };
            self.families.exchanges.get_or_create(&labels)
        };
        let outcomes = action.outcomes.get_or_init(Box::default);
        for (each, counter) in Outcome::ALL.into_iter().zip(outcomes.iter()) {
            if each == outcome || outcome != Outcome::Refused {
                counter.get_or_init(|| made(each));
            }
        }
        made(outcome)
    }
}

impl CountedAction {
    const fn named(name: SmolStr) -> Self {
        Self { name, outcomes: OnceLock::new() }
    }
}
