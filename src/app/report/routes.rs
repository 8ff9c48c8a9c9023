//! Routes in the report.

use super::refusals::failure;
use super::window::Recent;
use super::{Moment, number};
use crate::app::build::endpoint_calls::EndpointCalls;
use crate::app::build::graph::Graph;
use crate::app::build::shared_route::SharedRoute;
use crate::config::settings;
use crate::status::{Breaker, BreakerState, Failure, Fallback, Route};

/// All routes, by name.
pub(super) fn routes(graph: &Graph, recent: &Recent, now: Moment) -> Vec<Route> {
    let is_served = |name: &str| graph.routes.keys().any(|known| known.as_str() == name);
    let failures = graph.metrics.incidents.failures(is_served);
    let failure = |name: &str| failures.get(name).map(|incident| failure(incident, now));
    graph.routes.iter().map(|(name, shared)| route(shared, recent, failure(name.as_str()))).collect()
}

fn route(route: &SharedRoute, recent: &Recent, last_error: Option<Failure>) -> Route {
    let (settings, first) = (&route.settings, &route.endpoint);
    let all = route.in_flight.all();
    Route {
        name: settings.name.to_string(),
        tenant: settings.tenant.as_ref().map(ToString::to_string),
        endpoint: settings.endpoint.url(),
        key: settings.key.to_string(),
        breaker: breaker(settings, first),
        sent: (!route.fallbacks.is_empty()).then(|| first.sent()),
        fallbacks: route.fallbacks.iter().map(|endpoint| fallback(settings, endpoint)).collect(),
        addresses_age_seconds: addresses_age(first),
        clock_offset_seconds: first.clock.offset().map(in_seconds),
        in_flight: number(all.taken()),
        in_flight_limit: number(all.limit()),
        exchanges: recent.route_exchanges(settings.name.as_str()),
        traffic: recent.route_traffic(settings.name.as_str()),
        last_error,
    }
}

fn fallback(route: &settings::Route, endpoint: &EndpointCalls) -> Fallback {
    Fallback {
        endpoint: endpoint.name.to_string(),
        breaker: breaker(route, endpoint),
        sent: endpoint.sent(),
        addresses_age_seconds: addresses_age(endpoint),
        clock_offset_seconds: endpoint.clock.offset().map(in_seconds),
    }
}

fn addresses_age(endpoint: &EndpointCalls) -> Option<u64> {
    endpoint.destination.serves_last_addresses().map(|age| age.as_secs())
}

fn breaker(route: &settings::Route, endpoint: &EndpointCalls) -> Breaker {
    let breaker = endpoint.destination.breaker();
    let outage = breaker.outage();
    let state = match outage {
        Some(_) => BreakerState::Open,
        None if route.limits.failures == 0 => BreakerState::Off,
        None => BreakerState::Closed,
    };
    Breaker { state, reason: outage.map(|outage| outage.to_string()), outages: breaker.outages() }
}

/// Milliseconds in seconds: offsets are smaller than years.
#[allow(clippy::cast_precision_loss)]
fn in_seconds(millis: i64) -> f64 {
    millis as f64 / 1000.0
}
