//! What is seen from outside: logs, metrics, the audit, and the record of each exchange that feeds them. Knows no other module.

pub mod audit;
pub mod configuration;
mod json_lines;
mod labels;
mod line;
pub mod logging;
pub mod metrics;
pub mod notice;
pub mod outcome;
mod outlet;
pub mod panics;
mod places;
mod queue;
pub mod record;
pub mod request_id;
mod sharded;

pub use audit::{AuditLog, Audited};
pub use logging::LogFormat;
pub use metrics::{ListenerMetrics, Metrics, RouteMetrics};
pub use notice::{Notice, Severity};
pub use outcome::Outcome;
pub use record::ExchangeRecord;
pub use request_id::RequestId;

#[cfg(test)]
mod memory;
