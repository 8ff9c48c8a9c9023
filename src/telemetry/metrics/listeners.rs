//! Metrics of listeners: refused handshakes, requests without a route, and fetches of the keys of token issuers.

use std::collections::BTreeSet;
use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::clients::ClientExchanges;
use super::family::Family;
use super::load_result::LoadResult;
use super::register::register;
use super::snapshot::ListenerState;
use crate::telemetry::incidents::Incidents;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct UnroutedLabels {
    listener: String,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct HandshakeLabels {
    listener: String,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct TokenKeyLabels {
    listener: String,
    result: LoadResult,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct EvictedLabels {
    listener: String,
    rank: &'static str,
}

/// The codes with which a request is usually refused before its route is known. Others are possible where a signature
/// was to tell the route; they appear with their first value.
const UNROUTED: [&str; 5] =
    ["ProxyMalformedRequest", "ProxyMethodNotAllowed", "ProxyRequestTooLarge", "ProxyRouteNotFound", "RequestTimeout"];

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
    /// Those who call it.
    clients: Arc<ClientExchanges>,
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
        ListenerMetrics {
            name: name.into(),
            unrouted: self.unrouted.clone(),
            refused_handshakes: self.refused_handshakes.clone(),
            evicted: self.evicted.clone(),
            incidents: Arc::clone(incidents),
            clients: Arc::default(),
        }
    }

    /// Has the series of these listeners at 0 before anything is counted of them, and those of no other listener.
    pub(super) fn expect(&self, listeners: &[ListenerState<'_>]) {
        let all: BTreeSet<&str> = listeners.iter().map(|listener| listener.listener).collect();
        let is_there = |name: &str| all.contains(name);
        self.unrouted.keep(|labels| is_there(&labels.listener));
        self.refused_handshakes.keep(|labels| is_there(&labels.listener));
        self.evicted.keep(|labels| is_there(&labels.listener));
        self.token_key_loads.keep(|labels| is_there(&labels.listener));
        for ListenerState { listener, handshakes, ranks, fetches_keys, .. } in listeners {
            let listener = || (*listener).to_owned();
            self.unrouted.expect(UNROUTED.map(|code| UnroutedLabels { listener: listener(), code }));
            let reasons = handshakes.iter().map(|reason| HandshakeLabels { listener: listener(), reason });
            self.refused_handshakes.expect(reasons);
            self.evicted.expect(ranks.iter().map(|rank| EvictedLabels { listener: listener(), rank }));
            if *fetches_keys {
                let results = LoadResult::OF_TOKEN_KEYS;
                self.token_key_loads.expect(results.map(|result| TokenKeyLabels { listener: listener(), result }));
            }
        }
    }

    /// Counts a fetch of the keys of a listener's token issuer.
    pub(crate) fn count_token_key_load(&self, listener: &str, result: LoadResult) {
        self.token_key_loads.get_or_create(&TokenKeyLabels { listener: listener.to_owned(), result }).inc();
    }
}

impl ListenerMetrics {
    /// The same, which counts the exchanges of `clients` too.
    #[must_use]
    pub(crate) fn used_by(self, clients: &Arc<ClientExchanges>) -> Self {
        Self { clients: Arc::clone(clients), ..self }
    }

    /// The listener's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(in crate::telemetry) fn clients(&self) -> &ClientExchanges {
        &self.clients
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
