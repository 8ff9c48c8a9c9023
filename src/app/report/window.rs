//! What the counters of routes and clients said in the last minute, so that a report has rates and latencies.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::app::build::graph::Graph;
use crate::status::{Exchanges, Latency, Traffic};
use crate::telemetry::Outcome;
use crate::telemetry::metrics::{OutcomeTotals, RouteTotals};

/// How long ago the reading is at most that a report compares with, as far as there is one.
const WINDOW: Duration = Duration::from_secs(60);

/// How often the counters are to be read.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);

/// The readings of the last minute, the oldest first. There are seven, each with 220 bytes for a route that was called
/// and 72 for a client: the configuration bounds them.
#[derive(Debug, Default)]
pub(crate) struct Window(VecDeque<Reading>);

/// What the counters said at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    at: Instant,
    routes: BTreeMap<String, RouteTotals>,
    clients: BTreeMap<String, OutcomeTotals>,
}

/// What the counters say now, and what of it is from the last minute.
pub(crate) struct Recent {
    now: Reading,
    earlier: Option<Reading>,
}

impl Reading {
    /// Reads the counters of everything that was called.
    pub(crate) fn of(graph: &Graph, at: Instant) -> Self {
        let routes = graph.routes.values().filter_map(|route| {
            let totals = route.metrics.totals()?;
            Some((route.settings.name.to_string(), totals))
        });
        let clients = graph.client_exchanges.totals().map(|(client, totals)| (client.to_owned(), totals));
        Self { at, routes: routes.collect(), clients: clients.collect() }
    }
}

impl Window {
    /// Adds a reading, and forgets those that no report compares with any more.
    pub(crate) fn add(&mut self, reading: Reading) {
        let is_old = |other: &Reading| reading.at.saturating_duration_since(other.at) >= WINDOW;
        // the youngest of the old ones stays: the window begins with it
        while self.0.get(1).is_some_and(is_old) {
            self.0.pop_front();
        }
        self.0.push_back(reading);
    }

    /// What is new in `now`.
    pub(crate) fn recent(&self, now: Reading) -> Recent {
        Recent { now, earlier: self.0.front().cloned() }
    }
}

impl Recent {
    /// The exchanges of a route since the start.
    pub(super) fn route_exchanges(&self, route: &str) -> Exchanges {
        self.now.routes.get(route).map_or_else(Exchanges::default, |totals| exchanges(&totals.outcomes))
    }

    /// Those of the last minute.
    pub(super) fn route_traffic(&self, route: &str) -> Traffic {
        let Some(now) = self.now.routes.get(route) else { return self.traffic(&OutcomeTotals::default(), None) };
        let earlier = self.earlier.as_ref().and_then(|earlier| earlier.routes.get(route));
        let outcomes = earlier.map_or(now.outcomes, |earlier| now.outcomes.since(&earlier.outcomes));
        let exchange = earlier.map_or(now.exchange, |earlier| now.exchange.since(&earlier.exchange));
        let latency = exchange.mean().zip(exchange.quantile(0.5).zip(exchange.quantile(0.99)));
        let latency = latency.map(|(mean_seconds, (median_seconds, p99_seconds))| Latency {
            mean_seconds,
            median_seconds,
            p99_seconds,
        });
        self.traffic(&outcomes, latency)
    }

    /// The exchanges of a client since the start.
    pub(super) fn client_exchanges(&self, client: &str) -> Exchanges {
        self.now.clients.get(client).map_or_else(Exchanges::default, exchanges)
    }

    /// Those of the last minute.
    pub(super) fn client_traffic(&self, client: &str) -> Traffic {
        let now = self.now.clients.get(client).copied().unwrap_or_default();
        let earlier = self.earlier.as_ref().and_then(|earlier| earlier.clients.get(client));
        self.traffic(&earlier.map_or(now, |earlier| now.since(earlier)), None)
    }

    fn traffic(&self, outcomes: &OutcomeTotals, latency: Option<Latency>) -> Traffic {
        let began = self.earlier.as_ref().map_or(self.now.at, |earlier| earlier.at);
        let over = self.now.at.saturating_duration_since(began).as_secs_f64();
        let exchanges = exchanges(outcomes);
        let all = exchanges.total();
        let per_second = if over > 0.0 { as_float(all) / over } else { 0.0 };
        let (refused, failed) = (exchanges.refused, exchanges.failed());
        Traffic { over_seconds: over, exchanges: all, per_second, refused, failed, latency }
    }
}

fn exchanges(totals: &OutcomeTotals) -> Exchanges {
    Exchanges {
        answered_2xx: totals.of(Outcome::Answered2xx),
        answered_3xx: totals.of(Outcome::Answered3xx),
        answered_4xx: totals.of(Outcome::Answered4xx),
        answered_5xx: totals.of(Outcome::Answered5xx),
        refused: totals.of(Outcome::Refused),
        unavailable: totals.of(Outcome::Unavailable),
        unknown: totals.of(Outcome::Unknown),
        cut: totals.of(Outcome::Cut),
        abandoned: totals.of(Outcome::Abandoned),
    }
}

/// Counts stay far below 2^53.
#[allow(clippy::cast_precision_loss)]
const fn as_float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)] // numbers of a test are small

    use super::*;

    fn reading(start: Instant, second: u64, calls: u64) -> Reading {
        let mut outcomes = OutcomeTotals::default();
        outcomes.0[Outcome::Answered2xx.index()] = calls;
        let clients = BTreeMap::from([("a".to_owned(), outcomes)]);
        Reading { at: start + Duration::from_secs(second), routes: BTreeMap::new(), clients }
    }

    #[test]
    fn a_rate_is_of_the_last_minute_and_what_was_before_does_not_count() {
        let (start, mut window) = (Instant::now(), Window::default());
        for tick in 0..100 {
            // 1000 calls at once, long ago; then 5 in each second
            window.add(reading(start, tick * 10, 1000 + tick * 50));
        }
        let recent = window.recent(reading(start, 993, 1000 + 993 * 5));
        let traffic = recent.client_traffic("a");
        assert!((60.0..70.0).contains(&traffic.over_seconds), "{traffic:?}");
        assert!((traffic.per_second - 5.0).abs() < 0.01, "{traffic:?}");
        assert_eq!(recent.client_exchanges("a").total(), 1000 + 993 * 5);
        assert!(window.0.len() <= 8, "{}", window.0.len());
    }

    #[test]
    fn a_rate_just_after_the_start_is_of_the_time_since_then() {
        let (start, mut window) = (Instant::now(), Window::default());
        assert_eq!(window.recent(reading(start, 0, 9)).client_traffic("a").per_second, 0.0);
        window.add(reading(start, 0, 0));
        let traffic = window.recent(reading(start, 2, 8)).client_traffic("a");
        assert_eq!((traffic.over_seconds, traffic.per_second, traffic.exchanges), (2.0, 4.0, 8));
    }

    #[test]
    fn whoever_never_called_has_no_traffic() {
        let recent = Window::default().recent(reading(Instant::now(), 0, 1));
        assert_eq!(recent.client_exchanges("b").total(), 0);
        assert_eq!(recent.route_traffic("ie").latency, None);
    }
}
