//! Routes as all workers share them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::destination::PlatformRoots;
use super::endpoint_calls::EndpointCalls;
use super::error::BuildError;
use super::key_needs::needs;
use super::shared_key::SharedKey;
use super::shares::Counters;
use crate::config::settings::{Name, Route, RouteEndpoint};
use crate::credentials::KeySlot;
use crate::downstream::{Capacity, Shares};
use crate::telemetry::{Metrics, RouteMetrics};
use crate::upstream::Outage;

/// One route as all workers share it.
pub(crate) struct SharedRoute {
    pub(crate) settings: Route,
    pub(crate) key: Arc<KeySlot>,
    /// The first endpoint.
    pub(crate) endpoint: EndpointCalls,
    /// The others, in their order.
    pub(crate) fallbacks: Vec<EndpointCalls>,
    pub(crate) in_flight: Shares<Capacity>,
    pub(crate) metrics: RouteMetrics,
}

/// What the routes of a graph are built from, beside their settings.
pub(crate) struct RouteParts<'g> {
    pub(crate) keys: &'g BTreeMap<Name, SharedKey>,
    pub(crate) workers: usize,
    pub(crate) metrics: &'g Metrics,
    pub(crate) shares: &'g Counters<'g>,
    pub(crate) platform: PlatformRoots,
}

impl SharedRoute {
    /// Builds what workers share of `route`. As far as it is configured as `before`, it is kept.
    ///
    /// # Errors
    /// The route has no key, or its key cannot sign for it; its roots or its host cannot be used.
    pub(crate) fn build(route: &Route, parts: &mut RouteParts<'_>, before: Option<&Self>) -> Result<Self, BuildError> {
        let metrics = match before {
            Some(before) if before.settings.known_actions == route.known_actions => before.metrics.clone(),
            Some(_) => parts.metrics.route(route.name.as_str(), &route.known_actions).continued(),
            None => parts.metrics.route(route.name.as_str(), &route.known_actions),
        };
        // before the key, so that their faults are told even when the key has one
        let known: Vec<_> = before.into_iter().flat_map(Self::endpoints).collect();
        let mut build = |endpoint: &RouteEndpoint<'_>| {
            EndpointCalls::build(endpoint, (parts.workers, &mut parts.platform), &metrics, &known)
        };
        let endpoint = build(&route.first_endpoint())?;
        let fallbacks = route.fallback_endpoints().map(|fallback| build(&fallback)).collect::<Result<_, _>>()?;
        let key = parts.keys.get(&route.key).ok_or_else(|| BuildError::NoKey { name: route.name.clone() })?;
        let key = Arc::clone(&key.slot);
        if let Some(misfit) = key.misfit(needs(route)) {
            return Err(BuildError::Key { name: route.key.clone(), source: misfit.into() });
        }
        let limit = route.limits.in_flight;
        let in_flight = before.map(|before| &before.in_flight);
        let all = in_flight.map_or_else(|| Capacity::new(limit), |before| before.all().with_limit(limit));
        Ok(Self {
            settings: route.clone(),
            key,
            endpoint,
            fallbacks,
            in_flight: parts.shares.of_route(route, all, in_flight),
            metrics,
        })
    }

    /// The endpoints in the order in which calls try them.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &EndpointCalls> {
        std::iter::once(&self.endpoint).chain(&self.fallbacks)
    }

    /// Why calls are refused now, if they are: every endpoint is down. The reason is that of the first.
    pub(crate) fn outage(&self) -> Option<Outage> {
        let first = self.endpoint.destination.breaker().outage()?;
        let are_down = self.fallbacks.iter().all(|fallback| fallback.destination.breaker().outage().is_some());
        are_down.then_some(first)
    }
}
