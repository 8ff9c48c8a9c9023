//! Counters and histograms with a cell for each worker, which a reader adds up. Counting takes no lock and no locked
//! instruction, and moves no cache line between processors at each request.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::counter::Atomic;
use prometheus_client::metrics::{MetricType, TypedMetric};

use super::totals::DurationTotals;
use crate::telemetry::own_cells::{OurCell, cells};
use crate::telemetry::thread_slot::CacheLine;

/// The value of a counter, in cells.
#[derive(Debug)]
pub(super) struct Sharded(Box<[CacheLine<AtomicU64>]>);

impl Default for Sharded {
    fn default() -> Self {
        Self(each_cell())
    }
}

impl Atomic<u64> for Sharded {
    fn inc(&self) -> u64 {
        self.inc_by(1)
    }

    /// Returns 0: nobody reads the earlier value, so a sum over all cells would be wasted.
    fn inc_by(&self, by: u64) -> u64 {
        if let Some(ours) = OurCell::of(&self.0) {
            ours.add(|CacheLine(number)| number, by);
        }
        0
    }

    fn get(&self) -> u64 {
        self.0.iter().fold(0, |sum, number| sum.wrapping_add(number.0.load(Ordering::Relaxed)))
    }
}

/// A histogram of durations with fixed bounds. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Durations<const BUCKETS: usize>(Arc<Observed<BUCKETS>>);

#[derive(Debug)]
struct Observed<const BUCKETS: usize> {
    /// Upper bounds in nanoseconds, ascending. Longer durations count as `beyond`.
    bounds: [u64; BUCKETS],
    shards: Box<[CacheLine<Shard<BUCKETS>>]>,
}

#[derive(Debug)]
struct Shard<const BUCKETS: usize> {
    within: [AtomicU64; BUCKETS],
    beyond: AtomicU64,
    nanos: AtomicU64,
}

impl<const BUCKETS: usize> Default for Shard<BUCKETS> {
    fn default() -> Self {
        Self {
            within: [const { AtomicU64::new(0) }; BUCKETS],
            beyond: AtomicU64::default(),
            nanos: AtomicU64::default(),
        }
    }
}

impl<const BUCKETS: usize> Durations<BUCKETS> {
    /// A histogram with these upper bounds in microseconds, ascending.
    pub(super) fn new(bounds: [u64; BUCKETS]) -> Self {
        let bounds = bounds.map(|bound| nanos(Duration::from_micros(bound)));
        Self(Arc::new(Observed { bounds, shards: each_cell() }))
    }

    /// Counts a duration.
    pub(super) fn observe(&self, duration: Duration) {
        let Some(ours) = OurCell::of(&self.0.shards) else { return };
        let nanos = nanos(duration);
        let bucket = self.0.bounds.partition_point(|bound| *bound < nanos);
        ours.add(|CacheLine(shard)| shard.within.get(bucket).unwrap_or(&shard.beyond), 1);
        ours.add(|CacheLine(shard)| &shard.nanos, nanos);
    }

    /// What was counted so far.
    pub(super) fn totals(&self) -> DurationTotals<BUCKETS> {
        let mut within = [0; BUCKETS];
        for (index, total) in within.iter_mut().enumerate() {
            *total = self.within(index);
        }
        let (beyond, nanos) = (self.sum(|shard| &shard.beyond), self.sum(|shard| &shard.nanos));
        DurationTotals { bounds: self.0.bounds, within, beyond, nanos }
    }

