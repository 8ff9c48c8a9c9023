//! Metrics of keys: how loads ended. When a key expires and whether it can be used is read at each scrape.

use std::collections::BTreeSet;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::family::Family;
use super::load_result::LoadResult;
use super::register::register;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct KeyLoadLabels {
    key: String,
    result: LoadResult,
}

/// The families of all keys.
pub struct KeyMetrics {
    loads: Family<KeyLoadLabels, Counter>,
}

impl KeyMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        Self { loads: register(registry, "key_loads", "Attempts to load a key from its store", Family::default()) }
    }

    /// Counts an attempt to load a key.
    pub(crate) fn count_load(&self, key: &str, result: LoadResult) {
        self.loads.get_or_create(&KeyLoadLabels { key: key.to_owned(), result }).inc();
    }

    /// Has the series of these keys at 0 before anything is counted of them, and those of no other key.
    pub(super) fn expect(&self, keys: &BTreeSet<&str>) {
        self.loads.keep(|labels| keys.contains(&*labels.key));
        let loads = |key: &&str| LoadResult::ALL.map(|result| KeyLoadLabels { key: (*key).to_owned(), result });
        self.loads.expect(keys.iter().flat_map(loads));
    }
}
