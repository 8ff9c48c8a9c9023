//! One worker's clients of all routes, each with connections of its own.

use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::build::graph::Graph;
use crate::config::settings::Name;
use crate::upstream::Client;

/// How often idle connections to endpoints are checked.
const POOL_SWEEP: Duration = Duration::from_secs(5);

/// The clients, by the names of their routes.
pub(super) type RouteClients = BTreeMap<Name, Rc<Client>>;

/// A client for every route: the one there was, with its open connections, while its destination is the same.
pub(super) fn route_clients(graph: &Graph, before: &RouteClients) -> RouteClients {
    let client = |name: &Name| {
        let destination = &graph.routes.get(name)?.calls.destination;
        let known = before.get(name).filter(|known| Arc::ptr_eq(known.destination(), destination));
        let client = match known {
            Some(known) => Rc::clone(known),
            None => {
                let client = Rc::new(Client::new(destination)?);
                spawn_local(sweep(Rc::downgrade(&client)));
                client
            }
        };
        Some((name.clone(), client))
    };
    graph.routes.keys().filter_map(client).collect()
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
