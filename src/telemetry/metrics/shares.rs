//! Metrics of clients that reach their share of a limit.

use std::collections::BTreeSet;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::family::Family;
use super::register::register;

/// Clients come from the configuration and limits from a fixed set, so the number of counters is bounded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
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

    /// How many refusals of a client were counted, of these limits together.
    pub(crate) fn counted(&self, client: &str, limits: &[&'static str]) -> u64 {
        let label = |limit| OverShareLabels { client: client.to_owned(), limit };
        let counts = limits.iter().filter_map(|limit| self.over.get(&label(limit)));
        counts.fold(0, |sum, counter| sum.saturating_add(counter.get()))
    }

    /// Has the series of these clients and limits at 0 before anything is counted of them, and those of no other
    /// client.
    pub(super) fn expect(&self, clients: &BTreeSet<&str>, limits: &[&'static str]) {
        self.over.keep(|labels| clients.contains(&*labels.client));
        let each = |client: &&str| {
            let client = (*client).to_owned();
            limits.iter().map(move |limit| OverShareLabels { client: client.clone(), limit })
        };
        self.over.expect(clients.iter().flat_map(each));
    }
}
