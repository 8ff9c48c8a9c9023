//! How many connections to one endpoint are idle, in the pools of all workers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// The levels of all pools with connections to one endpoint.
#[derive(Debug, Default)]
pub(super) struct IdleConnections(Mutex<Vec<Weak<PoolLevel>>>);

/// How many connections are idle in one pool. Its worker alone writes it, with a plain store; it has a cache line of
/// its own, so that no worker waits for the line of another.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct PoolLevel(AtomicUsize);

impl IdleConnections {
    /// Counts a pool too, for as long as it exists.
    pub(super) fn include(&self, pool: &Arc<PoolLevel>) {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        let pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let levels = pools.iter().filter_map(Weak::upgrade).map(|level| level.0.load(Ordering::Relaxed));
        levels.fold(0, usize::saturating_add)
    }
}

impl PoolLevel {
    pub(super) fn set(&self, connections: usize) {
        self.0.store(connections, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_counts_for_as_long_as_it_exists() {
        let idle = IdleConnections::default();
        let pools = [3, 4].map(|connections| {
            let pool = Arc::<PoolLevel>::default();
            idle.include(&pool);
            pool.set(connections);
            pool
        });
        assert_eq!(idle.count(), 7);
        let [first, second] = pools;
        first.set(0);
        assert_eq!(idle.count(), 4);
        drop(second);
        assert_eq!(idle.count(), 0);
    }
}
