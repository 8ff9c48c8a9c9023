//! What was counted of a route so far, as plain numbers.

use prometheus_client::metrics::counter::Counter;

use super::{BOUNDS, ExchangeLabels, OfRoute, RouteMetrics};
use crate::telemetry::metrics::totals::{DurationTotals, OutcomeTotals};
use crate::telemetry::outcome::Outcome;

/// A route's exchanges, and how long those took that were not refused.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RouteTotals {
    pub(crate) outcomes: OutcomeTotals,
    pub(crate) exchange: DurationTotals<{ BOUNDS.len() }>,
}

impl RouteMetrics {
    /// Finds what was counted before of a route of this name, so that its totals go on.
    #[must_use]
    pub(crate) fn continued(self) -> Self {
        let OfRoute { label, families, known_actions, other, series, .. } = &*self.0;
        for action in known_actions.iter().chain([other]) {
            for outcome in Outcome::ALL {
                let labels = ExchangeLabels { route: label.route.clone(), action: action.name.to_string(), outcome };
                let Some(counter) = families.exchanges.get(&labels) else { continue };
                let counters = action.outcomes.get_or_init(Box::default);
                if let Some(place) = counters.get(outcome.index()) {
                    place.get_or_init(|| counter);
                }
            }
        }
        if families.exchange.get(label).is_some() {
            series.get_or_init(|| families.series(label));
        }
        self
    }

    /// What was counted so far; `None` while nobody has called the route.
    pub(crate) fn totals(&self) -> Option<RouteTotals> {
        let exchange = self.0.series.get()?.exchange.totals();
        let mut outcomes = OutcomeTotals::default();
        for action in self.0.known_actions.iter().chain([&self.0.other]) {
            let counters = action.outcomes.get().into_iter().flat_map(|counters| counters.iter());
            for (outcome, counter) in Outcome::ALL.into_iter().zip(counters) {
                outcomes.add(outcome, counter.get().map_or(0, Counter::get));
            }
        }
        Some(RouteTotals { outcomes, exchange })
    }
}