    fn within(&self, index: usize) -> u64 {
        let counted = self.0.shards.iter().filter_map(|CacheLine(shard)| shard.within.get(index));
        counted.map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    fn sum(&self, of: impl Fn(&Shard<BUCKETS>) -> &AtomicU64) -> u64 {
        self.0.shards.iter().fold(0, |sum, CacheLine(shard)| sum.wrapping_add(of(shard).load(Ordering::Relaxed)))
    }
}

pub(super) fn each_cell<T: Default>() -> Box<[CacheLine<T>]> {
    (0..cells()).map(|_| CacheLine::default()).collect()
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl<const BUCKETS: usize> TypedMetric for Durations<BUCKETS> {
    const TYPE: MetricType = MetricType::Histogram;
}

impl<const BUCKETS: usize> EncodeMetric for Durations<BUCKETS> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let seconds = |nanos| Duration::from_nanos(nanos).as_secs_f64();
        let mut buckets = Vec::with_capacity(BUCKETS.saturating_add(1));
        for (index, bound) in self.0.bounds.iter().enumerate() {
            buckets.push((seconds(*bound), self.within(index)));
        }
        buckets.push((f64::INFINITY, self.sum(|shard| &shard.beyond)));
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(seconds(self.sum(|shard| &shard.nanos)), count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::histogram::Histogram;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::telemetry::own_cells::{OwnCells, reserve_cells};

    #[test]
    fn what_many_threads_counted_is_added_up() {
        let counter = Counter::<u64, Sharded>::default();
        thread::scope(|scope| {
            for by in 0..20 {
                let counter = &counter;
                scope.spawn(move || (0..1000).map(|_| counter.inc_by(by)).max());
            }
        });
        assert_eq!(counter.get(), 1000 * (0..20).sum::<u64>());
    }

    #[test]
    fn workers_with_cells_of_their_own_and_threads_without_add_up_also_after_a_cell_has_changed_hands() {
        reserve_cells(3);
        let (counter, durations) = (Counter::<u64, Sharded>::default(), Durations::new([1_000]));
        let count = || {
            for _ in 0..10_000 {
                counter.inc();
                durations.observe(Duration::from_nanos(3));
            }
        };
        for _ in 0..4 {
            thread::scope(|scope| {
                for _ in 0..6 {
                    scope.spawn(|| {
                        let _own = OwnCells::claim();
                        count();
                    });
                    scope.spawn(count);
                }
            });
        }
        assert_eq!(counter.get(), 4 * 12 * 10_000);
        assert_eq!(durations.sum(|shard| &shard.within[0]), 4 * 12 * 10_000);
        assert_eq!(durations.sum(|shard| &shard.nanos), 4 * 12 * 30_000);
    }

    #[test]
    fn a_counter_that_was_made_before_workers_were_expected_counts_for_them_all() {
        let counter = Counter::<u64, Sharded>::default();
        reserve_cells(9);
        thread::scope(|scope| {
            for _ in 0..9 {
                scope.spawn(|| {
                    let _own = OwnCells::claim();
                    (0..1000).for_each(|_| {
                        counter.inc();
                    });
                });
            }
        });
        assert_eq!(counter.get(), 9_000);
    }

    #[test]
    fn a_histogram_is_written_as_the_librarys_own() {
        const BOUNDS: [u64; 3] = [1, 2, 5_000];
        let ours = Durations::new(BOUNDS);
        let theirs = Histogram::new(BOUNDS.map(|bound| Duration::from_micros(bound).as_secs_f64()));
        // sums that floating point keeps exactly in any order
        for nanos in [0, 1_000, 1_001, 2_000, 2_001, 500_000_000, 1_000_000_000] {
            let observed = Duration::from_nanos(nanos);
            thread::scope(|scope| {
                scope.spawn(|| ours.observe(observed));
            });
            theirs.observe(observed.as_secs_f64());
        }
        let text = |register: &dyn Fn(&mut Registry)| {
            let (mut registry, mut text) = (Registry::default(), String::new());
            register(&mut registry);
            encode(&mut text, &registry).unwrap();
            text
        };
        let theirs = text(&|registry| registry.register("t", "h", theirs.clone()));
        assert_eq!(text(&|registry| registry.register("t", "h", ours.clone())), theirs);
        assert!(theirs.contains("t_bucket{le=\"+Inf\"} 7"), "{theirs}");
    }
}
