//! The queue between exchanges that have ended and the exporter: bounded as a whole and for each client.

use std::sync::Arc;

use tokio::sync::mpsc::Sender;

use super::drop_reason::DropReason;
use super::recorded::Recorded;
use crate::telemetry::metrics::TraceMetrics;

/// The places of the queue.
pub(crate) trait Places: Send + Sync {
    /// Takes a place of the share of the client with this number; of strangers without one. Dropping the value gives
    /// the place back.
    ///
    /// # Errors
    /// Which places are all taken.
    fn take(&self, holder: Option<usize>) -> Result<Box<dyn Send>, DropReason>;
}

/// Where records of exchanges wait for the exporter. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SpanQueue {
    records: Sender<Recorded>,
    places: Arc<dyn Places>,
    metrics: TraceMetrics,
}

impl SpanQueue {
    #[cfg_attr(not(feature = "otlp"), allow(dead_code))] // nobody takes anything out of it then
    pub(super) fn new(records: Sender<Recorded>, places: Arc<dyn Places>, metrics: TraceMetrics) -> Self {
        Self { records, places, metrics }
    }

    /// The same queue with the shares of another configuration.
    pub(crate) fn with_places(&self, places: Arc<dyn Places>) -> Self {
        Self { places, ..self.clone() }
    }

    /// Puts the record into the queue, or counts its spans as dropped. Never waits.
    pub(crate) fn put(&self, mut record: Recorded, holder: Option<usize>) {
        let spans = record.spans();
        match self.places.take(holder) {
            Ok(place) => record.place = Some(place),
            Err(reason) => return self.metrics.count_dropped(reason, spans),
        }
        // fits, since there is a place; fails only when the exporter has ended
        if self.records.try_send(record).is_err() {
            self.metrics.count_dropped(DropReason::Ended, spans);
        }
    }
}
