//! The queue between exchanges that have ended and the exporter: bounded as a whole and for each client.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};
use tokio::sync::mpsc::Sender;

use super::recorded::Recorded;
use crate::telemetry::metrics::TraceMetrics;

/// Why spans never reach the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum DropReason {
    /// As many exchanges wait as may.
    QueueFull,
    /// The client's share of the queue is used up.
    ClientShare,
    /// The collector did not answer, or had no time, until the last attempt.
    Unreachable,
    /// The collector answered that it does not take the request.
    Refused,
    /// The collector took the request, and not these spans of it.
    Rejected,
    /// The process ended first.
    Ended,
}

impl DropReason {
    /// Every reason.
    pub(crate) const ALL: [Self; 6] =
        [Self::QueueFull, Self::ClientShare, Self::Unreachable, Self::Refused, Self::Rejected, Self::Ended];

    /// The word in metrics.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::ClientShare => "client_share",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Rejected => "rejected",
            Self::Ended => "ended",
        }
    }
}

impl EncodeLabelValue for DropReason {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        self.as_str().encode(encoder)
    }
}

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
