//! Prometheus metrics. Every label value comes from the configuration or from an enum here, never from a client.

mod configuration;
mod labels;
mod sharded;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::telemetry::outcome::Outcome;

use configuration::ConfigurationMetrics;
pub use labels::LoadResult;
use labels::{
    ExchangeLabels, KeyLabel, KeyLoadLabels, ListenerLabel, RefusalLabels, RouteLabel, TokenKeyLabels, UnroutedLabels,
};
use sharded::{Durations, Sharded};

/// The media type of [`Metrics::render`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds in microseconds. Signing takes around one in memory, a thousand in a token.
const SIGN_BOUNDS: [u64; 8] = [2, 5, 10, 20, 100, 1_000, 10_000, 100_000];
const FIRST_BYTE_BOUNDS: [u64; 10] =
    [1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

/// A counter of the request path.
type WorkerCounter = Counter<u64, Sharded>;
/// One for each outcome.
type OutcomeCounters = [WorkerCounter; Outcome::ALL.len()];
type SignDurations = Durations<{ SIGN_BOUNDS.len() }>;
type FirstByteDurations = Durations<{ FIRST_BYTE_BOUNDS.len() }>;

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    exchanges: Family<ExchangeLabels, WorkerCounter>,
    unrouted: Family<UnroutedLabels, Counter>,
    sign: Family<RouteLabel, SignDurations>,
    first_byte: Family<RouteLabel, FirstByteDurations>,
    received: Family<RouteLabel, WorkerCounter>,
    returned: Family<RouteLabel, WorkerCounter>,
    clock_offset: Family<RouteLabel, Gauge<f64, AtomicU64>>,
    clock_repeats: Family<RouteLabel, WorkerCounter>,
    refusals: Family<RefusalLabels, Counter>,
    connections: Family<ListenerLabel, Gauge>,
    key_expiry: Family<KeyLabel, Gauge>,
    key_loads: Family<KeyLoadLabels, Counter>,
    key_degraded: Family<KeyLabel, Gauge>,
    endpoint_down: Family<RouteLabel, Gauge>,
    endpoint_outages: Family<RouteLabel, Counter>,
    repeats: Family<RouteLabel, WorkerCounter>,
    audit_lost: Counter,
    configuration: ConfigurationMetrics,
    panics: Counter,
    bodies_held: Gauge,
    token_key_loads: Family<TokenKeyLabels, Counter>,
}

/// A listener's name, and what is counted of it alone.
#[derive(Clone)]
pub struct ListenerMetrics {
    name: Arc<str>,
    unrouted: Family<UnroutedLabels, Counter>,
}

/// The metrics of one route, looked up once: an exchange only increments.
#[derive(Clone)]
pub struct RouteMetrics {
    /// By name, in order.
    known_actions: Arc<[(String, OutcomeCounters)]>,
    other: OutcomeCounters,
    pub(in crate::telemetry) sign: SignDurations,
    pub(in crate::telemetry) first_byte: FirstByteDurations,
    pub(in crate::telemetry) received: WorkerCounter,
    pub(in crate::telemetry) returned: WorkerCounter,
    pub(in crate::telemetry) repeats: WorkerCounter,
    label: RouteLabel,
    clock_offset: Family<RouteLabel, Gauge<f64, AtomicU64>>,
    clock_repeats: WorkerCounter,
    refusals: Family<RefusalLabels, Counter>,
}

