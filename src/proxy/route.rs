//! Routes: what belongs together to call one endpoint, and which of them a request chooses.

use std::rc::Rc;
use std::sync::Arc;

use http::header::HeaderName;

use super::endpoint_clock::EndpointClock;
use super::head::{HeadError, RequestTarget};
use crate::authorize::{ActionPattern, Policy};
use crate::credentials::KeySlot;
use crate::downstream::{BodyLimits, Capacity};
use crate::query::{ErrorDialect, FormLimits};
use crate::signing::{Profile, SigningTarget};
use crate::telemetry::RouteMetrics;
use crate::upstream::Client;

/// One endpoint, as one worker calls it.
pub struct Route {
    /// The name in the configuration.
    pub name: Arc<str>,
    /// `Host` values that choose this route, lower case; empty: any.
    pub hosts: Vec<String>,
    /// The path prefix that chooses this route: `/`, or without a slash at its end.
    pub path: String,
    /// What the client may do here.
    pub policy: Policy,
    /// The key that signs.
    pub key: Arc<KeySlot>,
    /// How requests are signed.
    pub profile: Profile,
    /// With whose time.
    pub clock: Arc<EndpointClock>,
    /// For which host and path they are signed.
    pub target: SigningTarget,
    /// How our own errors are written.
    pub dialect: ErrorDialect,
    /// Request header fields that are passed on.
    pub forward_headers: Vec<HeaderName>,
    /// Actions that may be repeated when their outcome is unknown.
    pub safe_to_repeat: Vec<ActionPattern>,
    /// Parameters whose values the audit shows.
    pub audit_values: Vec<String>,
    /// Size and time of a form.
    pub body_limits: BodyLimits,
    /// Number of parameters.
    pub form_limits: FormLimits,
    /// Exchanges at once, over all workers.
    pub in_flight: Capacity,
    /// The way to the endpoint, the same one for all listeners of a worker.
    pub upstream: Rc<Client>,
    /// Counters.
    pub metrics: Rc<RouteMetrics>,
}

/// The routes of one listener.
pub struct Routes(Vec<Rc<Route>>);

impl Routes {
    /// Routes in any order.
    #[must_use]
    pub const fn new(routes: Vec<Rc<Route>>) -> Self {
        Self(routes)
    }

    /// The route for a request's host and path, or none: there is no default. A route that lists the host goes before one
    /// that lists no hosts, a longer path before a shorter one.
    ///
    /// # Errors
    /// [`HeadError::RouteNotFound`].
    pub fn select(&self, target: &RequestTarget<'_>) -> Result<&Rc<Route>, HeadError> {
        self.0
            .iter()
            .filter(|route| route.hosts.is_empty() || route.hosts.iter().any(|host| target.host.is(host)))
            .filter(|route| path_chooses(&route.path, target.path))
            .max_by_key(|route| (!route.hosts.is_empty(), route.path.len()))
            .ok_or(HeadError::RouteNotFound)
    }

    /// The route of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Route> {
        self.0.iter().find(|route| &*route.name == name).map(AsRef::as_ref)
    }
}

/// The path is the prefix itself, with or without a slash. What might follow is refused, not passed on: the path that is
/// signed comes from the configuration alone.
fn path_chooses(prefix: &str, path: &str) -> bool {
    let without_slash = || path.strip_suffix('/').is_some_and(|path| path == prefix);
    path == prefix || (prefix != "/" && without_slash())
}

#[cfg(test)]
mod tests {
    use super::path_chooses;

    #[test]
    fn a_path_chooses_a_prefix_only_as_a_whole() {
        for (prefix, path) in [("/", "/"), ("/sdb", "/sdb"), ("/sdb", "/sdb/")] {
            assert!(path_chooses(prefix, path), "{prefix} {path}");
        }
        for (prefix, path) in [
            ("/", "/x"),
            ("/", "//"),
            ("/", ""),
            ("/sdb", "/"),
            ("/sdb", "/sdbx"),
            ("/sdb", "/sdb/x"),
            ("/sdb", "/sdb//"),
        ] {
            assert!(!path_chooses(prefix, path), "{prefix} {path}");
        }
    }
}
