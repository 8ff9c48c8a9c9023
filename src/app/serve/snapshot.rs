//! What a scrape of the metrics reads of a graph: the levels that nobody counts, and what there is to count.

use std::sync::LazyLock;

use jiff::Timestamp;

use super::load::load;
use crate::app::build::endpoint_calls::EndpointCalls;
use crate::app::build::graph::Graph;
use crate::app::build::shared_listener::{KeysFrom, SharedListener};
use crate::app::build::shared_route::SharedRoute;
use crate::authorize::Client;
use crate::clock;
use crate::config::settings::ListenOn;
use crate::credentials::KeySlot;
use crate::downstream::listener::Security;
use crate::downstream::{HandshakeFault, Rank};
use crate::proxy::SharedLimit;
use crate::rates::Health;
use crate::signing::diagnose::RefusalClass;
use crate::telemetry::lost_lines;
use crate::telemetry::metrics::{
    EndpointState, KeyState, ListenerState, QuotaState, RateStoreState, RouteState, Snapshot,
};

/// The words of labels, each of a fixed set.
static SIGNATURE_CAUSES: LazyLock<[&str; RefusalClass::ALL.len()]> =
    LazyLock::new(|| RefusalClass::ALL.map(RefusalClass::as_str));
static SHARED_LIMITS: LazyLock<[&str; SharedLimit::ALL.len()]> =
    LazyLock::new(|| SharedLimit::ALL.map(SharedLimit::as_str));

/// The snapshot of `graph` as it is now, without what the graph does not know: the audit and the process.
pub(super) fn snapshot(graph: &Graph) -> Snapshot<'_> {
    let now = clock::now();
    Snapshot {
        listeners: graph.listeners.iter().map(|(name, listener)| listener_state(name.as_str(), listener)).collect(),
        keys: graph.keys().map(|slot| key_state(slot, now)).collect(),
        routes: graph.routes.iter().map(|(name, route)| route_state(name.as_str(), route)).collect(),
        clients: &graph.client_exchanges,
        shared_limits: &*SHARED_LIMITS,
        signature_causes: &*SIGNATURE_CAUSES,
        load: load(graph),
        bodies_held: graph.bodies.all().used(),
        bodies_limit: graph.bodies.all().limit(),
        audit_refusing: 0,
        log_lost: lost_lines(),
        rate_store: rate_store(graph),
        quotas: quotas(graph, now.as_second()),
        process: None,
    }
}

fn rate_store(graph: &Graph) -> Option<RateStoreState> {
    let (settings, store) = (graph.settings.rates.as_ref()?, graph.rates.store.as_ref()?);
    let state = store.sharing.state();
    let counts = state.counts();
    Some(RateStoreState {
        store: settings.url(),
        up: u8::from(state.health() != Health::Away),
        replicas: state.replicas(),
        round_trips: counts.round_trips,
        round_trip_seconds: counts.round_trip_time.as_secs_f64(),
        outages: counts.errors,
        waits: counts.waits,
        late: counts.late,
        leased: counts.leased,
        returned: counts.returned,
    })
}

fn quotas(graph: &Graph, unix_seconds: i64) -> Vec<QuotaState<'_>> {
    let state = |client: &'_ Client| Some((client.quota.as_ref()?.calls(), graph.rates.used(client, unix_seconds)?));
    let with_quota = graph.clients.iter().filter_map(|client| Some((client, state(client)?)));
    with_quota.map(|(client, (calls, used))| QuotaState { client: &client.name, calls, used }).collect()
}

fn listener_state<'g>(name: &'g str, listener: &'g SharedListener) -> ListenerState<'g> {
    let dates = listener.authentication.dates();
    let accounts = listener.authentication.service_accounts.as_ref();
    ListenerState {
        listener: name,
        connections: listener.connections.all().taken(),
        limit: listener.connections.all().limit(),
        certificate_ends: dates.as_ref().and_then(|dates| Some(dates.certificate()?.1.ends.as_second())),
        revocation_list_ends: dates.and_then(|dates| Some(dates.first_list_ends()?.as_second())),
        handshakes: handshakes(listener),
        ranks: &Rank::NAMES,
        fetches_keys: accounts.is_some_and(|accounts| match accounts.keys {
            KeysFrom::File(_) => false,
            KeysFrom::Server { .. } => true,
        }),
    }
}

/// For what a listener may turn clients away before their first request.
fn handshakes(listener: &SharedListener) -> Vec<&'static str> {
    let is_unix = listener.settings.addresses.iter().any(|address| match address {
        ListenOn::Tcp(_) => false,
        ListenOn::Unix(_) | ListenOn::Inherited { .. } => true,
    });
    let is_tls = match listener.authentication.security {
        Security::Plain(_) => false,
        Security::Tls(_) => true,
    };
    let has_relays = listener.settings.relays.is_some();
    let of_relays = [HandshakeFault::NoProxyHeader, HandshakeFault::BadProxyHeader];
    let of_both = [HandshakeFault::Timeout, HandshakeFault::Closed];
    let is_possible = |fault: &HandshakeFault| {
        if *fault == HandshakeFault::UnknownUid {
            is_unix
        } else if of_relays.contains(fault) {
            has_relays
        } else {
            is_tls || (has_relays && of_both.contains(fault))
        }
    };
    HandshakeFault::ALL.into_iter().filter(is_possible).map(HandshakeFault::as_str).collect()
}

fn key_state(slot: &KeySlot, now: Timestamp) -> KeyState<'_> {
    let usable = slot.current(now).is_ok_and(|key| !key.signing_key().is_away());
    let expires_at = slot.expiration().map(Timestamp::as_second);
    let degraded = slot.trouble().is_some() || !usable;
    KeyState { key: slot.name(), expires_at, usable: usable.into(), degraded: degraded.into() }
}

fn route_state<'g>(name: &'g str, route: &'g SharedRoute) -> RouteState<'g> {
    let destinations = || route.endpoints().map(|endpoint| &endpoint.destination);
    let ends = |endpoint: &EndpointCalls| Some(endpoint.shown_certificate()?.1.ends.as_second());
    RouteState {
        route: name,
        endpoints: if route.fallbacks.is_empty() {
            Vec::new()
        } else {
            route.endpoints().map(endpoint_state).collect()
        },
        down: u8::from(route.outage().is_some()),
        outages: destinations().map(|destination| destination.breaker().outages()).fold(0, u64::saturating_add),
        name_lost: u8::from(destinations().any(|destination| destination.serves_last_addresses().is_some())),
        in_flight: route.in_flight.all().taken(),
        in_flight_limit: route.in_flight.all().limit(),
        pool_idle: destinations().map(|destination| destination.idle_connections()).fold(0, usize::saturating_add),
        client_certificate_ends: route.endpoints().filter_map(ends).min(),
    }
}

fn endpoint_state(endpoint: &EndpointCalls) -> EndpointState<'_> {
    EndpointState {
        endpoint: &endpoint.name,
        down: u8::from(endpoint.destination.breaker().outage().is_some()),
        sent: endpoint.sent(),
    }
}
