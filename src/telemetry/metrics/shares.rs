//! Metrics of clients that reach their share of a limit.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::register::register;

/// Clients come from the configuration and limits from a fixed set, so the number of counters is bounded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OverShareLabels {
    client: String,
    limit: &'static str,
}

/// Counts requests that were refused because their client used its whole share of a limit. Cheap to clone.
#[derive(Clone)]
pub struct ShareMetrics {
    over: Family<OverShareLabels, Counter>,
}

impl ShareMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let help = "Requests refused because their client used its whole share of a limit";
        Self { over: register(registry, "over_share", help, Family::default()) }
    }

    /// Counts a refusal. `limit` is one of a fixed set.
    pub(crate) fn count(&self, client: &str, limit: &'static str) {
        self.over.get_or_create(&OverShareLabels { client: client.to_owned(), limit }).inc();
    }
}
