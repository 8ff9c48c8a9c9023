//! One worker: a thread with its own runtime, its own sockets on every listener, its own connections to every endpoint.

use std::io;
use std::rc::Rc;
use std::sync::{Arc, mpsc};

use tokio::runtime::LocalOptions;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::live_route::proxy;
use super::pulse::Asked;
use super::route_clients::{RouteClients, WarmingUp, route_clients};
use super::sockets::WorkerSockets;
use crate::app::build::graph::Graph;
use crate::app::build::shared_listener::SharedListener;
use crate::config::settings::{self, Name};
use crate::downstream::server::Clocks;
use crate::downstream::{Current, Departure, Drain, Limits, ListenAddress, Service, Stage, accept};
use crate::proxy::Proxy;
use crate::telemetry::own_cells::OwnCells;
use crate::telemetry::trace::SpanQueue;
use crate::telemetry::{AuditLog, cut_off, refusals};

/// What a worker needs.
pub(crate) struct Work {
    /// The graph to serve, now and after every reload.
    pub(crate) graphs: watch::Receiver<Arc<Graph>>,
    /// Those of each listener of the first graph.
    pub(crate) sockets: Vec<WorkerSockets>,
    pub(crate) audit: AuditLog,
    /// Where sampled exchanges go, if spans are exported.
    pub(crate) spans: Option<SpanQueue>,
    /// Held until connections to endpoints have been opened ahead.
    pub(crate) warming: WarmingUp,
    /// Ends the worker once the exchanges in progress have ended.
    pub(crate) drain: Drain,
    /// Ends the worker at once.
    pub(crate) cut: watch::Receiver<bool>,
    /// Receives the generation of each graph as soon as this worker serves it.
    pub(crate) adopted: mpsc::Sender<u64>,
    /// Asks whether this worker turns.
    pub(super) asked: Asked,
}

/// Serves until the drain is over, or until it is told to drop its connections. Returns how many exchanges were cut
/// off.
///
/// # Errors
/// The runtime cannot be made, or a socket cannot be registered with it: the system is out of descriptors.
pub(crate) fn run(work: Work) -> io::Result<usize> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    // outlives the exchanges, which count when they are dropped with the runtime below
    let _cells = OwnCells::claim();
    // dropped before the runtime, whatever ends this function: the runtime drops the exchanges
    let serving = cut_off::Serving::begin();
    let (cut, asked) = (work.cut.clone(), work.asked.clone());
    let served = runtime.block_on(async {
        tokio::select! {
            served = serve(work) => served,
            () = told(cut) => Ok(()),
            never = refusals::settle_when_due() => match never {},
            never = asked.answer() => match never {},
        }
    });
    drop(serving);
    // without waiting for what the runtime may have begun on other threads
    runtime.shutdown_background();
    refusals::settle_all();
    served.map(|()| cut_off::count())
}

