//! Limits in the report, each with the setting that raises it.

use super::number;
use crate::app::build::graph::Graph;
use crate::status::{Limit, Unit};
use crate::telemetry::metrics::Usage;

/// Memory for forms and descriptors, then connections by listener, then exchanges by route.
pub(super) fn limits(graph: &Graph, usage: &Usage) -> Vec<Limit> {
    let bodies = graph.bodies.all();
    let bodies = Limit {
        setting: "process.bodies".to_owned(),
        what: "forms in memory".to_owned(),
        unit: Unit::Bytes,
        used: number(bodies.used()),
        limit: number(bodies.limit()),
    };
    let count = |setting, what: &str, used, limit| {
        let (used, limit) = (number(used), number(limit));
        Limit { setting, what: what.to_owned(), unit: Unit::Count, used, limit }
    };
    let listeners = graph.listeners.iter().map(|(name, listener)| {
        let all = listener.connections.all();
        let setting = format!("listener.{name}.limits.connections");
        count(setting, "client connections", all.taken(), all.limit())
    });
    let routes = graph.routes.iter().map(|(name, route)| {
        let all = route.in_flight.all();
        count(format!("route.{name}.limits.in_flight"), "requests in progress", all.taken(), all.limit())
    });
    let descriptors = usage.descriptors.zip(usage.most_descriptors).map(|(used, limit)| Limit {
        setting: "LimitNOFILE= of the unit, ulimit -n".to_owned(),
        what: "open file descriptors".to_owned(),
        unit: Unit::Count,
        used,
        limit,
    });
    std::iter::once(bodies).chain(descriptors).chain(listeners).chain(routes).collect()
}
