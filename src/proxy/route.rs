//! Routes: everything that is needed to call an endpoint, and the choice of the route for a request.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderName;
use smol_str::SmolStr;

use super::head::{HeadError, RequestTarget};
use super::unrouted::{Asked, Hidden, Served};
use super::worker_endpoint::WorkerEndpoint;
use crate::authorize::{ActionPattern, ClientIdentity, Policy, RouteView};
use crate::credentials::KeySlot;
use crate::downstream::{BodyLimits, Capacity, Shares};
use crate::query::{ErrorDialect, FormLimits, FormPlace, ShownName};
use crate::signing::Dialect;
use crate::signing::client_signature::{ClientScope, HeadClaim};
use crate::telemetry::RouteMetrics;

/// What clients may call under one name, as one worker calls it.
pub struct Route {
    /// The name in the configuration.
    pub name: Arc<str>,
    /// Whose it is: the name of the file of `conf.d/` that it is in, `None` for the main file.
    pub tenant: Option<SmolStr>,
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
    /// Where calls go.
    pub endpoint: WorkerEndpoint,
    /// The other endpoints, in order: each gets a call only if nothing of the call was sent to those before it.
    pub fallbacks: Vec<WorkerEndpoint>,
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
    /// The metrics of the route.
    pub metrics: Rc<RouteMetrics>,
}

impl Route {
    /// The dialect of all its endpoints.
    pub(super) const fn signing_dialect(&self) -> Dialect {
        self.endpoint.profile.dialect()
    }
}

/// The routes of one listener.
pub struct Routes {
    all: Vec<Rc<Route>>,
    /// What clients learn of routes on which their rules allow nothing.
    pub(super) view: RouteView,
}

impl Routes {
    /// The order of `routes` does not matter.
    #[must_use]
    pub const fn new(routes: Vec<Rc<Route>>, view: RouteView) -> Self {
        Self { all: routes, view }
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
        let found = chosen(self.all.iter(), target, claim);
        found.ok_or_else(|| HeadError::RouteNotFound { asked: asked(target, claim), served: self.served() })
    }

    /// Selects as [`Self::select`] does in a configuration that has only the routes which `client` sees.
    ///
    /// # Errors
    /// [`HeadError::RouteNotFound`], or [`HeadError::RouteHidden`], which says the same to the client.
    pub(super) fn select_seen(
        &self,
        client: &ClientIdentity<'_>,
        target: &RequestTarget<'_>,
        claim: Option<&HeadClaim>,
    ) -> Result<&Rc<Route>, HeadError> {
        let seen = self.all.iter().filter(|route| client.sees(&route.name));
        chosen(seen, target, claim).ok_or_else(|| match self.select(target, claim) {
            Ok(hidden) => HeadError::RouteHidden { asked: asked(target, claim), hidden: Hidden(hidden.name.clone()) },
            Err(not_found) => not_found,
        })
    }

    /// The largest limits of all routes: those of a form whose route is not known yet.
    pub(super) fn largest_limits(&self) -> (BodyLimits, FormLimits) {
        let body = self.all.iter().map(|route| route.body_limits).max_by_key(|limits| limits.bytes);
        let form = self.all.iter().map(|route| route.form_limits).max_by_key(|limits| limits.max_parameters());
        let nothing = (BodyLimits { bytes: 0, deadline: Duration::ZERO }, FormLimits::new(0));
        (body.unwrap_or(nothing.0), form.unwrap_or(nothing.1))
    }

    /// The first routes, and what chooses each.
    fn served(&self) -> Served {
        const SHOWN: usize = 8;
        let shown = |route: &Rc<Route>| {
            let hosts = if route.hosts.is_empty() { String::new() } else { format!(" for {}", route.hosts.join(", ")) };
            let scope = route.scope.as_ref().map(|scope| format!(" signed for {scope}")).unwrap_or_default();
            format!("{} at {}{hosts}{scope}", route.name, route.path)
        };
        let mut routes: Vec<String> = self.all.iter().take(SHOWN).map(shown).collect();
        if let Some(more) = self.all.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            routes.push(format!("{more} more"));
        }
        Served(routes.join("; "))
    }

    /// The route of this name.
    #[must_use]
    pub(super) fn named(&self, name: &str) -> Option<&Route> {
        self.all.iter().find(|route| &*route.name == name).map(AsRef::as_ref)
    }
}

/// The route that a request chooses.
fn chosen<'r>(
    routes: impl Iterator<Item = &'r Rc<Route>>,
    target: &RequestTarget<'_>,
    claim: Option<&HeadClaim>,
) -> Option<&'r Rc<Route>> {
    let is_in_scope = |route: &&Rc<Route>| match &route.scope {
        None => true,
        Some(scope) => claim.is_some_and(|claim| scope.is_of(claim)),
    };
    routes
        .filter(|route| route.hosts.is_empty() || route.hosts.iter().any(|host| target.host.is(host)))
        .filter(|route| path_chooses(&route.path, target.path) && is_in_scope(route))
        .max_by_key(|route| (!route.hosts.is_empty(), route.path.len(), route.scope.is_some()))
}

fn asked(target: &RequestTarget<'_>, claim: Option<&HeadClaim>) -> Asked {
    Asked {
        host: target.host.shown(),
        path: ShownName::of(target.path),
        scope: claim.map(|claim| ShownName::of(&format!("{}/{}", claim.service(), claim.region()))),
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
