//! What the exporter is told of an exchange that has ended.

use std::sync::Arc;

use smol_str::SmolStr;
use tokio::time::Instant;

use super::facts::{ListenerFacts, RouteFacts};
use super::step::Step;
use crate::http1::trace_context::{SpanId, TraceFlags, TraceId};
use crate::telemetry::peer::Addresses;
use crate::telemetry::request_id::RequestId;

/// An exchange that has ended, as far as its spans tell of it: names, IDs, numbers and times, and nothing that could
/// be a value of a form.
#[cfg_attr(not(feature = "otlp"), allow(dead_code))] // the exporter alone reads it
pub(crate) struct Recorded {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    /// The span of the client that called.
    pub(crate) parent: Option<SpanId>,
    pub(crate) flags: TraceFlags,
    pub(crate) method: &'static str,
    pub(crate) version: &'static str,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    pub(crate) steps: Vec<Step>,
    pub(crate) listener: Arc<ListenerFacts>,
    pub(crate) listener_name: Arc<str>,
    pub(crate) route: Option<Arc<RouteFacts>>,
    pub(crate) addresses: Addresses,
    pub(crate) request_id: RequestId,
    pub(crate) client: Option<SmolStr>,
    pub(crate) action: Option<SmolStr>,
    pub(crate) decision: Option<&'static str>,
    pub(crate) rule: Option<SmolStr>,
    pub(crate) key_id: Option<SmolStr>,
    pub(crate) outcome: &'static str,
    pub(crate) status: Option<u16>,
    /// Our own error code, when the response is ours.
    pub(crate) code: Option<&'static str>,
    /// The reason in the log.
    pub(crate) reason: Option<&'static str>,
    pub(crate) received: usize,
    pub(crate) returned: u64,
    /// Its place in the queue, given back when the spans are sent or dropped.
    pub(in crate::telemetry) place: Option<Box<dyn Send>>,
}

impl Recorded {
    /// How many spans it becomes.
    pub(super) fn spans(&self) -> u64 {
        u64::try_from(self.steps.len()).unwrap_or(u64::MAX).saturating_add(1)
    }
}
