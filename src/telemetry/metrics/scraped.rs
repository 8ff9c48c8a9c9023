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
struct KeyLabel {
    key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabel {
    listener: String,
}

/// The values as they are when `/metrics` is asked for.
pub struct Snapshot<'a> {
    /// Open client connections by listener.
    pub connections: Vec<(&'a str, usize)>,
    /// When the certificate of each listener ends, in Unix seconds.
    pub certificates: Vec<(&'a str, i64)>,
    /// All keys.
    pub keys: Vec<KeyState<'a>>,
    /// The endpoints of all routes.
    pub endpoints: Vec<EndpointState<'a>>,
    /// Bytes of forms in memory.
    pub bodies_held: usize,
}

/// What is known of a key.
pub struct KeyState<'a> {
    /// The key's name.
    pub key: &'a str,
    /// When it stops working, or has stopped, in Unix seconds.
    pub expires_at: Option<i64>,
    /// 1 while requests can be signed with it, else 0.
    pub usable: u8,
    /// 1 while its store has trouble or it cannot be used, else 0.
    pub degraded: u8,
}

/// What the breaker of a route knows of the endpoint.
pub struct EndpointState<'a> {
    /// The route's name.
    pub route: &'a str,
    /// 1 while the endpoint counts as down, else 0.
    pub down: u8,
    /// How often it went down since the start.
    pub outages: u64,
    /// 1 while its name cannot be looked up and the addresses found last are used, else 0.
    pub name_lost: u8,
}

pub(super) struct ScrapedMetrics {
    connections: Family<ListenerLabel, Gauge>,
    certificate_expiry: Family<ListenerLabel, Gauge>,
    key_expiry: Family<KeyLabel, Gauge>,
    key_usable: Family<KeyLabel, Gauge>,
    key_degraded: Family<KeyLabel, Gauge>,
    endpoint_down: Family<RouteLabel, Gauge>,
    endpoint_outages: Family<RouteLabel, Counter>,
    endpoint_name_lost: Family<RouteLabel, Gauge>,
    bodies_held: Gauge,
}

impl ScrapedMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let down = "1 while the endpoint counts as down and calls are refused, else 0";
        let lost = "1 while the endpoint's name cannot be looked up and the addresses found last are used, else 0";
        let held = "Bytes of clients' forms held now, of those that process.bodies allows";
        let certificate = "When the certificate of the listener stops working, in Unix seconds";
        let expiry = "When the key stops working, in Unix seconds; absent for a key that does not expire";
        let usable = "1 while requests can be signed with the key, 0 while they are answered with 503";
        let degraded = "1 while the store fails, its key is not used or the key cannot be used, 0 while all is well";
        Self {
            certificate_expiry: {
                let (name, unit) = ("certificate_expiry_timestamp", Unit::Seconds);
                register_with_unit(registry, name, unit, certificate, Family::default())
            },
            key_expiry: register_with_unit(registry, "key_expiry_timestamp", Unit::Seconds, expiry, Family::default()),
            key_usable: register(registry, "key_usable", usable, Family::default()),
            key_degraded: register(registry, "key_degraded", degraded, Family::default()),
            connections: { register(registry, "client_connections", "Client connections open now", Family::default()) },
            endpoint_down: register(registry, "endpoint_down", down, Family::default()),
            endpoint_outages: {
                register(registry, "endpoint_outages", "How often the endpoint went down", Family::default())
            },
            endpoint_name_lost: register(registry, "endpoint_name_lost", lost, Family::default()),
            bodies_held: register_with_unit(registry, "bodies_held", Unit::Bytes, held, Gauge::default()),
        }
    }

    /// Sets every metric to its value in `snapshot`. Listeners and routes that are not in it have no metrics any more.
    pub(super) fn publish(&self, snapshot: &Snapshot<'_>) {
        let Snapshot { connections, certificates, keys, endpoints, bodies_held } = snapshot;
        self.connections.clear();
        for (listener, open) in connections {
            let label = ListenerLabel { listener: (*listener).to_owned() };
            self.connections.get_or_create(&label).set(i64::try_from(*open).unwrap_or(i64::MAX));
        }
        self.certificate_expiry.clear();
        for (listener, ends) in certificates {
            self.certificate_expiry.get_or_create(&ListenerLabel { listener: (*listener).to_owned() }).set(*ends);
        }
        self.publish_keys(keys);
        self.endpoint_down.clear();
        self.endpoint_outages.clear();
        self.endpoint_name_lost.clear();
        for EndpointState { route, down, outages, name_lost } in endpoints {
            let label = RouteLabel { route: (*route).to_owned() };
            self.endpoint_down.get_or_create(&label).set(i64::from(*down));
            self.endpoint_name_lost.get_or_create(&label).set(i64::from(*name_lost));
            self.endpoint_outages.get_or_create(&label).inner().store(*outages, Ordering::Relaxed);
        }
        self.bodies_held.set(i64::try_from(*bodies_held).unwrap_or(i64::MAX));
    }

    fn publish_keys(&self, keys: &[KeyState<'_>]) {
        for family in [&self.key_expiry, &self.key_usable, &self.key_degraded] {
            family.clear();
        }
        for KeyState { key, expires_at, usable, degraded } in keys {
            let label = KeyLabel { key: (*key).to_owned() };
            if let Some(seconds) = expires_at {
                self.key_expiry.get_or_create(&label).set(*seconds);
            }
            self.key_usable.get_or_create(&label).set(i64::from(*usable));
            self.key_degraded.get_or_create(&label).set(i64::from(*degraded));
        }
    }
}