/// Waits until the signal is `true`; for ever if the sender is dropped.
async fn told(mut signal: watch::Receiver<bool>) {
    if signal.wait_for(|told| *told).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn serve(work: Work) -> io::Result<()> {
    let Work { mut graphs, sockets, audit, spans, warming, mut drain, cut: _, adopted, asked: _ } = work;
    let mut worker = Worker { audit, spans, clients: RouteClients::new(), listeners: Vec::new() };
    let mut accepting = worker.begin(&graphs.borrow_and_update().clone(), sockets, &warming)?;
    drop(warming); // readiness waits until nobody holds it
    loop {
        tokio::select! {
            changed = graphs.changed() => {
                if changed.is_err() {
                    break; // what could begin a drain is gone
                }
                let graph = Arc::clone(&graphs.borrow_and_update());
                worker.adopt(&graph);
                let _reloader_may_be_gone = adopted.send(graph.generation());
            }
            Some(_removed) = accepting.join_next() => {}
            stage = drain.next() => match stage {
                Stage::Starting | Stage::Serving => {}
                Stage::Leaving(departure) => worker.leave(departure),
                Stage::Draining => break,
            },
        }
    }
    drop(worker); // ends every listener, and connections after the exchange they are in
    while accepting.join_next().await.is_some() {}
    Ok(())
}

struct Worker {
    audit: AuditLog,
    spans: Option<SpanQueue>,
    clients: RouteClients,
    listeners: Vec<ServedListener>,
}

/// A listener that serves. Dropping it closes its sockets, and its connections after the exchange they are in.
struct ServedListener {
    name: Name,
    addresses: Arc<[ListenAddress]>,
    current: Rc<Current<Proxy>>,
    _accepting: watch::Sender<Stage>,
    connections: watch::Sender<Stage>,
}

impl Worker {
    fn begin(&mut self, graph: &Graph, sockets: Vec<WorkerSockets>, warming: &WarmingUp) -> io::Result<JoinSet<()>> {
        self.clients = route_clients(graph, &self.clients, Some(warming));
        let mut accepting = JoinSet::new();
        for WorkerSockets { listener, addresses, sockets } in sockets {
            // a reload before this worker began may have removed it
            let Some(shared) = graph.listeners.get(&listener) else { continue };
            let security = &shared.authentication.security;
            let bound = sockets.into_iter().map(|socket| socket.into_bound(security)).collect::<io::Result<_>>()?;
            let (connections, drain) = watch::channel(Stage::Serving);
            let current = Current::new(self.service(graph, shared, &addresses, Drain::new(drain)));
            let (stop, drain) = watch::channel(Stage::Serving);
            accepting.spawn_local(accept(bound, Rc::clone(&current), Drain::new(drain)));
            self.listeners.push(ServedListener { name: listener, addresses, current, _accepting: stop, connections });
        }
        Ok(accepting)
    }

    /// Serves `graph` from now on; open connections do so from their next request. Does not wait, and cannot fail.
    fn adopt(&mut self, graph: &Graph) {
        self.clients = route_clients(graph, &self.clients, None);
        for mut listening in std::mem::take(&mut self.listeners) {
            let Some(shared) = graph.listeners.get(&listening.name) else {
                tracing::debug!(listener = %listening.name, "removed: its connections end");
                continue;
            };
            let before = listening.current.load();
            let (fresh, signal) = watch::channel(Stage::Serving);
            let is_same = before.security.is_same(&shared.authentication.security)
                && before.relays.as_deref() == shared.settings.relays.as_ref();
            let drain = if is_same {
                before.drain.clone()
            } else {
                // dropping the old sender ends the connections that began with other security or load balancers
                listening.connections = fresh;
                Drain::new(signal)
            };
            let service = self.service(graph, shared, &listening.addresses, drain);
            listening.current.replace(service);
            self.listeners.push(listening);
        }
    }

    /// Asks clients to leave, each connection after one of its next responses. New ones are served.
    fn leave(&self, departure: Departure) {
        for listening in &self.listeners {
            listening.connections.send_replace(Stage::Leaving(departure));
        }
    }

    fn service(
        &self,
        graph: &Graph,
        listener: &SharedListener,
        addresses: &[ListenAddress],
        drain: Drain,
    ) -> Service<Proxy> {
        Service {
            handler: Rc::new(proxy(graph, listener, addresses, &self.clients, (&self.audit, self.spans.as_ref()))),
            limits: limits(&listener.settings),
            places: listener.connections.all().clone(),
            requests: Arc::clone(&listener.requests),
            security: listener.authentication.security.clone(),
            relays: listener.settings.relays.clone().map(Rc::new),
            drain,
        }
    }
}

fn limits(listener: &settings::Listener) -> Limits {
    let settings::ListenerLimits { head_timeout, idle_timeout, slowest, connections, keep_alive, body_timeout: _ } =
        listener.limits;
    Limits { clocks: Clocks { head_timeout, idle_timeout, slowest }, connections, keep_alive }
}
