//! Metrics of listeners: refused handshakes, requests without a route, and fetches of the keys of token issuers.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::load_result::LoadResult;
use super::register::register;
use crate::telemetry::incidents::Incidents;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct UnroutedLabels {
    listener: String,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    listener: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenKeyLabels {
    listener: String,
    result: LoadResult,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EvictedLabels {
    listener: String,
    rank: &'static str,
}

/// The families of all listeners.
pub struct ListenerFamilies {
    unrouted: Family<UnroutedLabels, Counter>,
    refused_handshakes: Family<HandshakeLabels, Counter>,
    evicted: Family<EvictedLabels, Counter>,
    token_key_loads: Family<TokenKeyLabels, Counter>,
}

/// A listener's name, and what is counted of it alone.
#[derive(Clone)]
pub struct ListenerMetrics {
    name: Arc<str>,
    unrouted: Family<UnroutedLabels, Counter>,
    refused_handshakes: Family<HandshakeLabels, Counter>,
    evicted: Family<EvictedLabels, Counter>,
    incidents: Arc<Incidents>,
}

impl ListenerFamilies {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let unrouted = "Requests refused before their route was known, by our code";
        let refused_handshakes = "Clients turned away before their first request, by reason";
        let token_key_loads = "Attempts to fetch a token issuer's keys";
        let evicted = "Connections closed to make room for new ones: strangers, or idle ones of known clients";
        Self {
            evicted: register(registry, "evicted_connections", evicted, Family::default()),
            unrouted: register(registry, "unrouted", unrouted, Family::default()),
            refused_handshakes: register(registry, "refused_handshakes", refused_handshakes, Family::default()),
            token_key_loads: register(registry, "token_key_loads", token_key_loads, Family::default()),
        }
    }

    pub(super) fn of_listener(&self, name: &str, incidents: &Arc<Incidents>) -> ListenerMetrics {
        let (unrouted, refused_handshakes) = (self.unrouted.clone(), self.refused_handshakes.clone());
        let (evicted, incidents) = (self.evicted.clone(), Arc::clone(incidents));
        ListenerMetrics { name: name.into(), unrouted, refused_handshakes, evicted, incidents }
    }

    /// Counts a fetch of the keys of a listener's token issuer.
    pub(crate) fn count_token_key_load(&self, listener: &str, result: LoadResult) {
        self.token_key_loads.get_or_create(&TokenKeyLabels { listener: listener.to_owned(), result }).inc();
    }
}

impl ListenerMetrics {
    /// The listener's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::telemetry) fn shared_name(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Where the last refusals and failures are kept.
    pub(in crate::telemetry) fn incidents(&self) -> &Incidents {
        &self.incidents
    }

    /// Counts a client that was turned away before its first request. `reason` is one of a fixed set.
    pub(in crate::telemetry) fn count_refused_handshake(&self, reason: &'static str) {
        self.refused_handshakes.get_or_create(&HandshakeLabels { listener: self.name.to_string(), reason }).inc();
    }

    /// Counts a connection that made room. `rank` is one of a fixed set.
    pub(crate) fn count_evicted(&self, rank: &'static str) {
        self.evicted.get_or_create(&EvictedLabels { listener: self.name.to_string(), rank }).inc();
    }

    pub(in crate::telemetry) fn count_unrouted(&self, code: &'static str) {
        self.unrouted.get_or_create(&UnroutedLabels { listener: self.name.to_string(), code }).inc();
    }
}
