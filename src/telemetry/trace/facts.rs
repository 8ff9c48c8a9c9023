//! What all spans of a listener or a route say alike.

use std::net::SocketAddr;

/// What spans say of the listener.
#[cfg_attr(not(feature = "otlp"), allow(dead_code))] // the exporter alone reads it
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListenerFacts {
    /// Its address; `None` for a Unix socket, and for all addresses of the host.
    pub(crate) address: Option<SocketAddr>,
    pub(crate) scheme: &'static str,
}

/// What spans say of a route.
#[cfg_attr(not(feature = "otlp"), allow(dead_code))] // the exporter alone reads it
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteFacts {
    pub(crate) name: String,
    /// The path that chooses it.
    pub(crate) path: String,
    /// Its first endpoint.
    pub(crate) endpoint: EndpointFacts,
    /// The others.
    pub(crate) fallbacks: Vec<EndpointFacts>,
}

/// What spans say of an endpoint.
#[cfg_attr(not(feature = "otlp"), allow(dead_code))] // the exporter alone reads it
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EndpointFacts {
    pub(crate) url: String,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl RouteFacts {
    /// The endpoint with this number; 0 is the first.
    #[cfg_attr(not(feature = "otlp"), allow(dead_code))] // the exporter alone reads it
    pub(super) fn endpoint(&self, number: usize) -> &EndpointFacts {
        let fallback = number.checked_sub(1).and_then(|number| self.fallbacks.get(number));
        fallback.unwrap_or(&self.endpoint)
    }
}
