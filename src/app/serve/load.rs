//! How full the process is, as one number for autoscalers: the used part of the limit that is used most.

use crate::app::build::graph::Graph;
use crate::config::settings::{Route, RouteLimits};

/// From 0 to 1: of `in_flight` of each route, of `connections` of each listener and of `process.bodies`, the one that
/// is used most. Only counters are read.
///
/// What is used counts against the limit of all clients, not against a client's share: a client that uses its whole
/// share, and is refused more, raises this no further than to the share. Connections of strangers do not count, because
/// they make room for the next one: whoever only connects starts no replicas.
pub(super) fn load(graph: &Graph) -> f64 {
    let routes = graph.routes.values().map(|route| {
        let all = route.in_flight.all();
        part(all.taken(), all.limit().max(least(&route.settings)))
    });
    let listeners = graph.listeners.values().map(|listener| {
        let all = listener.connections.all();
        part(all.taken().saturating_sub(listener.requests.strangers_now()), all.limit())
    });
    let bodies = graph.bodies.all();
    routes.chain(listeners).fold(part(bodies.used(), bodies.limit()), f64::max)
}

/// The smallest limit that counts: whoever owns a file of `conf.d` could set `in_flight = 1` there, and start replicas
/// with a single call.
fn least(route: &Route) -> usize {
    route.tenant.as_ref().map_or(1, |_| RouteLimits::IN_FLIGHT)
}

/// After a reload that has lowered a limit, more may be used than there is.
#[allow(clippy::cast_precision_loss)] // limits are smaller than 2^53
fn part(used: usize, limit: usize) -> f64 {
    (used as f64 / limit.max(1) as f64).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_between_nothing_and_all() {
        for (used, limit, expected) in [(0, 256, 0.0), (64, 256, 0.25), (256, 256, 1.0), (300, 256, 1.0), (0, 0, 0.0)] {
            assert!((part(used, limit) - expected).abs() < f64::EPSILON, "{used} of {limit}");
        }
    }
}
