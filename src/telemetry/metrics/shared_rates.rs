//! Metrics of rates and quotas that replicas share, and of the store that counts them: read at each scrape.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::family::Family;
use super::register::{register, register_with_unit};
use super::snapshot::{QuotaState, RateStoreState};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct StoreLabel {
    store: String,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct ClientLabel {
    client: String,
}

type Counts = Family<StoreLabel, Counter>;

pub(super) struct SharedRateMetrics {
    up: Family<StoreLabel, Gauge>,
    replicas: Family<StoreLabel, Gauge>,
    round_trips: Counts,
    round_trip_time: Family<StoreLabel, Counter<f64, AtomicU64>>,
    outages: Counts,
    waits: Counts,
    late: Counts,
    leased: Counts,
    returned: Counts,
    quota: Family<ClientLabel, Gauge>,
    quota_used: Family<ClientLabel, Gauge>,
}

impl SharedRateMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let counts = |registry: &mut Registry, name, help| register(registry, name, help, Counts::default());
        Self {
            up: register(
                registry,
                "rate_store_up",
                "1 while the store of rates answers, 0 while it is away",
                Family::default(),
            ),
            replicas: register(
                registry,
                "rate_store_replicas",
                "Replicas that the store of rates has seen in the last seconds, this one included; 0 while it is away",
                Family::default(),
            ),
            round_trips: counts(registry, "rate_store_round_trips", "Questions that the store of rates has answered"),
            round_trip_time: register_with_unit(
                registry,
                "rate_store_round_trip",
                Unit::Seconds,
                "Time from questions to the store of rates to its answers, added up",
                Family::default(),
            ),
            outages: counts(registry, "rate_store_outages", "How often the store of rates went away"),
            waits: counts(
                registry,
                "rate_store_waits",
                "Calls that waited for the store of rates, 5 ms at most, because no token was leased",
            ),
            late: counts(
                registry,
                "rate_store_late_answers",
                "Calls that waited for the store of rates and got no answer in time",
            ),
            leased: counts(registry, "rate_tokens_leased", "Tokens that the store of rates has leased to this replica"),
            returned: counts(registry, "rate_tokens_returned", "Leased tokens that this replica has given back"),
            quota: register(
                registry,
                "client_quota",
                "Calls that the client may make in a day of UTC; absent without a quota",
                Family::default(),
            ),
            quota_used: register(
                registry,
                "client_quota_used",
                "Calls of this day of UTC that count against the quota: of all replicas where they share it",
                Family::default(),
            ),
        }
    }

    pub(super) fn publish(&self, store: Option<&RateStoreState>, quotas: &[QuotaState<'_>]) {
        let label = |state: &RateStoreState| StoreLabel { store: state.store.clone() };
        let gauge = |value: fn(&RateStoreState) -> i64| {
            store.map(|state| {
                let gauge = Gauge::default();
                gauge.set(value(state));
                (label(state), gauge)
            })
        };
        self.up.replace(gauge(|state| state.up.into()));
        self.replicas.replace(gauge(|state| state.replicas.into()));
        for (family, value) in [
            (&self.round_trips, (|state| state.round_trips) as fn(&RateStoreState) -> u64),
            (&self.outages, |state| state.outages),
            (&self.waits, |state| state.waits),
            (&self.late, |state| state.late),
            (&self.leased, |state| state.leased),
            (&self.returned, |state| state.returned),
        ] {
            family.replace(store.map(|state| {
                let counter = Counter::default();
                counter.inc_by(value(state));
                (label(state), counter)
            }));
        }
        self.round_trip_time.replace(store.map(|state| {
            let counter = Counter::default();
            counter.inc_by(state.round_trip_seconds);
            (label(state), counter)
        }));
        let of_clients = |value: fn(&QuotaState<'_>) -> u64| -> Vec<_> {
            let series = |state: &QuotaState<'_>| {
                let gauge = Gauge::default();
                gauge.set(i64::try_from(value(state)).unwrap_or(i64::MAX));
                (ClientLabel { client: state.client.to_owned() }, gauge)
            };
            quotas.iter().map(series).collect()
        };
        self.quota.replace(of_clients(|state| state.calls));
        self.quota_used.replace(of_clients(|state| state.used));
    }
}
