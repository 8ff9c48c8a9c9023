//! Prometheus metrics. Every label value comes from the configuration or from an enum here, never from a client.
//!
//! Each group has a file: it registers its metrics and lends them as one value. What the process counts as it happens
//! is apart from what is read elsewhere at each scrape ([`Snapshot`]). A scrape has the series of what is configured
//! and no others: those that can be told in advance are there with 0, and those of what was removed are forgotten. A
//! test writes `docs/reference/metrics.md` from the registered metrics.

mod clients;
mod configuration;
mod exposition;
mod family;
mod keys;
mod listeners;
mod load_result;
mod own_process;
mod process;
mod register;
mod routes;
mod scraped;
mod sharded;
mod shared_rates;
mod shares;
mod snapshot;
#[cfg(test)]
mod tests;
mod totals;
mod trace;

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use smol_str::SmolStr;

pub(crate) use clients::ClientExchanges;
pub use configuration::ConfigurationMetrics;
pub use exposition::Exposition;
pub use keys::KeyMetrics;
pub use listeners::{ListenerFamilies, ListenerMetrics};
pub use load_result::LoadResult;
pub(crate) use own_process::{OwnProcess, Usage};
pub use process::ProcessMetrics;
pub use routes::RouteMetrics;
pub(crate) use routes::RouteTotals;
pub(in crate::telemetry) use routes::{Counted, KnownAction};
pub use shares::ShareMetrics;
pub use snapshot::Snapshot;
pub(crate) use snapshot::{EndpointState, KeyState, ListenerState, QuotaState, RateStoreState, RouteState};
pub(crate) use totals::OutcomeTotals;
pub use trace::TraceMetrics;

use super::incidents::Incidents;
use routes::RouteFamilies;
use scraped::ScrapedMetrics;

use crate::build_info;

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    routes: RouteFamilies,
    /// What is counted of listeners.
    pub listeners: ListenerFamilies,
    /// What is counted of keys.
    pub keys: KeyMetrics,
    /// What is counted of the configuration.
    pub configuration: ConfigurationMetrics,
    /// What is counted of the process as a whole.
    pub process: ProcessMetrics,
    /// What is counted of clients' shares.
    pub shares: ShareMetrics,
    /// What is counted of spans.
    pub trace: TraceMetrics,
    scraped: ScrapedMetrics,
    /// The last refusals and failures, which listeners lend to their exchanges.
    pub(crate) incidents: Arc<Incidents>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers every metric.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let features = build_info::FEATURES.join(",");
        let build = [("version", build_info::VERSION), ("commit", build_info::COMMIT), ("features", &features)];
        let build = build.map(|(name, value)| (name, value.to_owned()));
        registry.register("build", "The build that runs: its version, commit and features", Info::new(build));
        Self {
            routes: RouteFamilies::register(&mut registry),
            listeners: ListenerFamilies::register(&mut registry),
            keys: KeyMetrics::register(&mut registry),
            configuration: ConfigurationMetrics::register(&mut registry),
            process: ProcessMetrics::register(&mut registry),
            shares: ShareMetrics::register(&mut registry),
            trace: TraceMetrics::register(&mut registry),
            scraped: ScrapedMetrics::register(&mut registry),
            registry,
            incidents: Arc::default(),
        }
    }

    /// The metrics of one route. Actions outside `known_actions` count as `other`.
    #[must_use]
    pub fn route(&self, route: &str, known_actions: &[SmolStr]) -> RouteMetrics {
        self.routes.of_route(route, known_actions)
    }

    /// The metrics of one listener.
    #[must_use]
    pub fn listener(&self, name: &str) -> ListenerMetrics {
        self.listeners.of_listener(name, &self.incidents)
    }

    /// The text of `/metrics`.
    ///
    /// # Errors
    /// None in practice: writing to a string does not fail.
    pub fn render(&self, snapshot: &Snapshot<'_>, exposition: Exposition) -> Result<String, fmt::Error> {
        let clients = snapshot.clients.names();
        self.routes.expect(&snapshot.routes, snapshot.signature_causes);
        self.listeners.expect(&snapshot.listeners);
        self.keys.expect(&snapshot.keys.iter().map(|key| key.key).collect());
        self.shares.expect(&clients.collect(), snapshot.shared_limits);
        self.scraped.publish(snapshot);
        let (mut text, mut of_process) = (String::new(), Registry::default());
        encode_registry(&mut text, &self.registry)?;
        if let Some(process) = snapshot.process {
            process.register(&mut of_process);
        }
        encode_registry(&mut text, &of_process)?;
        encode_eof(&mut text)?;
        Ok(exposition.convert(text))
    }
}
