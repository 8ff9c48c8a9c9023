//! Metrics of keys: how loads ended, when a key expires, and whether its store has trouble.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::load_result::LoadResult;
use super::register::{register, register_with_unit};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabel {
    key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLoadLabels {
    key: String,
    result: LoadResult,
}

/// The families of all keys.
pub struct KeyMetrics {
    expiry: Family<KeyLabel, Gauge>,
    loads: Family<KeyLoadLabels, Counter>,
    degraded: Family<KeyLabel, Gauge>,
}

impl KeyMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let expiry = "When the key stops working, in Unix seconds; absent for a key that does not expire";
        let degraded = "1 while the store fails or its key is not used, 0 while all is well";
        Self {
            expiry: { register_with_unit(registry, "key_expiry_timestamp", Unit::Seconds, expiry, Family::default()) },
            loads: register(registry, "key_loads", "Attempts to load a key from its store", Family::default()),
            degraded: register(registry, "key_degraded", degraded, Family::default()),
        }
    }

    /// Sets when a key expires, in Unix seconds, or that it does not.
    pub(crate) fn set_expiry(&self, key: &str, expires_at: Option<i64>) {
        let label = KeyLabel { key: key.to_owned() };
        match expires_at {
            Some(seconds) => {
                self.expiry.get_or_create(&label).set(seconds);
            }
            None => {
                self.expiry.remove(&label);
            }
        }
    }

    /// Counts an attempt to load a key.
    pub(crate) fn count_load(&self, key: &str, result: LoadResult) {
        self.loads.get_or_create(&KeyLoadLabels { key: key.to_owned(), result }).inc();
    }

    /// Sets whether a key's store has trouble (1) or not (0).
    pub(crate) fn set_degraded(&self, key: &str, degraded: i64) {
        self.degraded.get_or_create(&KeyLabel { key: key.to_owned() }).set(degraded);
    }
}
