//! What the log calls an endpoint.

/// What the log calls an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointName {
    /// The name of its route.
    pub route: String,
    /// Its own name, which no other endpoint of the route has: its URL.
    pub endpoint: String,
}
