//! The endpoints of a route in their order, whichever table describes each.

use std::fmt;

use super::egress::Egress;
use super::endpoint::Endpoint;
use super::fallback::Fallback;
use super::route::Route;
use crate::signing;

/// Which table of a route describes an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndpointPlace {
    /// `[route.NAME]` itself: the first endpoint.
    Route,
    /// `[[route.NAME.fallback]]`, counted from 1.
    Fallback(usize),
}

impl fmt::Display for EndpointPlace {
    /// What follows the name of the route in the name of the table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route => Ok(()),
            Self::Fallback(number) => write!(f, ".fallback[{number}]"),
        }
    }
}

/// One endpoint of a route, whichever table describes it.
#[derive(Debug, Clone, Copy)]
pub struct RouteEndpoint<'r> {
    /// The route.
    pub route: &'r Route,
    /// The table.
    pub place: EndpointPlace,
    /// Where signed requests go.
    pub endpoint: &'r Endpoint,
    /// The proxy on the way there.
    pub egress: &'r Egress,
    /// How requests are signed.
    pub signing: &'r signing::Profile,
}

impl Route {
    /// The endpoints in the order in which calls try them; the first is `endpoint`.
    pub fn endpoints(&self) -> impl Iterator<Item = RouteEndpoint<'_>> {
        std::iter::once(self.first_endpoint()).chain(self.fallback_endpoints())
    }

    /// The endpoint of `[route.NAME]` itself.
    #[must_use]
    pub const fn first_endpoint(&self) -> RouteEndpoint<'_> {
        RouteEndpoint {
            route: self,
            place: EndpointPlace::Route,
            endpoint: &self.endpoint,
            egress: &self.egress,
            signing: &self.profile.signing,
        }
    }

    /// The others.
    pub fn fallback_endpoints(&self) -> impl Iterator<Item = RouteEndpoint<'_>> {
        (1..).zip(&self.fallbacks).map(|(number, Fallback { endpoint, egress, signing })| RouteEndpoint {
            route: self,
            place: EndpointPlace::Fallback(number),
            endpoint,
            egress,
            signing,
        })
    }
}

impl RouteEndpoint<'_> {
    /// The name of its table: `route.NAME`, or `route.NAME.fallback[1]`.
    #[must_use]
    pub fn table(&self) -> String {
        format!("route.{}{}", self.route.name, self.place)
    }

    /// What log, audit, metrics and status call it: its URL, followed by the way there where the route has the same URL
    /// twice.
    #[must_use]
    pub fn name(&self) -> String {
        let url = self.endpoint.url();
        let alike = self.route.endpoints().filter(|other| other.endpoint.url() == url);
        if alike.count() > 1 { format!("{url} via {}", self.endpoint.next_hop) } else { url }
    }

    /// The key that says where connections are made to.
    #[must_use]
    pub fn next_hop_key(&self) -> &'static str {
        if self.egress.proxy().is_some() { "egress" } else { self.endpoint.next_hop_key() }
    }
}
