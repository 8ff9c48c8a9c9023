//! One route as all workers share it.

use std::sync::Arc;

use thiserror::Error;

use super::destination::{Destination, PlatformRoots, destination};
use super::error::BuildError;
use crate::clock;
use crate::config::settings::{Name, Route};
use crate::credentials::{KeySlot, LoadError, LoadErrorKind, SignatureMethod, StoreError};
use crate::downstream::Capacity;
use crate::proxy::{DateEvidence, EndpointClock};
use crate::telemetry::{Metrics, RouteMetrics};

/// What the workers share of one route.
pub(crate) struct SharedRoute {
    pub(crate) key: Arc<KeySlot>,
    pub(crate) destination: Arc<Destination>,
    pub(crate) in_flight: Capacity,
    pub(crate) clock: Arc<EndpointClock>,
    pub(crate) metrics: RouteMetrics,
}

/// Shares what belongs to `route`: what there was `before` of it goes on as far as it is configured as it was.
///
/// # Errors
/// The route has no key, or one that does not compute what it asks for; no trusted roots; no host.
pub(crate) fn share_route(
    route: &Route,
    keys: &[Arc<KeySlot>],
    metrics: &Metrics,
    platform: &mut PlatformRoots,
    before: Option<&SharedRoute>,
) -> Result<SharedRoute, BuildError> {
    let key = keys.iter().find(|key| key.name() == route.key.as_str());
    let key = Arc::clone(key.ok_or_else(|| BuildError::NoKey { name: route.name.clone() })?);
    check_method(route, &key).map_err(|source| BuildError::Key { name: route.key.clone(), source })?;
    let limit = route.limits.in_flight;
    let metrics = metrics.route(route.name.as_str(), &route.known_actions);
    let destination = destination(route, platform, before.map(|before| &before.destination))?;
    let same = before.filter(|before| Arc::ptr_eq(&before.destination, &destination));
    Ok(SharedRoute {
        key,
        in_flight: before.map_or_else(|| Capacity::new(limit), |before| before.in_flight.with_limit(limit)),
        clock: Arc::new(endpoint_clock(route, &metrics, same.map(|same| &*same.clock))),
        destination,
        metrics,
    })
}

/// A clock that was known stays known while the endpoint is the same.
fn endpoint_clock(route: &Route, metrics: &RouteMetrics, before: Option<&EndpointClock>) -> EndpointClock {
    let evidence = if route.endpoint.is_authentic() { DateEvidence::Authentic } else { DateEvidence::Forgeable };
    let clock = EndpointClock::new(route.name.as_str(), route.clock, evidence, metrics.clone());
    match before {
        Some(before) => clock.knowing_what(before),
        None => clock,
    }
}

/// A route asks for a MAC that its key, as its token made it, is not for.
#[derive(Debug, Error)]
#[error("it does not compute {}, which `profile.signature_method` of route.{route} asks for", .method.as_str())]
struct WrongMethod {
    route: Name,
    method: SignatureMethod,
}

impl StoreError for WrongMethod {
    fn kind(&self) -> LoadErrorKind {
        LoadErrorKind::Invalid
    }
}

/// Whether a route's key, if there is one already, computes what the route asks for.
///
/// # Errors
/// It does not.
fn check_method(route: &Route, key: &KeySlot) -> Result<(), LoadError> {
    let method = route.profile.signature_method;
    match key.current(clock::now()) {
        Ok(key) if !key.signing_key().computes(method) => Err(WrongMethod { route: route.name.clone(), method }.into()),
        Ok(_) | Err(_) => Ok(()),
    }
}
