//! What one listener of one worker serves: its routes, each with the worker's client.

use std::rc::Rc;
use std::sync::Arc;

use http::header::HeaderName;

use super::route_clients::RouteClients;
use super::tracer::tracing;
use crate::app::build::graph::Graph;
use crate::app::build::shared_listener::SharedListener;
use crate::app::build::shared_route::SharedRoute;
use crate::authorize::{Callers, Method};
use crate::config::settings;
use crate::downstream::{BodyLimits, ListenAddress};
use crate::proxy::{OwnNames, Proxy, Route, Routes, WorkerClock};
use crate::telemetry::AuditLog;
use crate::telemetry::trace::SpanQueue;
use crate::upstream::Client;

/// What a listener serves on `address`.
pub(super) fn proxy(
    graph: &Graph,
    listener: &SharedListener,
    address: &ListenAddress,
    clients: &RouteClients,
    (audit, spans): (&AuditLog, Option<&SpanQueue>),
) -> Proxy {
    let settings = &listener.settings;
    let served = |route: &&SharedRoute| settings.routes.include(&route.settings.name);
    let live = |route: &SharedRoute| {
        let client = clients.get(&route.settings.name)?;
        Some(Rc::new(live_route(route, settings, client)))
    };
    let accounts = listener.authentication.service_accounts.as_ref();
    Proxy {
        listener: Rc::new(graph.metrics.listener(settings.name.as_str()).used_by(&graph.client_exchanges)),
        connections: listener.connections.clone(),
        names: match address {
            ListenAddress::Tcp(address) => OwnNames::new(*address, &settings.hosts),
            ListenAddress::Unix(_) => OwnNames::any(),
        },
        callers: Callers::new(settings.callers.clone(), Arc::clone(&graph.clients)),
        issued_keys: settings.callers.accepts(Method::IssuedKey).then(|| Arc::clone(&graph.issued_keys)),
        service_accounts: accounts.map(|accounts| Arc::clone(&accounts.verifier)),
        required_header: settings.required_header.as_ref().and_then(|name| HeaderName::try_from(name).ok()),
        routes: Routes::new(graph.routes.values().filter(served).filter_map(live).collect()),
        bodies: graph.bodies.clone(),
        unnamed: graph.unnamed(),
        strangers: graph.strangers(),
        shares: graph.metrics.shares.clone(),
        panics: graph.metrics.process.panics(),
        audit: audit.clone(),
        tracing: tracing(graph, listener, address, spans),
    }
}

/// A route of one listener in one worker.
fn live_route(route: &SharedRoute, listener: &settings::Listener, client: &Rc<Client>) -> Route {
    let settings = &route.settings;
    Route {
        name: settings.name.as_str().into(),
        hosts: settings.hosts.clone(),
        path: settings.path.clone(),
        scope: settings.scope.clone(),
        policy: listener.callers.policy(),
        key: Arc::clone(&route.key),
        profile: route.calls.profile.clone(),
        clock: WorkerClock::of(&route.calls.clock),
        dialect: settings.profile.errors,
        accept: settings.accept.clone(),
        forward_headers: settings.forward_headers.iter().filter_map(|name| HeaderName::try_from(name).ok()).collect(),
        safe_to_repeat: settings.safe_to_repeat.clone(),
        audit_values: settings.audit_values.clone(),
        body_limits: BodyLimits { bytes: settings.limits.body, deadline: listener.limits.body_timeout },
        form_limits: settings.limits.form,
        in_flight: Rc::new(route.in_flight.clone()),
        upstream: Rc::clone(client),
        metrics: Rc::new(route.metrics.clone()),
    }
}
