//! One worker's clients of the endpoints of all routes, each with connections of its own.

use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::build::graph::Graph;
use crate::app::build::shared_route::SharedRoute;
use crate::config::settings::Name;
use crate::error_chain::causes;
use crate::upstream::{Client, Destination};

/// How often idle connections to endpoints are checked.
const POOL_SWEEP: Duration = Duration::from_secs(5);

/// The clients by the names of their routes, in the order of the route's endpoints.
pub(super) type RouteClients = BTreeMap<Name, Vec<Rc<Client>>>;

/// Dropped when a client has the connections that it opens ahead, or cannot have them.
pub(super) type WarmingUp = mpsc::Sender<()>;

/// A client for every endpoint: the one there was, with its open connections, while its destination is the same,
/// whatever place it has among the endpoints of its route. A new one of the first endpoint opens connections ahead;
/// those of fallbacks wait until they are needed.
pub(super) fn route_clients(graph: &Graph, before: &RouteClients, warming: Option<&WarmingUp>) -> RouteClients {
    let clients = |(name, route): (&Name, &SharedRoute)| {
        let known = before.get(name).map(Vec::as_slice).unwrap_or_default();
        let clients: Option<_> = route.endpoints().map(|endpoint| client(&endpoint.destination, known)).collect();
        let clients: Vec<Rc<Client>> = clients?;
        let is_new = |first: &&Rc<Client>| !known.iter().any(|known| Rc::ptr_eq(known, first));
        if let Some(first) = clients.first().filter(is_new).filter(|first| first.opens_ahead() > 0) {
            spawn_local(warm_up(name.clone(), Rc::clone(first), warming.cloned()));
        }
        Some((name.clone(), clients))
    };
    graph.routes.iter().filter_map(clients).collect()
}

fn client(destination: &Arc<Destination>, known: &[Rc<Client>]) -> Option<Rc<Client>> {
    if let Some(known) = known.iter().find(|known| Arc::ptr_eq(known.destination(), destination)) {
        return Some(Rc::clone(known));
    }
    let client = Rc::new(Client::new(destination)?);
    spawn_local(sweep(Rc::downgrade(&client)));
    Some(client)
}

async fn warm_up(route: Name, client: Rc<Client>, _warming: Option<WarmingUp>) {
    if let Err(error) = client.warm_up().await {
        let error = causes(&error);
        tracing::warn!(%route, error, "no connection to the endpoint could be opened ahead of the first call");
    }
}

async fn sweep(client: Weak<Client>) {
    let mut ticks = interval(POOL_SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(client) = client.upgrade() else { return };
        client.tend();
    }
}
