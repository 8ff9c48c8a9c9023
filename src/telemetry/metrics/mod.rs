//! Prometheus metrics. Every label value comes from the configuration or from an enum here, never from a client.
//!
//! Each group has a file: it registers its metrics and lends them as one value. What the process counts as it happens
//! is apart from what is read elsewhere at each scrape ([`Snapshot`]). A test writes `docs/reference/metrics.md` from
//! the registered metrics.

mod configuration;
mod keys;
mod listeners;
mod load_result;
mod own_cells;
mod process;
mod register;
mod routes;
mod scraped;
mod sharded;
mod shares;
#[cfg(test)]
mod tests;
mod totals;
mod trace;

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use smol_str::SmolStr;

pub use configuration::ConfigurationMetrics;
pub use keys::KeyMetrics;
pub use listeners::{ListenerFamilies, ListenerMetrics};
pub use load_result::LoadResult;
pub(crate) use own_cells::{OwnCells, reserve_cells};
pub(in crate::telemetry) use own_cells::{cells, of_this_thread};
pub use process::ProcessMetrics;
pub use routes::RouteMetrics;
pub(in crate::telemetry) use routes::{Counted, KnownAction};
pub use scraped::{EndpointState, KeyState, Snapshot};
pub use shares::ShareMetrics;
pub(crate) use totals::{OutcomeTotals, RouteTotals};
pub use trace::TraceMetrics;

use super::incidents::Incidents;
use routes::RouteFamilies;
use scraped::ScrapedMetrics;

/// The media type of [`Metrics::render`].
pub(crate) const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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

    /// The text of `/metrics`, of type `application/openmetrics-text`.
    ///
    /// # Errors
    /// None in practice: writing to a string does not fail.
    pub fn render(&self, snapshot: &Snapshot<'_>) -> Result<String, fmt::Error> {
        self.scraped.publish(snapshot);
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
