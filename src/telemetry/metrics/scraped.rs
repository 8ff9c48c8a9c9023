//! Metrics that nobody counts: their values are read elsewhere in the process at each scrape, and published then.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::family::Family;
use super::register::{register, register_with_unit};
use super::routes::RouteLabel;
use super::shared_rates::SharedRateMetrics;
use super::snapshot::{EndpointState, KeyState, ListenerState, RouteState, Snapshot};
use crate::telemetry::outcome::Outcome;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct KeyLabel {
    key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct ListenerLabel {
    listener: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct ClientLabels {
    client: String,
    outcome: Outcome,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct EndpointLabels {
    route: String,
    endpoint: String,
}

pub(super) struct ScrapedMetrics {
    connections: Family<ListenerLabel, Gauge>,
    connections_limit: Family<ListenerLabel, Gauge>,
    certificate_expiry: Family<ListenerLabel, Gauge>,
    revocation_list_expiry: Family<ListenerLabel, Gauge>,
    key_expiry: Family<KeyLabel, Gauge>,
    key_usable: Family<KeyLabel, Gauge>,
    key_degraded: Family<KeyLabel, Gauge>,
    routes: OfRoutes,
    client_exchanges: Family<ClientLabels, Counter>,
    shared_rates: SharedRateMetrics,
    whole: OfProcess,
}

/// What each route has.
struct OfRoutes {
    endpoint_down: Family<RouteLabel, Gauge>,
    endpoint_outages: Family<RouteLabel, Counter>,
    endpoint_name_lost: Family<RouteLabel, Gauge>,
    in_flight: Family<RouteLabel, Gauge>,
    in_flight_limit: Family<RouteLabel, Gauge>,
    pool_idle: Family<RouteLabel, Gauge>,
    client_certificate_expiry: Family<RouteLabel, Gauge>,
    each_endpoint_down: Family<EndpointLabels, Gauge>,
    each_endpoint_requests: Family<EndpointLabels, Counter>,
}

/// What has no label: it is of the process as a whole.
struct OfProcess {
    load: Gauge<f64, AtomicU64>,
    bodies_held: Gauge,
    bodies_limit: Gauge,
    audit_refusing: Gauge,
    log_lost: Counter,
}

impl ScrapedMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        Self {
            connections: of_listeners(registry, "client_connections", "Client connections open now"),
            connections_limit: {
                of_listeners(registry, "client_connections_limit", "Client connections that the listener may have")
            },
            certificate_expiry: ends(
                registry,
                "certificate_expiry_timestamp",
                "When the certificate of the listener stops working, in Unix seconds",
            ),
            revocation_list_expiry: ends(
                registry,
                "revocation_list_expiry_timestamp",
                "When the first of the listener's revocation lists ends, in Unix seconds",
            ),
            key_expiry: ends(
                registry,
                "key_expiry_timestamp",
                "When the key stops working, in Unix seconds; absent for a key that does not expire",
            ),
            key_usable: of_keys(
                registry,
                "key_usable",
                "1 while requests can be signed with the key, 0 while they are answered with 503",
            ),
            key_degraded: of_keys(
                registry,
                "key_degraded",
                "1 while the store fails, its key is not used or the key cannot be used, 0 while all is well",
            ),
            routes: OfRoutes::register(registry),
            client_exchanges: register(
                registry,
                "client_exchanges",
                "Exchanges of identified clients that ended, by outcome",
                Family::default(),
            ),
            shared_rates: SharedRateMetrics::register(registry),
            whole: OfProcess::register(registry),
        }
    }

    /// Sets every metric to its value in `snapshot`. Listeners, keys, routes and clients that are not in it have no
    /// metrics any more.
    pub(super) fn publish(&self, snapshot: &Snapshot<'_>) {
        self.publish_listeners(&snapshot.listeners);
        self.publish_keys(&snapshot.keys);
        self.routes.publish(&snapshot.routes);
        let counted = snapshot.clients.ended();
        self.client_exchanges.replace(
            counted.map(|(client, outcome, count)| {
                (ClientLabels { client: client.to_owned(), outcome }, counter_at(count))
            }),
        );
        self.whole.load.set(snapshot.load);
        self.shared_rates.publish(snapshot.rate_store.as_ref(), &snapshot.quotas);
        self.whole.bodies_held.set(signed(snapshot.bodies_held));
        self.whole.bodies_limit.set(signed(snapshot.bodies_limit));
        self.whole.audit_refusing.set(i64::from(snapshot.audit_refusing));
        self.whole.log_lost.inner().store(snapshot.log_lost, Ordering::Relaxed);
    }

    fn publish_listeners(&self, listeners: &[ListenerState<'_>]) {
        let label = |state: &ListenerState<'_>| ListenerLabel { listener: state.listener.to_owned() };
        self.connections.replace(listeners.iter().map(|state| (label(state), gauge_at(signed(state.connections)))));
        self.connections_limit.replace(listeners.iter().map(|state| (label(state), gauge_at(signed(state.limit)))));
        let ends = |state: &ListenerState<'_>| Some((label(state), gauge_at(state.certificate_ends?)));
        self.certificate_expiry.replace(listeners.iter().filter_map(ends));
        let ends = |state: &ListenerState<'_>| Some((label(state), gauge_at(state.revocation_list_ends?)));
        self.revocation_list_expiry.replace(listeners.iter().filter_map(ends));
    }

    fn publish_keys(&self, keys: &[KeyState<'_>]) {
        let label = |state: &KeyState<'_>| KeyLabel { key: state.key.to_owned() };
        self.key_expiry.replace(keys.iter().filter_map(|state| Some((label(state), gauge_at(state.expires_at?)))));
        self.key_usable.replace(keys.iter().map(|state| (label(state), gauge_at(state.usable))));
        self.key_degraded.replace(keys.iter().map(|state| (label(state), gauge_at(state.degraded))));
    }
}

impl OfRoutes {
    fn register(registry: &mut Registry) -> Self {
        Self {
            endpoint_down: of_routes(
                registry,
                "endpoint_down",
                "1 while the endpoint, and each of the route's fallbacks, counts as down and calls are refused, else 0",
            ),
            endpoint_outages: {
                register(
                    registry,
                    "endpoint_outages",
                    "How often an endpoint of the route went down",
                    Family::default(),
                )
            },
            endpoint_name_lost: of_routes(
                registry,
                "endpoint_name_lost",
                "1 while the endpoint's name cannot be looked up and the addresses found last are used, else 0",
            ),
            in_flight: of_routes(registry, "in_flight", "Requests of the route that are in progress"),
            in_flight_limit: {
                of_routes(registry, "in_flight_limit", "Requests of the route that may be in progress at once")
            },
            pool_idle: of_routes(
                registry,
                "pool_idle_connections",
                "Connections to the endpoint that are open now and wait for a call",
            ),
            client_certificate_expiry: ends(
                registry,
                "client_certificate_expiry_timestamp",
                "When the certificate that the route shows to its endpoint stops working, in Unix seconds",
            ),
            each_endpoint_down: register(
                registry,
                "route_endpoint_down",
                "1 while the endpoint counts as down, else 0; for each endpoint of a route that has fallbacks",
                Family::default(),
            ),
            each_endpoint_requests: register(
                registry,
                "route_endpoint_requests",
                "Requests handed over to be sent to the endpoint; for each endpoint of a route that has fallbacks",
                Family::default(),
            ),
        }
    }

    fn publish(&self, routes: &[RouteState<'_>]) {
        let label = |state: &RouteState<'_>| RouteLabel { route: state.route.to_owned() };
        let gauges = |value: fn(&RouteState<'_>) -> i64| -> Vec<(RouteLabel, Gauge)> {
            routes.iter().map(|state| (label(state), gauge_at(value(state)))).collect()
        };
        self.endpoint_down.replace(gauges(|state| i64::from(state.down)));
        self.endpoint_name_lost.replace(gauges(|state| i64::from(state.name_lost)));
        self.in_flight.replace(gauges(|state| signed(state.in_flight)));
        self.in_flight_limit.replace(gauges(|state| signed(state.in_flight_limit)));
        self.pool_idle.replace(gauges(|state| signed(state.pool_idle)));
        let ends = |state: &RouteState<'_>| Some((label(state), gauge_at(state.client_certificate_ends?)));
        self.client_certificate_expiry.replace(routes.iter().filter_map(ends));
        self.endpoint_outages.replace(routes.iter().map(|state| (label(state), counter_at(state.outages))));
        self.publish_each_endpoint(routes);
    }

    fn publish_each_endpoint(&self, routes: &[RouteState<'_>]) {
        let endpoints =
            || routes.iter().flat_map(|route| route.endpoints.iter().map(|endpoint| (route.route, endpoint)));
        let label = |route: &str, state: &EndpointState<'_>| EndpointLabels {
            route: route.to_owned(),
            endpoint: state.endpoint.to_owned(),
        };
        self.each_endpoint_down.replace(endpoints().map(|(route, it)| (label(route, it), gauge_at(it.down))));
        self.each_endpoint_requests.replace(endpoints().map(|(route, it)| (label(route, it), counter_at(it.sent))));
    }
}

impl OfProcess {
    fn register(registry: &mut Registry) -> Self {
        Self {
            load: register(
                registry,
                "load_ratio",
                "The used fraction of the fullest limit, from 0 to 1: in_flight of a route, connections of a \
                 listener (without those of strangers, which make room), or process.bodies",
                Gauge::default(),
            ),
            bodies_held: in_bytes(
                registry,
                "bodies_held",
                "Bytes of clients' forms held now, of those that process.bodies allows",
            ),
            bodies_limit: in_bytes(registry, "bodies_limit", "Bytes of clients' forms that process.bodies allows"),
            audit_refusing: register(
                registry,
                "audit_refusing",
                "1 while calls are refused because the audit cannot be written, else 0",
                Gauge::default(),
            ),
            log_lost: register(
                registry,
                "log_lost",
                "Log lines that were dropped because standard error did not take them in time",
                Counter::default(),
            ),
        }
    }
}

fn of_listeners(registry: &mut Registry, name: &str, help: &str) -> Family<ListenerLabel, Gauge> {
    register(registry, name, help, Family::default())
}

fn of_keys(registry: &mut Registry, name: &str, help: &str) -> Family<KeyLabel, Gauge> {
    register(registry, name, help, Family::default())
}

fn of_routes(registry: &mut Registry, name: &str, help: &str) -> Family<RouteLabel, Gauge> {
    register(registry, name, help, Family::default())
}

fn in_bytes(registry: &mut Registry, name: &str, help: &str) -> Gauge {
    register_with_unit(registry, name, Unit::Bytes, help, Gauge::default())
}

fn ends<L>(registry: &mut Registry, name: &str, help: &str) -> Family<L, Gauge>
where
    L: EncodeLabelSet + Ord + std::fmt::Debug + Send + Sync + 'static,
{
    register_with_unit(registry, name, Unit::Seconds, help, Family::default())
}

fn gauge_at(value: impl Into<i64>) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(value.into());
    gauge
}

fn counter_at(value: u64) -> Counter {
    let counter = Counter::<u64, AtomicU64>::default();
    counter.inc_by(value);
    counter
}

fn signed(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
