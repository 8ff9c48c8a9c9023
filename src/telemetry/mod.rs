//! What operators see of the process: log, metrics, audit, traces, and the record of each exchange that feeds them.

pub mod audit;
mod endpoint_request_id;
pub(crate) mod incidents;
pub mod log;
pub mod metrics;
mod outcome;
pub(crate) mod own_cells;
pub(crate) mod peer;
pub(crate) mod record;
#[cfg(test)]
pub(crate) mod reference_page;
pub(crate) mod refusals;
mod request_id;
mod thread_slot;
pub mod trace;

pub use audit::AuditLog;
pub(crate) use endpoint_request_id::EndpointRequestId;
pub use log::LogFormat;
pub(crate) use log::lost_lines;
pub use metrics::{ListenerMetrics, Metrics, RouteMetrics};
pub(crate) use outcome::Outcome;
pub use record::TriedEndpoint;
pub(crate) use record::{ExchangeRecord, Refusal, cut_off};
