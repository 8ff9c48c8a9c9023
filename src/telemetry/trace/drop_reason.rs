//! Why spans never reach the collector.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

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
