//! Metrics that nobody counts: their values are read elsewhere in the process at each scrape, and published then.

use std::sync::atomic::Ordering;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::register::{register, register_with_unit};
use super::routes::RouteLabel;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabel {
    listener: String,
}

/// The values as they are when `/metrics` is asked for.
pub struct Snapshot<'a> {
    /// Open client connections by listener.
    pub connections: Vec<(&'a str, usize)>,
    /// The endpoints of all routes.
    pub endpoints: Vec<EndpointState<'a>>,
    /// Bytes of forms in memory.
    pub bodies_held: usize,
}

/// What the breaker of a route knows of the endpoint.
pub struct EndpointState<'a> {
    /// The route's name.
    pub route: &'a str,
    /// 1 while the endpoint counts as down, else 0.
    pub down: u8,
    /// How often it went down since the start.
    pub outages: u64,
}

pub(super) struct ScrapedMetrics {
    connections: Family<ListenerLabel, Gauge>,
    endpoint_down: Family<RouteLabel, Gauge>,
    endpoint_outages: Family<RouteLabel, Counter>,
    bodies_held: Gauge,
}

impl ScrapedMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let down = "1 while the endpoint counts as down and calls are refused, else 0";
        let held = "Bytes of clients' forms held now, of those that process.bodies allows";
        Self {
            connections: { register(registry, "client_connections", "Client connections open now", Family::default()) },
            endpoint_down: register(registry, "endpoint_down", down, Family::default()),
            endpoint_outages: {
                register(registry, "endpoint_outages", "How often the endpoint went down", Family::default())
            },
            bodies_held: register_with_unit(registry, "bodies_held", Unit::Bytes, held, Gauge::default()),
        }
    }

    /// Sets every metric to its value in `snapshot`. Listeners and routes that are not in it have no metrics any more.
    pub(super) fn publish(&self, snapshot: &Snapshot<'_>) {
        let Snapshot { connections, endpoints, bodies_held } = snapshot;
        self.connections.clear();
        for (listener, open) in connections {
            let label = ListenerLabel { listener: (*listener).to_owned() };
            self.connections.get_or_create(&label).set(i64::try_from(*open).unwrap_or(i64::MAX));
        }
        self.endpoint_down.clear();
        self.endpoint_outages.clear();
        for EndpointState { route, down, outages } in endpoints {
            let label = RouteLabel { route: (*route).to_owned() };
            self.endpoint_down.get_or_create(&label).set(i64::from(*down));
            self.endpoint_outages.get_or_create(&label).inner().store(*outages, Ordering::Relaxed);
        }
        self.bodies_held.set(i64::try_from(*bodies_held).unwrap_or(i64::MAX));
    }
}
