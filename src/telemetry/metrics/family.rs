//! A family of series: one metric for each set of labels, written in the order of the labels.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// The series of one name. Cheap to clone.
///
/// The library has a family too. This one differs in three things: its series come in the same order at every scrape,
/// a series can be there at 0 before it takes the memory of a counter, and series can be forgotten.
#[derive(Debug)]
pub(super) struct Family<L, M>(Arc<Inner<L, M>>);

#[derive(Debug)]
struct Inner<L, M> {
    /// `None` for a series of which nothing has been counted.
    series: RwLock<BTreeMap<L, Option<M>>>,
    make: fn() -> M,
}

impl<L, M> Clone for Family<L, M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: Ord, M: Default> Default for Family<L, M> {
    fn default() -> Self {
        Self::new(M::default)
    }
}

impl<L: Ord, M> Family<L, M> {
    /// A family whose metrics are made by `make`.
    pub(super) fn new(make: fn() -> M) -> Self {
        Self(Arc::new(Inner { series: RwLock::default(), make }))
    }

    /// Has series with these labels written as 0 until something is counted: the first count is then a rise, which a
    /// rate shows.
    pub(super) fn expect(&self, labels: impl IntoIterator<Item = L>) {
        let mut series = self.write();
        for labels in labels {
            series.entry(labels).or_default();
        }
    }

    /// Forgets the series whose labels are not to be kept. Whoever has a metric of them counts for nobody from now on.
    pub(super) fn keep(&self, is_kept: impl Fn(&L) -> bool) {
        self.write().retain(|labels, _| is_kept(labels));
    }

    /// Has these series and no others.
    pub(super) fn replace(&self, series: impl IntoIterator<Item = (L, M)>) {
        *self.write() = series.into_iter().map(|(labels, metric)| (labels, Some(metric))).collect();
    }

    /// The metric with these labels, if something has been counted with it.
    pub(super) fn get(&self, labels: &L) -> Option<M>
    where
        M: Clone,
    {
        self.read().get(labels)?.clone()
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<L, Option<M>>> {
        self.0.series.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<L, Option<M>>> {
        self.0.series.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Ord + Clone, M: Clone> Family<L, M> {
    /// The metric with these labels, which is made if there is none.
    pub(super) fn get_or_create(&self, labels: &L) -> M {
        if let Some(Some(metric)) = self.read().get(labels) {
            return metric.clone();
        }
        self.write().entry(labels.clone()).or_default().get_or_insert_with(self.0.make).clone()
    }
}

impl<L, M: TypedMetric> TypedMetric for Family<L, M> {
    const TYPE: MetricType = M::TYPE;
}

impl<L: EncodeLabelSet + Ord, M: EncodeMetric + TypedMetric> EncodeMetric for Family<L, M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let zero = (self.0.make)();
        for (labels, metric) in &*self.read() {
            metric.as_ref().unwrap_or(&zero).encode(encoder.encode_family(labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }

    fn is_empty(&self) -> bool {
        self.read().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::registry::Registry;

    use super::*;

    type Labels = [(&'static str, &'static str); 1];

    fn written(family: &Family<Labels, Counter>) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        registry.register("t", "h", family.clone());
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn series_come_in_the_order_of_their_labels_and_at_zero_before_they_are_counted() {
        let family = Family::<Labels, Counter>::default();
        assert_eq!(written(&family), "# EOF\n", "without a series there is no name either");
        for value in ["c", "a"] {
            family.get_or_create(&[("l", value)]).inc();
        }
        family.expect([[("l", "b")], [("l", "a")]]);
        let lines = "t_total{l=\"a\"} 1\nt_total{l=\"b\"} 0\nt_total{l=\"c\"} 1\n";
        assert!(written(&family).contains(lines), "{}", written(&family));
        family.get_or_create(&[("l", "b")]).inc_by(7);
        assert!(written(&family).contains("t_total{l=\"b\"} 7\n"), "{}", written(&family));
    }

    #[test]
    fn what_is_forgotten_begins_again_at_zero() {
        let family = Family::<Labels, Counter>::default();
        let (kept, gone) = (family.get_or_create(&[("l", "kept")]), family.get_or_create(&[("l", "gone")]));
        family.keep(|[(_, value)]| *value == "kept");
        kept.inc();
        gone.inc_by(5);
        assert!(written(&family).contains("t_total{l=\"kept\"} 1\n# EOF"), "{}", written(&family));
        family.get_or_create(&[("l", "gone")]).inc();
        assert!(written(&family).contains("t_total{l=\"gone\"} 1\n"), "{}", written(&family));
    }
}
