//! What counters have counted so far, as plain numbers: for readers that compare two moments.

use crate::telemetry::outcome::Outcome;

/// How many exchanges ended in which way, in the order of [`Outcome::ALL`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct OutcomeTotals(pub(crate) [u64; Outcome::ALL.len()]);

/// A histogram of durations with `BUCKETS` bounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct DurationTotals<const BUCKETS: usize> {
    /// Upper bounds in nanoseconds, ascending.
    pub(super) bounds: [u64; BUCKETS],
    /// How many durations were within each bound and beyond the one before.
    pub(super) within: [u64; BUCKETS],
    /// How many were beyond all bounds.
    pub(super) beyond: u64,
    /// The sum of all.
    pub(super) nanos: u64,
}

impl OutcomeTotals {
    pub(crate) fn of(&self, outcome: Outcome) -> u64 {
        self.0.get(outcome.index()).copied().unwrap_or_default()
    }

    pub(in crate::telemetry::metrics) fn add(&mut self, outcome: Outcome, count: u64) {
        if let Some(total) = self.0.get_mut(outcome.index()) {
            *total = total.saturating_add(count);
        }
    }

    /// What was counted after `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self(difference(&self.0, &earlier.0))
    }
}

impl<const BUCKETS: usize> DurationTotals<BUCKETS> {
    /// What was counted after `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            bounds: self.bounds,
            within: difference(&self.within, &earlier.within),
            beyond: self.beyond.saturating_sub(earlier.beyond),
            nanos: self.nanos.saturating_sub(earlier.nanos),
        }
    }

    fn count(&self) -> u64 {
        self.within.iter().fold(self.beyond, |sum, count| sum.saturating_add(*count))
    }

    /// The mean in seconds; `None` of no durations.
    pub(crate) fn mean(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| seconds(self.nanos) / number(count))
    }

    /// How many seconds a part of the durations took at most: 0.5 for the median. Within a bucket durations count as
    /// spread evenly, as PromQL's `histogram_quantile` has it; beyond all bounds, the last bound stands for them.
    pub(crate) fn quantile(&self, part: f64) -> Option<f64> {
        let wanted = number(self.count()) * part;
        let (mut below, mut lower) = (0.0, 0.0);
        for (bound, count) in self.bounds.iter().zip(&self.within) {
            let (upper, count) = (seconds(*bound), number(*count));
            if count > 0.0 && below + count >= wanted {
                return Some(lower + (upper - lower) * ((wanted - below) / count));
            }
            (below, lower) = (below + count, upper);
        }
        (self.count() > 0).then_some(lower)
    }
}

fn difference<const N: usize>(later: &[u64; N], earlier: &[u64; N]) -> [u64; N] {
    let mut difference = *later;
    for (ours, earlier) in difference.iter_mut().zip(earlier) {
        *ours = ours.saturating_sub(*earlier);
    }
    difference
}

/// Counts stay far below 2^53.
#[allow(clippy::cast_precision_loss)]
const fn number(count: u64) -> f64 {
    count as f64
}

fn seconds(nanos: u64) -> f64 {
    number(nanos) / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(within: [u64; 3], beyond: u64, nanos: u64) -> DurationTotals<3> {
        DurationTotals { bounds: [1_000_000, 10_000_000, 100_000_000], within, beyond, nanos }
    }

    #[test]
    fn a_quantile_is_where_its_part_of_the_durations_ends() {
        let totals = totals([0, 100, 0], 0, 500_000_000);
        let is_about = |found: Option<f64>, wanted: f64| (found.unwrap() - wanted).abs() < 1e-9;
        assert!(is_about(totals.quantile(0.5), 0.0055) && is_about(totals.quantile(1.0), 0.01), "{totals:?}");
        assert!(is_about(totals.mean(), 0.005), "{totals:?}");
    }

    #[test]
    fn durations_beyond_all_bounds_count_as_the_last_one() {
        assert!((totals([1, 0, 0], 99, 0).quantile(0.99).unwrap() - 0.1).abs() < 1e-9);
    }

    #[test]
    fn nothing_has_no_quantile_and_no_mean() {
        let nothing = totals([1, 2, 3], 4, 5).since(&totals([1, 2, 3], 4, 5));
        assert_eq!((nothing.quantile(0.5), nothing.mean()), (None, None));
    }

    #[test]
    fn a_counter_that_began_anew_counts_as_nothing_and_never_as_a_huge_number() {
        assert_eq!(totals([1, 0, 0], 0, 1).since(&totals([5, 0, 0], 2, 9)).count(), 0);
        let mut later = OutcomeTotals::default();
        later.add(Outcome::Refused, 2);
        let mut earlier = OutcomeTotals::default();
        earlier.add(Outcome::Refused, 5);
        assert_eq!(later.since(&earlier), OutcomeTotals::default());
        assert_eq!((earlier.of(Outcome::Refused), earlier.of(Outcome::Cut)), (5, 0));
    }
}