/// An Action that a route's configuration knows, by its place there.
#[derive(Debug, Clone, Copy)]
pub(in crate::telemetry) struct KnownAction(usize);

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// An empty registry with every metric described.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let sign = Family::new_with_constructor((|| Durations::new(SIGN_BOUNDS)) as fn() -> SignDurations);
        let first_byte =
            Family::new_with_constructor((|| Durations::new(FIRST_BYTE_BOUNDS)) as fn() -> FirstByteDurations);
        let (exchanges, received, returned) = (Family::default(), Family::default(), Family::default());
        let (unrouted, token_key_loads, key_degraded) = (Family::default(), Family::default(), Family::default());
        let (connections, key_expiry, key_loads) = (Family::default(), Family::default(), Family::default());
        registry.register("exchanges", "Exchanges that ended, by outcome", exchanges.clone());
        registry.register("unrouted", "Requests refused before their route was known, by our code", unrouted.clone());
        registry.register_with_unit("sign", "Time to canonicalise and sign", Unit::Seconds, sign.clone());
        let help = "Time from the signed request to the head of its answer";
        registry.register_with_unit("first_byte", help, Unit::Seconds, first_byte.clone());
        registry.register_with_unit("request_body", "Body bytes from clients", Unit::Bytes, received.clone());
        registry.register_with_unit("response_body", "Body bytes to clients", Unit::Bytes, returned.clone());
        let (clock_offset, clock_repeats, refusals) = (Family::default(), Family::default(), Family::default());
        let help = "How far the endpoint's clock is ahead of this host's; absent until an answer has told";
        registry.register_with_unit("endpoint_clock_offset", help, Unit::Seconds, Family::clone(&clock_offset));
        let help = "Requests refused for their time and sent again with the endpoint's";
        registry.register("clock_repeats", help, Family::clone(&clock_repeats));
        let help = "Signatures that the endpoint refused, by what differs";
        registry.register("signature_refusals", help, Family::clone(&refusals));
        registry.register("client_connections", "Client connections open now", connections.clone());
        let help = "When the key stops working, in Unix seconds; absent for a key that does not expire";
        registry.register_with_unit("key_expiry_timestamp", help, Unit::Seconds, key_expiry.clone());
        registry.register("key_loads", "Attempts to load a key from its store", key_loads.clone());
        registry.register("token_key_loads", "Attempts to fetch a token issuer's keys", token_key_loads.clone());
        let help = "1 while the store fails or its key is not used, 0 while all is well";
        registry.register("key_degraded", help, key_degraded.clone());
        let (endpoint_down, endpoint_outages, repeats) = (Family::default(), Family::default(), Family::default());
        let help = "1 while the endpoint counts as down and calls are refused, else 0";
        registry.register("endpoint_down", help, endpoint_down.clone());
        registry.register("endpoint_outages", "How often the endpoint went down", endpoint_outages.clone());
        let help = "Requests signed and sent again after an attempt without an answer";
        registry.register("repeats", help, repeats.clone());
        let configuration = ConfigurationMetrics::register(&mut registry);
        let (audit_lost, panics, bodies_held) = process_metrics(&mut registry);
        Self {
            registry,
            exchanges,
            unrouted,
            sign,
            first_byte,
            received,
            returned,
            clock_offset,
            clock_repeats,
            refusals,
            connections,
            key_expiry,
            key_loads,
            key_degraded,
            endpoint_down,
            endpoint_outages,
            repeats,
            audit_lost,
            configuration,
            panics,
            bodies_held,
            token_key_loads,
        }
    }

    /// The handles of one route. Actions outside `known_actions` count as `other`.
    #[must_use]
    pub fn route(&self, route: &str, known_actions: &[String]) -> RouteMetrics {
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

    /// The handles of one listener.
    #[must_use]
    pub fn listener(&self, name: &str) -> ListenerMetrics {
        ListenerMetrics { name: name.into(), unrouted: self.unrouted.clone() }
    }

    /// Sets how many connections a listener has.
    pub fn set_connections(&self, listener: &str, open: usize) {
        let label = ListenerLabel { listener: listener.to_owned() };
        self.connections.get_or_create(&label).set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    /// Sets for each route whether its endpoint counts as down (1) or not (0), and how often it went down so far. Those of
    /// routes that are no more are gone.
    pub fn set_endpoints<'r>(&self, routes: impl Iterator<Item = (&'r str, u8, u64)>) {
        self.endpoint_down.clear();
        self.endpoint_outages.clear();
        for (route, down, outages) in routes {
            let label = RouteLabel { route: route.to_owned() };
            self.endpoint_down.get_or_create(&label).set(i64::from(down));
            self.endpoint_outages.get_or_create(&label).inner().store(outages, Ordering::Relaxed);
        }
    }

    /// Sets when a key expires, or that it does not.
    pub fn set_key_expiry(&self, key: &str, expires_at: Option<i64>) {
        let label = KeyLabel { key: key.to_owned() };
        match expires_at {
            Some(seconds) => {
                self.key_expiry.get_or_create(&label).set(seconds);
            }
            None => {
                self.key_expiry.remove(&label);
            }
        }
    }

    /// Counts a key load.
    pub fn count_key_load(&self, key: &str, result: LoadResult) {
        self.key_loads.get_or_create(&KeyLoadLabels { key: key.to_owned(), result }).inc();
    }

    /// What is served, since when it is so, and whether the last attempt to change it succeeded.
    #[must_use]
    pub const fn configuration(&self) -> &ConfigurationMetrics {
        &self.configuration
    }

    /// Counts a fetch of the keys of a listener's token issuer.
    pub fn count_token_key_load(&self, listener: &str, result: LoadResult) {
        self.token_key_loads.get_or_create(&TokenKeyLabels { listener: listener.to_owned(), result }).inc();
    }

    /// Sets whether something is the matter with a key's store.
    pub fn set_key_degraded(&self, key: &str, degraded: i64) {
        self.key_degraded.get_or_create(&KeyLabel { key: key.to_owned() }).set(degraded);
    }

    /// Counts panics of exchanges.
    #[must_use]
    pub fn panics(&self) -> Counter {
        self.panics.clone()
    }

    /// Sets how many bytes of forms are held.
    pub fn set_bodies_held(&self, bytes: usize) {
        self.bodies_held.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Counts audit lines that are lost.
    #[must_use]
    pub fn audit_lost(&self) -> Counter {
        self.audit_lost.clone()
    }

    /// The text of `/metrics`, of type [`MEDIA_TYPE`].
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// What has no label: audit lines lost, panics, bytes of forms held.
fn process_metrics(registry: &mut Registry) -> (Counter, Counter, Gauge) {
    let (audit_lost, panics, bodies_held) = (Counter::default(), Counter::default(), Gauge::default());
    registry.register("audit_lost", "Audit lines that had no place", audit_lost.clone());
    registry.register("panics", "Exchanges that a bug ended, with 500 InternalFailure", panics.clone());
    let help = "Bytes of clients' forms held now, of those that process.bodies allows";
    registry.register_with_unit("bodies_held", help, Unit::Bytes, bodies_held.clone());
    (audit_lost, panics, bodies_held)
}

impl ListenerMetrics {
    /// The listener's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::telemetry) fn count_unrouted(&self, code: &'static str) {
        self.unrouted.get_or_create(&UnroutedLabels { listener: self.name.to_string(), code }).inc();
    }
}

