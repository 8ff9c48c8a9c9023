//! Metrics of the configuration: which one is served, and whether the last attempt to change it succeeded.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: ReloadResult,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DigestLabel {
    sha256: String,
}

/// How an attempt to change the configuration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ReloadResult {
    InUse,
    Refused,
}

impl EncodeLabelValue for ReloadResult {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        match self {
            Self::InUse => "in_use",
            Self::Refused => "refused",
        }
        .encode(encoder)
    }
}

/// See the module.
#[derive(Clone, Default)]
pub struct ConfigurationMetrics {
    last_reload_ok: Gauge,
    generation: Gauge,
    file: Family<DigestLabel, Gauge>,
    reloads: Family<ResultLabel, Counter>,
}

impl ConfigurationMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        for result in [ReloadResult::InUse, ReloadResult::Refused] {
            drop(metrics.reloads.get_or_create(&ResultLabel { result })); // there from the start, at 0
        }
        let help = "1 when the configuration that was read last is served, 0 when it was refused and an earlier one is";
        registry.register("config_last_reload_ok", help, metrics.last_reload_ok.clone());
        let help = "How many configurations have been served since the start, this one included";
        registry.register("config_generation", help, metrics.generation.clone());
        registry.register("config_file", "The file that is served, by its SHA-256", metrics.file.clone());
        registry.register("config_reloads", "Attempts to change the configuration", metrics.reloads.clone());
        metrics
    }

    /// The configuration that was read last is what is served: the `generation`th since the start, from a file with this digest.
    pub fn is_served(&self, generation: u64, sha256: Option<&str>) {
        self.last_reload_ok.set(1);
        self.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
        self.file.clear();
        if let Some(sha256) = sha256 {
            self.file.get_or_create(&DigestLabel { sha256: sha256.to_owned() }).set(1);
        }
    }

    /// Counts a reload that succeeded.
    pub fn count_reload(&self) {
        self.reloads.get_or_create(&ResultLabel { result: ReloadResult::InUse }).inc();
    }

    /// Counts one that was refused.
    pub fn count_refusal(&self) {
        self.last_reload_ok.set(0);
        self.reloads.get_or_create(&ResultLabel { result: ReloadResult::Refused }).inc();
    }
}
