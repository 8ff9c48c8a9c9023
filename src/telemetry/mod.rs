//! What operators see of the process: log, metrics, audit, and the record of each exchange that feeds them. Uses no other room.

pub mod audit;
pub mod log;
pub mod metrics;
pub mod notice;
pub mod outcome;
pub mod record;
#[cfg(test)]
pub(crate) mod reference_page;
pub mod request_id;
mod thread_slot;

pub use audit::{AuditLog, Audited};
pub use log::LogFormat;
pub use metrics::{ListenerMetrics, Metrics, RouteMetrics};
pub use notice::{Notice, Severity};
pub use outcome::Outcome;
pub use record::ExchangeRecord;
pub use request_id::RequestId;
