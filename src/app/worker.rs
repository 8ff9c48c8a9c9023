//! One worker: a thread with its own runtime, its own sockets on every listener, its own connections to every endpoint.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;
use tokio::task::{JoinSet, LocalSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval};

use super::clients;
use super::graph::{Graph, SharedRoute};
use super::listening::SharedListener;
use crate::authorize::ActionPattern;
use crate::config::settings::{self, ServedRoutes};
use crate::credentials::SignatureMethod;
use crate::downstream::stream::Clocks;
use crate::downstream::{BodyLimits, Current, Drain, Limits, ListenAddress, ListenerSocket, Service, accept};
use crate::proxy::{OwnNames, Proxy, Route, Routes};
use crate::query::{self, ErrorDialect};
use crate::signing::{Profile, SigningTarget};
use crate::telemetry::AuditLog;
use crate::upstream::Client;
use crate::upstream::client::Timeouts;
use crate::upstream::pool::Pool;

/// How often idle connections to endpoints are looked through.
const POOL_SWEEP: Duration = Duration::from_secs(5);

/// Serves `sockets`, one for each listener of the settings and in their order, until the drain is over.
///
/// # Errors
/// The runtime cannot be made, or a socket not be registered with it: the system is out of descriptors.
pub fn run(
    graph: &Graph,
    sockets: Vec<(ListenAddress, ListenerSocket)>,
    audit: &AuditLog,
    drain: &Drain,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut listeners = JoinSet::new();
        let settings = graph.settings.listeners.iter().zip(&graph.listeners).zip(&graph.connections);
        for (((listener, shared), places), (address, socket)) in settings.zip(sockets) {
            let socket = socket.into_bound(&shared.security)?;
            let current = Current::new(Service {
                handler: Rc::new(proxy(graph, listener, shared, &address, audit)),
                limits: limits(listener),
                places: places.clone(),
                security: shared.security.clone(),
                drain: drain.clone(),
            });
            listeners.spawn_local(accept(socket, current, drain.clone()));
        }
        while listeners.join_next().await.is_some() {}
        Ok(())
    })
}

fn limits(listener: &settings::Listener) -> Limits {
    let settings::ListenerLimits { head_timeout, idle_timeout, connections, body_timeout: _ } = listener.limits;
    Limits { clocks: Clocks { head_timeout, idle_timeout }, connections }
}

fn proxy(
    graph: &Graph,
    listener: &settings::Listener,
    shared: &SharedListener,
    address: &ListenAddress,
    audit: &AuditLog,
) -> Proxy {
    let served = |name: &settings::Name| match &listener.routes {
        ServedRoutes::All => true,
        ServedRoutes::Named(names) => names.contains(name),
    };
    let routes = graph.settings.routes.iter().zip(&graph.routes).filter(|(route, _)| served(&route.name));
    let routes =
        routes.filter_map(|(route, shared)| live_route(route, shared, listener, graph.settings.process.workers));
    Proxy {
        listener: listener.name.as_str().into(),
        names: match address {
            ListenAddress::Tcp(address) => OwnNames::new(*address, &listener.hosts),
            ListenAddress::Unix(_) => OwnNames::any(),
        },
        callers: clients::callers(&listener.callers, &graph.clients),
        service_accounts: shared.service_accounts.as_ref().map(|accounts| Arc::clone(&accounts.verifier)),
        required_header: listener.required_header.as_ref().and_then(|name| HeaderName::try_from(name).ok()),
        routes: Routes::new(routes.collect()),
        audit: audit.clone(),
    }
}

/// A route of one listener in one worker. The limits that hold over all workers are divided here or counted together.
fn live_route(
    route: &settings::Route,
    shared: &SharedRoute,
    listener: &settings::Listener,
    workers: usize,
) -> Option<Rc<Route>> {
    let target = SigningTarget { host: route.endpoint.authority(), path: route.endpoint.path.clone() };
    let settings::RouteTimeouts { connect, first_byte, idle, pool_idle } = route.timeouts;
    let pool = Pool::new(route.limits.pool.div_ceil(workers), pool_idle);
    let timeouts = Timeouts { connect, first_byte, idle };
    let upstream = Client::new(shared.endpoint.clone(), &target, timeouts, pool)?;
    let live = Rc::new(Route {
        name: route.name.as_str().into(),
        hosts: route.hosts.clone(),
        path: route.path.clone(),
        policy: clients::policy(&listener.callers),
        key: Arc::clone(&shared.key),
        profile: Profile { signature_method: signature_method(route.profile.signature_method) },
        target,
        dialect: match route.profile.errors {
            settings::ErrorDialect::Query => ErrorDialect::Query,
            settings::ErrorDialect::Ec2 => ErrorDialect::Ec2,
        },
        forward_headers: route.forward_headers.iter().filter_map(|name| HeaderName::try_from(name).ok()).collect(),
        safe_to_repeat: route.safe_to_repeat.iter().map(|pattern| ActionPattern::new(pattern)).collect(),
        audit_values: route.audit_values.clone(),
        body_limits: BodyLimits { bytes: route.limits.body, deadline: listener.limits.body_timeout },
        form_limits: query::Limits { parameters: route.limits.parameters },
        in_flight: shared.in_flight.clone(),
        upstream,
        metrics: shared.metrics.clone(),
    });
    spawn_local(sweep(Rc::clone(&live)));
    Some(live)
}

/// The configuration's word for a MAC, as the signer's.
#[must_use]
pub const fn signature_method(method: settings::SignatureMethod) -> SignatureMethod {
    match method {
        settings::SignatureMethod::HmacSha256 => SignatureMethod::HmacSha256,
        settings::SignatureMethod::HmacSha1 => SignatureMethod::HmacSha1,
    }
}

async fn sweep(route: Rc<Route>) {
    let mut ticks = interval(POOL_SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        route.upstream.close_expired();
    }
}
