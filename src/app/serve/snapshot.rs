//! What a scrape of the metrics reads of a graph: the levels that nobody counts, and what there is to count.

use std::sync::LazyLock;

use jiff::Timestamp;

use crate::app::build::graph::Graph;
use crate::app::build::shared_listener::{KeysFrom, SharedListener};
use crate::app::build::shared_route::SharedRoute;
use crate::clock;
use crate::config::settings::ListenOn;
use crate::credentials::KeySlot;
use crate::downstream::listener::Security;
use crate::downstream::{HandshakeFault, Rank};
use crate::proxy::SharedLimit;
use crate::signing::diagnose::RefusalClass;
use crate::telemetry::lost_lines;
use crate::telemetry::metrics::{KeyState, ListenerState, RouteState, Snapshot};

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
        bodies_held: graph.bodies.all().used(),
        bodies_limit: graph.bodies.all().limit(),
        audit_refusing: 0,
        log_lost: lost_lines(),
        process: None,
    }
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
    let is_unix = match listener.settings.address {
        ListenOn::Tcp(_) => false,
        ListenOn::Unix(_) | ListenOn::Inherited { .. } => true,
    };
    let is_tls = match listener.authentication.security {
        Security::Plain(_) => false,
        Security::Tls(_) => true,
    };
    let is_possible = |fault: &HandshakeFault| if *fault == HandshakeFault::UnknownUid { is_unix } else { is_tls };
    HandshakeFault::ALL.into_iter().filter(is_possible).map(HandshakeFault::as_str).collect()
}

fn key_state(slot: &KeySlot, now: Timestamp) -> KeyState<'_> {
    let usable = slot.current(now).is_ok_and(|key| !key.signing_key().is_away());
    let expires_at = slot.expiration().map(Timestamp::as_second);
    let degraded = slot.trouble().is_some() || !usable;
    KeyState { key: slot.name(), expires_at, usable: usable.into(), degraded: degraded.into() }
}

fn route_state<'g>(name: &'g str, route: &SharedRoute) -> RouteState<'g> {
    let destination = &route.calls.destination;
    RouteState {
        route: name,
        down: u8::from(route.outage().is_some()),
        outages: destination.breaker().outages(),
        name_lost: u8::from(destination.serves_last_addresses().is_some()),
        in_flight: route.in_flight.all().taken(),
        in_flight_limit: route.in_flight.all().limit(),
        pool_idle: destination.idle_connections(),
        client_certificate_ends: route.shown_to_endpoint().map(|(_, validity)| validity.ends.as_second()),
    }
}
