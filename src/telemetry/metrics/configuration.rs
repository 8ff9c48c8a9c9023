//! Metrics of the configuration: which one is served, and whether the last attempt to change it succeeded.

use std::fmt;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::family::Family;
use super::register::register;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: ReloadResult,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct DigestLabel {
    sha256: String,
}

/// How an attempt to change the configuration ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// The generation that is served, its file, and reloads.
pub struct ConfigurationMetrics {
    last_reload_ok: Gauge,
    generation: Gauge,
    file: Family<DigestLabel, Gauge>,
    reloads: Family<ResultLabel, Counter>,
}

impl ConfigurationMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let ok = "1 when the configuration that was read last is served, 0 when it was refused and an earlier one is";
        let generation = "How many configurations have been served since the start, this one included";
        let file = "The file that is served, by its SHA-256";
        let reloads = Family::<ResultLabel, Counter>::default();
        reloads.expect([ReloadResult::InUse, ReloadResult::Refused].map(|result| ResultLabel { result }));
        Self {
            last_reload_ok: register(registry, "config_last_reload_ok", ok, Gauge::default()),
            generation: register(registry, "config_generation", generation, Gauge::default()),
            file: register(registry, "config_file", file, Family::default()),
            reloads: register(registry, "config_reloads", "Attempts to change the configuration", reloads),
        }
    }

    /// Notes that the configuration which was read last is served: the `generation`th since the start, from a file
    /// with this digest. Who sees the number sees the file too.
    pub(crate) fn is_served(&self, generation: u64, sha256: Option<&str>) {
        let one = Gauge::default();
        one.set(1);
        self.file.replace(sha256.map(|sha256| (DigestLabel { sha256: sha256.to_owned() }, one)));
        self.last_reload_ok.set(1);
        self.generation.set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// Counts a reload that succeeded.
    pub(crate) fn count_reload(&self) {
        self.reloads.get_or_create(&ResultLabel { result: ReloadResult::InUse }).inc();
    }

    /// Counts a reload that was refused.
    pub(crate) fn count_refusal(&self) {
        self.last_reload_ok.set(0);
        self.reloads.get_or_create(&ResultLabel { result: ReloadResult::Refused }).inc();
    }
}
