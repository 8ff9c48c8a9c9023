//! How many connections are on their way from one worker to another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the connections on their way.
#[derive(Debug, Default)]
pub(super) struct Travellers(Arc<AtomicUsize>);

/// A connection that is counted as under way, until it is dropped.
#[derive(Debug)]
pub(in crate::downstream) struct UnderWay(Arc<AtomicUsize>);

impl Travellers {
    /// How many there are.
    pub(super) fn number(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    /// One more leaves.
    pub(super) fn one_more(&self) -> UnderWay {
        self.0.fetch_add(1, Ordering::Relaxed);
        UnderWay(Arc::clone(&self.0))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release); // after it was counted where it arrived
    }
}
