//! What a route needs of its key.

use crate::config::settings::Route;
use crate::credentials::RouteNeeds;

/// What a route needs of its key.
pub(crate) fn needs(route: &Route) -> RouteNeeds {
    route.profile.signing.needs(route.name.as_str())
}
