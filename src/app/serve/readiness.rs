//! Whether requests can be served, judged from what is live.
//!
//! The process is ready while it can serve one route at least: a key that has expired is the trouble of the routes that
//! it signs for, and of no other. An endpoint that is down makes nobody unready, because a restart or another replica
//! would not help (decisions 023 and 044).

use super::key_reports;
use crate::admin::Readiness;
use crate::app::build::graph::Graph;
use crate::app::build::shared_route::SharedRoute;
use crate::app::expiry::{Expiring, expiring};
use crate::app::report::Troubles;
use crate::clock;
use crate::config::settings::Name;
use crate::downstream::Stage;
use crate::telemetry::AuditLog;

/// How many routes a reason names.
const NAMED: usize = 3;

/// Whether a process can serve, and what is wrong with it.
#[derive(Debug)]
pub(super) struct Judged {
    /// Why it is about to end; `None` while it serves normally.
    ending: Option<&'static str>,
    /// Why no route can be served.
    all: Vec<String>,
    /// Why some routes cannot be served; each of these leaves others.
    some: Vec<Obstacle>,
    /// Whether all routes are among those that `some` names.
    is_served: bool,
    /// What is wrong although requests are served.
    degraded: Vec<String>,
}

/// A reason why some routes cannot be served.
#[derive(Debug)]
struct Obstacle {
    reason: String,
    routes: Vec<Name>,
}

/// Judges a process that serves `graph`. `is_refused`: the configuration that was read last is not served.
pub(super) fn judge(graph: &Graph, stage: Stage, audit: &AuditLog, is_refused: bool) -> Judged {
    let ending = match stage {
        Stage::Starting | Stage::Serving => None,
        Stage::Leaving(_) => Some("the process is about to drain: requests are served for process.drain_delay"),
        Stage::Draining => Some("the process is draining"),
    };
    let starting = (stage == Stage::Starting)
        .then(|| "the process is starting: connections to endpoints are being opened (limits.warm)".to_owned());
    let refusing = audit.is_refusing().then(|| "audit: it cannot be written, calls are refused".to_owned());
    let some: Vec<_> = keys(graph).chain(token_keys(graph)).collect();
    let is_blocked = |route: &Name| some.iter().any(|obstacle| obstacle.routes.contains(route));
    let is_served = some.is_empty() || graph.routes.keys().any(|route| !is_blocked(route));
    Judged {
        ending,
        all: starting.into_iter().chain(refusing).collect(),
        is_served,
        some,
        degraded: degraded(graph, is_refused),
    }
}

/// Keys that cannot sign, with the routes that they sign for.
fn keys(graph: &Graph) -> impl Iterator<Item = Obstacle> {
    graph.keys().filter_map(|slot| {
        let reason = key_reports::unusable(slot)?;
        let of_key = graph.routes.iter().filter(|(_, route)| route.key.name() == slot.name());
        Some(Obstacle { reason, routes: of_key.map(|(name, _)| name.clone()).collect() })
    })
}

/// Listeners that cannot judge tokens yet, with the routes that no other listener serves. A fresh replica gets no
/// traffic before it can tell its clients apart, also if some of them do not come with tokens.
fn token_keys(graph: &Graph) -> impl Iterator<Item = Obstacle> {
    let waiting = graph.listeners.iter().filter(|(_, listener)| listener.awaits_keys());
    waiting.map(|(name, listener)| {
        let others = || graph.listeners.values().filter(|listener| !listener.awaits_keys());
        let is_served_elsewhere = |route: &Name| others().any(|other| other.settings.routes.include(route));
        let routes = graph.routes.keys().filter(|route| listener.settings.routes.include(route));
        Obstacle {
            reason: format!("listener.{name}: the keys of its token issuer have not been fetched yet"),
            routes: routes.filter(|route| !is_served_elsewhere(route)).cloned().collect(),
        }
    })
}

fn degraded(graph: &Graph, is_refused: bool) -> Vec<String> {
    let keys = graph.keys().filter_map(key_reports::degraded);
    let expiring = expiring(graph, clock::now()).into_iter().filter(|expiring| expiring.notice.is_fault());
    let certificates = expiring.map(|Expiring { table, notice }| format!("{table}: {notice}"));
    let routes = graph.endpoints_down().chain(graph.names_lost()).chain(graph.clocks_apart());
    let refused = is_refused.then(|| {
        "configuration: the one that was read last is refused, and the one before is served: the log says why"
            .to_owned()
    });
    keys.chain(certificates).chain(routes).chain(graph.rates.away()).chain(refused).collect()
}

impl Judged {
    /// The readiness of the whole process.
    pub(super) fn of_process(self) -> Readiness {
        let Troubles { ending, not_ready, degraded } = self.into_troubles();
        Readiness { not_ready: ending.map(str::to_owned).into_iter().chain(not_ready).collect(), degraded }
    }

    /// The same for the report, which tells what else is wrong with a process that ends.
    pub(super) fn into_troubles(self) -> Troubles {
        let Self { ending, all: mut not_ready, some, is_served, degraded } = self;
        let mut less: Vec<String> = Vec::new();
        if is_served {
            less.extend(some.iter().map(Obstacle::with_routes));
        } else {
            not_ready.extend(some.into_iter().map(|obstacle| obstacle.reason));
        }
        less.extend(degraded);
        Troubles { ending, not_ready, degraded: less }
    }

    /// The readiness of one route. It says nothing about other routes.
    pub(super) fn of_route(self, route: &SharedRoute) -> Readiness {
        let Self { ending, all, some, is_served: _, degraded } = self;
        let name = &route.settings.name;
        let of_route = some.into_iter().filter(|obstacle| obstacle.routes.contains(name));
        let tables = [format!("route.{name}: "), format!("key.{}: ", route.key.name())];
        let concerns = |problem: &String| tables.iter().any(|table| problem.starts_with(table));
        Readiness {
            not_ready: ending
                .map(str::to_owned)
                .into_iter()
                .chain(all)
                .chain(of_route.map(|obstacle| obstacle.reason))
                .collect(),
            degraded: degraded.into_iter().filter(concerns).collect(),
        }
    }
}

impl Obstacle {
    /// The reason, with the routes that cannot be served because of it.
    fn with_routes(&self) -> String {
        let Self { reason, routes } = self;
        if routes.is_empty() {
            return reason.clone();
        }
        let named: Vec<_> = routes.iter().take(NAMED).map(|route| format!("route.{route}")).collect();
        let more = match routes.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!("{reason}; not served for that: {}{more}", named.join(", "))
    }
}
