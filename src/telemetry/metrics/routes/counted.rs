//! What one exchange adds to the metrics of its route.

use std::time::Duration;

use super::KnownAction;
use crate::telemetry::outcome::Outcome;

/// What an exchange adds to the metrics of its route.
pub(in crate::telemetry) struct Counted {
    pub(in crate::telemetry) action: Option<KnownAction>,
    pub(in crate::telemetry) outcome: Outcome,
    /// Our own code, where the response is ours.
    pub(in crate::telemetry) code: Option<&'static str>,
    /// Body bytes from the client.
    pub(in crate::telemetry) received: u64,
    /// Body bytes to the client.
    pub(in crate::telemetry) returned: u64,
    /// How often the request was sent again.
    pub(in crate::telemetry) repeats: u64,
    /// How many connections to the endpoint it took from the pool.
    pub(in crate::telemetry) reused: u64,
    /// How many it had opened.
    pub(in crate::telemetry) opened: u64,
    pub(in crate::telemetry) connect: Option<Duration>,
    pub(in crate::telemetry) sign: Option<Duration>,
    pub(in crate::telemetry) first_byte: Option<Duration>,
    /// From the request's head to the end of the response.
    pub(in crate::telemetry) total: Duration,
}
