//! Traces: which trace an exchange belongs to, what of it becomes spans, and their way to a collector, which is beside
//! the path of requests.
//!
//! An exchange that is traced notes its steps (`ExchangeTrace`). When it ends, and only if it is sampled, its record
//! goes into a bounded `SpanQueue`; the exporter's thread makes spans of it and sends them. Without `[trace]` nothing
//! of this runs: the ID of a client's trace is read for log and audit, and that is all.

mod drop_reason;
mod exchange_trace;
mod facts;
mod queue;
mod recorded;
mod sampling;
mod settings;
mod step;

#[cfg(feature = "otlp")]
mod collector;
#[cfg(feature = "otlp")]
mod exporter;
#[cfg(not(feature = "otlp"))]
mod no_exporter;
#[cfg(feature = "otlp")]
mod response;
#[cfg(feature = "otlp")]
mod spans;

pub(crate) use drop_reason::DropReason;
pub use exchange_trace::Tracing;
pub(crate) use exchange_trace::{ExchangeTrace, Tracer, new_span_id};
#[cfg(feature = "otlp")]
pub(crate) use exporter::{SpanWriter, start};
pub(crate) use facts::{EndpointFacts, ListenerFacts, RouteFacts};
#[cfg(not(feature = "otlp"))]
pub(crate) use no_exporter::{SpanWriter, start};
pub(crate) use queue::{Places, SpanQueue};
pub(crate) use recorded::Recorded;
pub use sampling::{ParentFlag, Ratio, Sampling};
pub use settings::{ExportSettings, Forwarding};
pub(crate) use step::{Step, StepKind};
