//! One worker: a thread with its own runtime, its own sockets on every listener, its own connections to every endpoint.

use std::collections::BTreeMap;
use std::io;
use std::rc::{Rc, Weak};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use http::header::HeaderName;
use tokio::runtime::LocalOptions;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval};

use crate::app::build::clients;
use crate::app::build::destination::Destination;
use crate::app::build::graph::Graph;
use crate::app::build::shared_listener::SharedListener;
use crate::app::build::shared_route::SharedRoute;
use crate::config::settings::{self, Name, ServedRoutes};
use crate::downstream::server::Clocks;
use crate::downstream::{BodyLimits, Current, Drain, Limits, ListenAddress, ListenerSocket, Service, accept};
use crate::proxy::{OwnNames, Proxy, Route, Routes};
use crate::signing::{Profile, SigningTarget};
use crate::telemetry::AuditLog;
use crate::upstream::Client;
use crate::upstream::client::Timeouts;
use crate::upstream::pool::Pool;

/// How often idle connections to endpoints are looked through.
const POOL_SWEEP: Duration = Duration::from_secs(5);

/// What a worker is given.
pub(crate) struct Work {
    /// The graph to serve, now and after every reload.
    pub(crate) graphs: watch::Receiver<Arc<Graph>>,
    /// One socket for each listener of the first graph, in its order.
    pub(crate) sockets: Vec<(ListenAddress, ListenerSocket)>,
    /// Where decisions are recorded.
    pub(crate) audit: AuditLog,
    /// The end of it all.
    pub(crate) drain: Drain,
    /// Told the generation of each graph that is served from then on.
    pub(crate) adopted: mpsc::Sender<u64>,
}

/// Serves until the drain is over.
///
/// # Errors
/// The runtime cannot be made, or a socket not be registered with it: the system is out of descriptors.
pub(crate) fn run(work: Work) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let Work { mut graphs, sockets, audit, drain, adopted } = work;
        let mut worker = Worker { audit, ways: Ways::new(), listeners: Vec::new() };
        let mut accepting = worker.begin(&graphs.borrow_and_update().clone(), sockets)?;
        loop {
            tokio::select! {
                changed = graphs.changed() => {
                    if changed.is_err() {
                        break; // nobody is left who could drain us
                    }
                    let graph = Arc::clone(&graphs.borrow_and_update());
                    worker.adopt(&graph);
                    let _reloader_may_be_gone = adopted.send(graph.generation);
                }
                Some(_removed) = accepting.join_next() => {}
                () = drain.begun() => break,
            }
        }
        drop(worker); // ends every listener, and connections after the exchange they are in
        while accepting.join_next().await.is_some() {}
        Ok(())
    })
}

/// This worker's connections to the endpoints, by route.
type Ways = BTreeMap<Name, (Arc<Destination>, Rc<Client>)>;

struct Worker {
    audit: AuditLog,
    ways: Ways,
    listeners: Vec<Listening>,
}

/// A listener at work. Its drop ends it.
struct Listening {
    name: Name,
    address: ListenAddress,
    current: Rc<Current<Proxy>>,
    _accepting: watch::Sender<bool>,
    connections: watch::Sender<bool>,
}

impl Worker {
    fn begin(&mut self, graph: &Graph, sockets: Vec<(ListenAddress, ListenerSocket)>) -> io::Result<JoinSet<()>> {
        self.ways = ways(graph, &self.ways);
        let mut accepting = JoinSet::new();
        for ((listener, shared), (address, socket)) in graph.listeners().zip(sockets) {
            let socket = socket.into_bound(&shared.security)?;
            let (connections, drain) = watch::channel(false);
            let service = self.service(graph, listener, shared, &address, Drain::new(drain));
            let current = Current::new(service);
            let (stop, drain) = watch::channel(false);
            accepting.spawn_local(accept(socket, Rc::clone(&current), Drain::new(drain)));
            let name = listener.name.clone();
            self.listeners.push(Listening { name, address, current, _accepting: stop, connections });
        }
        Ok(accepting)
    }

    /// Serves `graph` from now on: connections that are open from their next request. Does not wait, and cannot fail.
    fn adopt(&mut self, graph: &Graph) {
        self.ways = ways(graph, &self.ways);
        for mut listening in std::mem::take(&mut self.listeners) {
            let Some((listener, shared)) = graph.listeners().find(|(listener, _)| listener.name == listening.name)
            else {
                tracing::debug!(listener = %listening.name, "removed: its connections end");
                continue;
            };
            let before = listening.current.load();
            let (fresh, signal) = watch::channel(false);
            let drain = if before.security.is_same(&shared.security) {
                before.drain.clone()
            } else {
                listening.connections = fresh; // the drop of the old one ends what began under other terms
                Drain::new(signal)
            };
            let service = self.service(graph, listener, shared, &listening.address, drain);
            listening.current.replace(service);
            self.listeners.push(listening);
        }
    }

