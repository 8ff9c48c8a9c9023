//! What is seen from outside: logs, metrics, and the record of each exchange that feeds both. Knows no other module.

pub mod logging;
pub mod metrics;
mod outlet;
pub mod record;
pub mod request_id;

pub use logging::LogFormat;
pub use metrics::{Metrics, RouteMetrics};
pub use record::{ExchangeRecord, Outcome};
pub use request_id::RequestId;
