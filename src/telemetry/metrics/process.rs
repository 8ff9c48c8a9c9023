//! Metrics of the process as a whole: lost audit lines and panics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use super::register::register;

/// Counters without a label.
pub struct ProcessMetrics {
    audit_lost: Counter,
    panics: Counter,
}

impl ProcessMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let lost = "Audit lines that were dropped because the target of the audit did not take them in time";
        let panics = "Exchanges that a bug ended, with 500 InternalFailure";
        Self {
            audit_lost: register(registry, "audit_lost", lost, Counter::default()),
            panics: register(registry, "panics", panics, Counter::default()),
        }
    }

    /// Counts audit lines that are lost.
    #[must_use]
    pub fn audit_lost(&self) -> Counter {
        self.audit_lost.clone()
    }

    /// Counts panics of exchanges.
    #[must_use]
    pub fn panics(&self) -> Counter {
        self.panics.clone()
    }
}
