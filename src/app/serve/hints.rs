//! The endpoints that are served, as replicas report them to each other.

use std::sync::Arc;

use tokio::time::Instant;

use super::serving::Serving;
use crate::config::settings::RouteEndpoint;
use crate::rates::{Endpoints, ReportedEndpoint, Reports};
use crate::upstream::Outage;

/// The endpoints of the configuration that is served at the moment.
pub(super) struct ServedEndpoints(pub(super) Arc<Serving>);

impl Endpoints for ServedEndpoints {
    fn unreachable(&self) -> Vec<ReportedEndpoint> {
        let graph = self.0.current();
        let endpoints = graph.endpoints();
        let down = endpoints.filter(|(_, calls)| calls.destination.breaker().outage() == Some(Outage::Unreachable));
        down.map(|(settings, _)| name(&settings)).collect()
    }

    fn note(&self, reports: &Reports) {
        let (graph, now) = (self.0.current(), Instant::now());
        for (settings, calls) in graph.endpoints() {
            if reports.has(&name(&settings)) {
                calls.destination.breaker().note_report(now);
            }
        }
    }
}

fn name(endpoint: &RouteEndpoint<'_>) -> ReportedEndpoint {
    ReportedEndpoint { route: endpoint.route.name.to_string(), url: endpoint.name() }
}
