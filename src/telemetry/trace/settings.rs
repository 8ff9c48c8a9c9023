//! What the configuration says of traces, as the exporter and the path of requests work with it.

use std::time::Duration;

/// Whether endpoints are told which trace a call belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// They are told nothing: a client's own fields are passed on only where a route lists them.
    Off,
    /// Every request has `traceparent`, and `tracestate` where the client sent one.
    On,
}

/// How spans are exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSettings {
    /// Exchanges whose spans wait or are being sent, at most.
    pub queue: usize,
    /// Exchanges whose spans are sent in one request, at most.
    pub batch: usize,
    /// How long the first exchange of a batch waits for others.
    pub interval: Duration,
    /// How long one request to the collector may take.
    pub timeout: Duration,
    /// `service.name`.
    pub service_name: String,
    /// Further attributes of the resource.
    pub resource: Vec<(String, String)>,
}
