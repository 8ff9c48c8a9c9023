//! The steps of an exchange that become spans below its own.

use tokio::time::Instant;

use crate::http1::trace_context::SpanId;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StepKind {
    /// Name lookup, TCP and TLS towards the endpoint, where no pooled connection was used.
    Connect,
    /// The form was made canonical and signed.
    Sign,
    /// The request was sent, and the head of the response awaited.
    Call {
        /// The span that the endpoint is told as its parent, where it is told any.
        span_id: SpanId,
        /// The status of the response.
        status: Option<u16>,
        /// How many calls of this exchange went before.
        resends: u32,
    },
}

/// A step that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) kind: StepKind,
    /// The endpoint that it was for: its number among those of the route, the first of which is 0.
    pub(crate) endpoint: usize,
    pub(crate) began: Instant,
    pub(crate) ended: Instant,
    /// Why it failed: a word of a fixed set.
    pub(crate) failed: Option<&'static str>,
}
