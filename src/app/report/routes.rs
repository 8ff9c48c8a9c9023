//! Routes in the report.

use super::number;
use crate::app::build::graph::Graph;
use crate::app::build::shared_route::SharedRoute;
use crate::status::{Breaker, BreakerState, Exchanges, Route, Traffic};

/// All routes, by name.
pub(super) fn routes(graph: &Graph) -> Vec<Route> {
    graph.routes.values().map(route).collect()
}

fn route(route: &SharedRoute) -> Route {
    let settings = &route.settings;
    let all = route.in_flight.all();
    Route {
        name: settings.name.to_string(),
        endpoint: settings.endpoint.url(),
        key: settings.key.to_string(),
        breaker: breaker(route),
        addresses_age_seconds: route.calls.destination.serves_last_addresses().map(|age| age.as_secs()),
        clock_offset_seconds: route.calls.clock.offset().map(in_seconds),
        in_flight: number(all.taken()),
        in_flight_limit: number(all.limit()),
        exchanges: Exchanges::default(),
        traffic: NO_TRAFFIC,
        last_error: None,
    }
}

pub(super) const NO_TRAFFIC: Traffic =
    Traffic { over_seconds: 0.0, exchanges: 0, per_second: 0.0, refused: 0, failed: 0, latency: None };

fn breaker(route: &SharedRoute) -> Breaker {
    let breaker = route.calls.destination.breaker();
    let outage = route.outage();
    let state = match outage {
        Some(_) => BreakerState::Open,
        None if route.settings.limits.failures == 0 => BreakerState::Off,
        None => BreakerState::Closed,
    };
    Breaker { state, reason: outage.map(|outage| outage.to_string()), outages: breaker.outages() }
}

/// Milliseconds in seconds: offsets are smaller than years.
#[allow(clippy::cast_precision_loss)]
fn in_seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
