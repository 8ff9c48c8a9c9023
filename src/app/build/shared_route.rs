//! Routes as all workers share them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::destination::{PlatformRoots, destination};
use super::error::BuildError;
use super::key_needs::needs;
use super::shared_key::SharedKey;
use super::shares::Counters;
use crate::config::settings::{Name, Route, Transport};
use crate::credentials::KeySlot;
use crate::downstream::{Capacity, Shares};
use crate::proxy::{DateEvidence, EndpointClock};
use crate::signing::Profile;
use crate::telemetry::{Metrics, RouteMetrics};
use crate::upstream::{Destination, Outage};
use crate::x509::Validity;

/// One route as all workers share it.
pub(crate) struct SharedRoute {
    pub(crate) settings: Route,
    pub(crate) key: Arc<KeySlot>,
    pub(crate) calls: EndpointCalls,
    pub(crate) in_flight: Shares<Capacity>,
    pub(crate) metrics: RouteMetrics,
}

/// How a route's requests are signed and where they go, for clients' calls and for probes. It does not contain the key,
/// because a key owns its probes.
#[derive(Clone)]
pub(crate) struct EndpointCalls {
    pub(crate) profile: Profile,
    pub(crate) clock: Arc<EndpointClock>,
    pub(crate) destination: Arc<Destination>,
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
        // first, so that its faults are told even when the key has one
        let known = before.map(|before| &before.calls.destination);
        let destination = destination(route, parts.workers, &mut parts.platform, known)?;
        let key = parts.keys.get(&route.key).ok_or_else(|| BuildError::NoKey { name: route.name.clone() })?;
        let key = Arc::clone(&key.slot);
        if let Some(misfit) = key.misfit(needs(route)) {
            return Err(BuildError::Key { name: route.key.clone(), source: misfit.into() });
        }
        let limit = route.limits.in_flight;
        let in_flight = before.map(|before| &before.in_flight);
        let all = in_flight.map_or_else(|| Capacity::new(limit), |before| before.all().with_limit(limit));
        let metrics = match before {
            Some(before) if before.settings.known_actions == route.known_actions => before.metrics.clone(),
            Some(_) => parts.metrics.route(route.name.as_str(), &route.known_actions).continued(),
            None => parts.metrics.route(route.name.as_str(), &route.known_actions),
        };
        let same = before.filter(|before| before.calls.destination.is_same_endpoint(&destination));
        let clock = endpoint_clock(route, &metrics, same.map(|same| &*same.calls.clock));
        Ok(Self {
            settings: route.clone(),
            key,
            calls: EndpointCalls { profile: route.profile.signing.clone(), clock: Arc::new(clock), destination },
            in_flight: parts.shares.of_route(route, all, in_flight),
            metrics,
        })
    }

    /// The certificate that is shown to the endpoint: its file, and when it is valid.
    pub(crate) fn shown_to_endpoint(&self) -> Option<(&Path, Validity)> {
        let files = match &self.settings.endpoint.transport {
            Transport::Tls { client, .. } => client.identity.as_ref()?,
            Transport::Plaintext => return None,
        };
        let validity = self.calls.destination.settings().tls.identity()?.validity()?;
        Some((&files.certificate, validity))
    }

    /// Why calls are refused now, if they are.
    pub(crate) fn outage(&self) -> Option<Outage> {
        self.calls.destination.breaker().outage()
    }
}

/// What was learnt `before` of the endpoint's clock stays known: it is the same endpoint.
fn endpoint_clock(route: &Route, metrics: &RouteMetrics, before: Option<&EndpointClock>) -> EndpointClock {
    let evidence = if route.endpoint.is_authentic() { DateEvidence::Authentic } else { DateEvidence::Forgeable };
    let clock = EndpointClock::new(route.name.as_str(), route.clock, evidence, metrics.clone());
    match before {
        Some(before) => clock.knowing_what(before),
        None => clock,
    }
}
