//! Metrics of the export of spans.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::family::Family;
use super::register::register;
use crate::telemetry::trace::DropReason;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct DroppedLabels {
    reason: DropReason,
}

/// Counts spans. Cheap to clone.
#[derive(Clone)]
pub struct TraceMetrics {
    exported: Counter,
    dropped: Family<DroppedLabels, Counter>,
}

impl TraceMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let exported = "Spans that the collector of traces has taken";
        let dropped = "Spans that never reached the collector of traces, by reason";
        let dropped = register(registry, "trace_spans_dropped", dropped, Family::default());
        // a rate is taken of each, and an alert has to see the first one
        dropped.expect(DropReason::ALL.map(|reason| DroppedLabels { reason }));
        Self { exported: register(registry, "trace_spans_exported", exported, Counter::default()), dropped }
    }

    /// Counts spans that the collector has taken.
    #[cfg_attr(not(feature = "otlp"), allow(dead_code))] // nothing is exported then
    pub(in crate::telemetry) fn count_exported(&self, spans: u64) {
        self.exported.inc_by(spans);
    }

    /// Counts spans that it never gets.
    pub(in crate::telemetry) fn count_dropped(&self, reason: DropReason, spans: u64) {
        self.dropped.get_or_create(&DroppedLabels { reason }).inc_by(spans);
    }
}
