//! What one listener of one worker serves: its routes, each with the worker's client.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::header::HeaderName;

use super::route_clients::RouteClients;
use super::tracer::tracing;
use crate::app::build::endpoint_calls::EndpointCalls;
use crate::app::build::graph::Graph;
use crate::app::build::shared_listener::SharedListener;
use crate::app::build::shared_route::SharedRoute;
use crate::authorize::{Callers, Method};
use crate::config::settings;
use crate::downstream::{BodyLimits, ListenAddress};
use crate::proxy::{OwnNames, Proxy, Route, Routes, WorkerClock, WorkerEndpoint};
use crate::telemetry::AuditLog;
use crate::telemetry::trace::SpanQueue;
use crate::upstream::Client;

/// What a listener serves on `addresses`.
pub(super) fn proxy(
    graph: &Graph,
    listener: &SharedListener,
    addresses: &[ListenAddress],
    clients: &RouteClients,
    (audit, spans): (&AuditLog, Option<&SpanQueue>),
) -> Proxy {
    let settings = &listener.settings;
    let served = |route: &&SharedRoute| settings.routes.include(&route.settings.name);
    let live = |route: &SharedRoute| {
        let clients = clients.get(&route.settings.name)?;
        live_route(route, settings, clients).map(Rc::new)
    };
    let accounts = listener.authentication.service_accounts.as_ref();
    Proxy {
        listener: Rc::new(graph.metrics.listener(settings.name.as_str()).used_by(&graph.client_exchanges)),
        connections: listener.connections.clone(),
        names: OwnNames::new(&tcp_addresses(addresses), &settings.hosts),
        callers: Callers::new(settings.callers.clone(), Arc::clone(&graph.clients)),
        issued_keys: settings.callers.accepts(Method::IssuedKey).then(|| Arc::clone(&graph.issued_keys)),
        service_accounts: accounts.map(|accounts| Arc::clone(&accounts.verifier)),
        required_header: settings.required_header.as_ref().and_then(|name| HeaderName::try_from(name).ok()),
        rate_limit_fields: settings.rate_limit_fields,
        routes: Routes::new(graph.routes.values().filter(served).filter_map(live).collect(), settings.view),
        bodies: graph.bodies.clone(),
        unnamed: graph.unnamed(),
        strangers: graph.strangers(),
        rates: Arc::clone(&graph.rates.clients),
        shares: graph.metrics.shares.clone(),
        panics: graph.metrics.process.panics(),
        audit: audit.clone(),
        tracing: tracing(graph, listener, addresses, spans),
    }
}

/// Those whose names matter: whoever reaches a Unix socket is no web page.
fn tcp_addresses(addresses: &[ListenAddress]) -> Vec<SocketAddr> {
    let tcp = addresses.iter().filter_map(|address| match address {
        ListenAddress::Tcp(address) => Some(*address),
        ListenAddress::Unix(_) => None,
    });
    tcp.collect()
}

/// A route of one listener in one worker, with a client for each of its endpoints.
fn live_route(route: &SharedRoute, listener: &settings::Listener, clients: &[Rc<Client>]) -> Option<Route> {
    let settings = &route.settings;
    let has_others = !route.fallbacks.is_empty();
    let mut endpoints = route.endpoints().zip(clients).map(|(calls, client)| live_endpoint(calls, client, has_others));
    Some(Route {
        name: settings.name.as_str().into(),
        tenant: settings.tenant.as_ref().map(|tenant| tenant.as_str().into()),
        hosts: settings.hosts.clone(),
        path: settings.path.clone(),
        scope: settings.scope.clone(),
        policy: listener.callers.policy(),
        key: Arc::clone(&route.key),
        endpoint: endpoints.next()?,
        fallbacks: endpoints.collect(),
        dialect: settings.profile.errors,
        accept: settings.accept.clone(),
        forward_headers: settings.forward_headers.iter().filter_map(|name| HeaderName::try_from(name).ok()).collect(),
        safe_to_repeat: settings.safe_to_repeat.clone(),
        audit_values: settings.audit_values.clone(),
        body_limits: BodyLimits { bytes: settings.limits.body, deadline: listener.limits.body_timeout },
        form_limits: settings.limits.form,
        in_flight: Rc::new(route.in_flight.clone()),
        metrics: Rc::new(route.metrics.clone()),
    })
}

fn live_endpoint(calls: &EndpointCalls, client: &Rc<Client>, has_others: bool) -> WorkerEndpoint {
    WorkerEndpoint {
        profile: calls.profile.clone(),
        clock: WorkerClock::of(&calls.clock),
        upstream: Rc::clone(client),
        among_others: has_others.then(|| calls.among_others()),
    }
}
