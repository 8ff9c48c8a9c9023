//! Routes: everything that is needed to call one endpoint, and the choice of the route for a request.

use std::rc::Rc;
use std::sync::Arc;

use http::header::HeaderName;

use super::endpoint_clock::WorkerClock;
use super::head::{HeadError, RequestTarget, Served};
use crate::authorize::{ActionPattern, Policy};
use crate::credentials::KeySlot;
use crate::downstream::{BodyLimits, Capacity, Shares};
use crate::query::{ErrorDialect, FormLimits, FormPlace, ShownName};
use crate::signing::Profile;
use crate::signing::client_signature::{ClientScope, HeadClaim};
use crate::telemetry::RouteMetrics;
use crate::upstream::Client;

/// One endpoint, as one worker calls it.
pub struct Route {
    /// The name in the configuration.
    pub name: Arc<str>,
    /// `Host` values that choose this route, lower case; empty: any.
    pub hosts: Vec<String>,
    /// The path prefix that chooses this route: `/`, or a path without a slash at its end.
    pub path: String,
    /// The scope of a client's signature that chooses this route; `None`: any.
    pub scope: Option<ClientScope>,
    /// What clients may call.
    pub policy: Policy,
    /// The key that signs.
    pub key: Arc<KeySlot>,
    /// How requests are signed.
    pub profile: Profile,
    /// The endpoint's clock, and whether requests are signed with its time.
    pub clock: WorkerClock,
    /// The format of our own error documents.
    pub dialect: ErrorDialect,
    /// Where requests may have their forms.
    pub accept: Vec<FormPlace>,
    /// Request header fields that are passed on.
    pub forward_headers: Vec<HeaderName>,
    /// Actions that may be repeated when their outcome is unknown.
    pub safe_to_repeat: Vec<ActionPattern>,
    /// Parameters whose values the audit shows.
    pub audit_values: Vec<String>,
    /// The limits of a body's size and time.
    pub body_limits: BodyLimits,
    /// The limits of a form.
    pub form_limits: FormLimits,
    /// How many exchanges may be in progress, over all workers, and each client's share of them.
    pub in_flight: Rc<Shares<Capacity>>,
    /// The client of the endpoint, shared by all listeners of a worker.
    pub upstream: Rc<Client>,
    /// The metrics of the route.
    pub metrics: Rc<RouteMetrics>,
}

/// The routes of one listener.
pub struct Routes(Vec<Rc<Route>>);

impl Routes {
    /// The order of `routes` does not matter.
    #[must_use]
    pub const fn new(routes: Vec<Rc<Route>>) -> Self {
        Self(routes)
    }

    /// Selects the route for a request's host and path; there is no default. A route that lists the host is preferred
    /// to one that lists no hosts, a longer path to a shorter one, one with a scope to one for any.
    ///
    /// A scope is only `claim`ed here. The signature is verified before anything of the route is used, except for what
    /// a stranger may choose by the path as well: how large a form may be, and the format of errors.
    ///
    /// # Errors
    /// [`HeadError::RouteNotFound`], which names the routes there are.
    pub(super) fn select(
        &self,
        target: &RequestTarget<'_>,
        claim: Option<&HeadClaim>,
    ) -> Result<&Rc<Route>, HeadError> {
        let is_in_scope = |route: &Rc<Route>| match &route.scope {
            None => true,
            Some(scope) => claim.is_some_and(|claim| scope.is_of(claim)),
        };
        self.0
            .iter()
            .filter(|route| route.hosts.is_empty() || route.hosts.iter().any(|host| target.host.is(host)))
            .filter(|route| path_chooses(&route.path, target.path) && is_in_scope(route))
            .max_by_key(|route| (!route.hosts.is_empty(), route.path.len(), route.scope.is_some()))
            .ok_or_else(|| HeadError::RouteNotFound {
                host: target.host.shown(),
                path: ShownName::of(target.path),
                scope: claim.map(|claim| ShownName::of(&format!("{}/{}", claim.service(), claim.region()))),
                served: self.served(),
            })
    }

    /// The first routes, and what chooses each.
    fn served(&self) -> Served {
        const SHOWN: usize = 8;
        let chosen = |route: &Rc<Route>| {
            let hosts = if route.hosts.is_empty() { String::new() } else { format!(" for {}", route.hosts.join(", ")) };
            let scope = route.scope.as_ref().map(|scope| format!(" signed for {scope}")).unwrap_or_default();
            format!("{} at {}{hosts}{scope}", route.name, route.path)
        };
        let mut routes: Vec<String> = self.0.iter().take(SHOWN).map(chosen).collect();
        if let Some(more) = self.0.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            routes.push(format!("{more} more"));
        }
        Served(routes.join("; "))
    }

    /// The route of this name.
    #[must_use]
    pub(super) fn named(&self, name: &str) -> Option<&Route> {
        self.0.iter().find(|route| &*route.name == name).map(AsRef::as_ref)
    }
}

/// Whether the path is the prefix itself, with or without a slash at its end. A longer path is refused, not passed
/// on: the path that is signed comes from the configuration alone.
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
