//! In place of the exporter, in a build without the feature `otlp`: the configuration refuses `trace.endpoint` there.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::queue::{Places, SpanQueue};
use super::settings::ExportSettings;
use crate::fetch::Upload;
use crate::telemetry::metrics::TraceMetrics;

/// There is none.
pub(crate) enum SpanWriter {}

impl SpanWriter {
    /// Never called.
    pub(crate) fn end(&self, _deadline: Instant) {
        match *self {}
    }

    /// Never called.
    pub(crate) fn wait(self, _limit: Duration) {
        match self {}
    }
}

/// Starts nothing.
///
/// # Errors
/// Always.
pub(crate) fn start(
    _settings: &ExportSettings,
    _upload: Arc<Upload>,
    _places: Arc<dyn Places>,
    _metrics: TraceMetrics,
    _now: fn() -> Timestamp,
) -> io::Result<(SpanQueue, SpanWriter)> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this build exports no spans"))
}