impl RouteMetrics {
    /// The route's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.label.route
    }

    /// Sets how many seconds the endpoint's clock is ahead of this host's.
    pub fn set_clock_offset(&self, seconds: f64) {
        self.clock_offset.get_or_create(&self.label).set(seconds);
    }

    /// Counts a request that is sent again with the endpoint's time.
    pub fn count_clock_repeat(&self) {
        self.clock_repeats.inc();
    }

    /// Counts a refused signature. `cause` is one of a fixed set.
    pub fn count_refusal(&self, cause: &'static str) {
        self.refusals.get_or_create(&RefusalLabels { route: self.label.route.clone(), cause }).inc();
    }

    /// Looks `name` up among the Actions that the configuration knows.
    pub(in crate::telemetry) fn known_action(&self, name: &str) -> Option<KnownAction> {
        self.known_actions.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok().map(KnownAction)
    }

    /// How an Action is called in metrics and logs: by its name when the configuration knows it, else `other`. A name that
    /// nobody configured is a client's text like any other value.
    pub(in crate::telemetry) fn action_name(&self, action: Option<KnownAction>) -> &str {
        self.known(action).map_or("other", |(name, _)| name)
    }

    pub(in crate::telemetry) fn count(&self, action: Option<KnownAction>, outcome: Outcome) {
        let counters = self.known(action).map_or(&self.other, |(_, counters)| counters);
        if let Some(counter) = counters.get(outcome.index()) {
            counter.inc();
        }
    }

    fn known(&self, action: Option<KnownAction>) -> Option<&(String, OutcomeCounters)> {
        let KnownAction(place) = action?;
        self.known_actions.get(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_action_counts_as_other() {
        let metrics = Metrics::new();
        let route = metrics.route("importexport", &["ListJobs".to_owned()]);
        route.count(route.known_action("ListJobs"), Outcome::Answered2xx);
        route.count(route.known_action("DropTables"), Outcome::Answered2xx);
        route.count(None, Outcome::Refused);
        let text = metrics.render().unwrap();
        let line = |action: &str, outcome: &str, n: u8| {
            format!(r#"countersign_exchanges_total{{route="importexport",action="{action}",outcome="{outcome}"}} {n}"#)
        };
        for expected in
            [line("ListJobs", "answered_2xx", 1), line("other", "answered_2xx", 1), line("other", "refused", 1)]
        {
            assert!(text.contains(&expected), "{expected} in {text}");
        }
        assert!(!text.contains("DropTables"));
    }
}