    fn service(
        &self,
        graph: &Graph,
        listener: &settings::Listener,
        shared: &SharedListener,
        address: &ListenAddress,
        drain: Drain,
    ) -> Service<Proxy> {
        Service {
            handler: Rc::new(proxy(graph, listener, shared, address, &self.ways, &self.audit)),
            limits: limits(listener),
            places: graph.places(&listener.name),
            security: shared.security.clone(),
            drain,
        }
    }
}

/// A way to every endpoint; where the destination is the one there was, the connections that are open go on.
fn ways(graph: &Graph, before: &Ways) -> Ways {
    let workers = graph.settings.process.workers;
    let way = |route: &settings::Route, shared: &SharedRoute| {
        let destination = Arc::clone(&shared.destination);
        let known = before.get(&route.name).filter(|(known, _)| Arc::ptr_eq(known, &destination));
        let client = match known {
            Some((_, client)) => Rc::clone(client),
            None => connect_later(route, &destination, workers)?,
        };
        Some((route.name.clone(), (destination, client)))
    };
    graph.settings.routes.iter().zip(&graph.routes).filter_map(|(route, shared)| way(route, shared)).collect()
}

/// The limits that hold over all workers are divided here.
fn connect_later(route: &settings::Route, destination: &Destination, workers: usize) -> Option<Rc<Client>> {
    let settings::RouteTimeouts { connect, first_byte, idle, pool_idle, probe: _ } = route.timeouts;
    let pool = Pool::new(route.limits.pool.div_ceil(workers), pool_idle);
    let timeouts = Timeouts { connect, first_byte, idle };
    let breaker = Arc::clone(&destination.breaker);
    let client = Rc::new(Client::new(destination.endpoint.clone(), &target(route), timeouts, pool, breaker)?);
    spawn_local(sweep(Rc::downgrade(&client)));
    Some(client)
}

fn target(route: &settings::Route) -> SigningTarget {
    SigningTarget { host: route.endpoint.authority(), path: route.endpoint.path.clone() }
}

async fn sweep(client: Weak<Client>) {
    let mut ticks = interval(POOL_SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(client) = client.upgrade() else { return };
        client.tend().await;
    }
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
    ways: &Ways,
    audit: &AuditLog,
) -> Proxy {
    let served = |name: &settings::Name| match &listener.routes {
        ServedRoutes::All => true,
        ServedRoutes::Named(names) => names.contains(name),
    };
    let routes = graph.settings.routes.iter().zip(&graph.routes).filter(|(route, _)| served(&route.name));
    let routes = routes.filter_map(|(route, shared)| {
        let (_, upstream) = ways.get(&route.name)?;
        Some(Rc::new(live_route(route, shared, listener, upstream)))
    });
    Proxy {
        listener: Rc::new(graph.metrics.listener(listener.name.as_str())),
        names: match address {
            ListenAddress::Tcp(address) => OwnNames::new(*address, &listener.hosts),
            ListenAddress::Unix(_) => OwnNames::any(),
        },
        callers: clients::callers(&listener.callers, &graph.clients),
        service_accounts: shared.service_accounts.as_ref().map(|accounts| Arc::clone(&accounts.verifier)),
        required_header: listener.required_header.as_ref().and_then(|name| HeaderName::try_from(name).ok()),
        routes: Routes::new(routes.collect()),
        bodies: graph.bodies.clone(),
        panics: graph.metrics.process.panics(),
        audit: audit.clone(),
    }
}

/// A route of one listener in one worker.
fn live_route(
    route: &settings::Route,
    shared: &SharedRoute,
    listener: &settings::Listener,
    upstream: &Rc<Client>,
) -> Route {
    Route {
        name: route.name.as_str().into(),
        hosts: route.hosts.clone(),
        path: route.path.clone(),
        policy: clients::policy(&listener.callers),
        key: Arc::clone(&shared.key),
        profile: Profile { signature_method: route.profile.signature_method },
        clock: Arc::clone(&shared.clock),
        target: target(route),
        dialect: route.profile.errors,
        forward_headers: route.forward_headers.iter().filter_map(|name| HeaderName::try_from(name).ok()).collect(),
        safe_to_repeat: route.safe_to_repeat.clone(),
        audit_values: route.audit_values.clone(),
        body_limits: BodyLimits { bytes: route.limits.body, deadline: listener.limits.body_timeout },
        form_limits: route.limits.form,
        in_flight: shared.in_flight.clone(),
        upstream: Rc::clone(upstream),
        metrics: Rc::new(shared.metrics.clone()),
    }
}
