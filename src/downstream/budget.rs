//! Bytes of clients' bodies that may be held in memory at once, over all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;

/// A limit on the bytes held at once. One atomic counter, so taking bytes never waits.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    used: Arc<AtomicUsize>,
    limit: usize,
}

/// Bytes held; given back on drop.
#[derive(Debug)]
pub struct Held {
    budget: ByteBudget,
    bytes: usize,
}

/// The budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the requests under way hold all the memory there is for bodies")]
pub struct NoMemory;

impl ByteBudget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { used: Arc::default(), limit }
    }

    /// The same budget with another limit: what is held stays held.
    #[must_use]
    pub fn with_limit(&self, limit: usize) -> Self {
        Self { used: Arc::clone(&self.used), limit }
    }

    /// Holds nothing yet.
    #[must_use]
    pub fn hold(&self) -> Held {
        Held { budget: self.clone(), bytes: 0 }
    }

    /// Bytes held now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }
}

impl Held {
    /// Raises what is held to `bytes` in total, if it is less.
    ///
    /// # Errors
    /// [`NoMemory`]; what was held stays held.
    pub fn at_least(&mut self, bytes: usize) -> Result<(), NoMemory> {
        let more = bytes.saturating_sub(self.bytes);
        let within = |used: usize| used.checked_add(more).filter(|used| *used <= self.budget.limit);
        if more > 0 {
            let taken = self.budget.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within);
            taken.map_err(|_| NoMemory)?;
            self.bytes = bytes;
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_counts_until_it_is_dropped_and_never_beyond_the_limit() {
        let budget = ByteBudget::new(100);
        let (mut first, mut second) = (budget.hold(), budget.hold());
        assert_eq!(first.at_least(60), Ok(()));
        assert_eq!(first.at_least(50), Ok(()), "that is held already");
        assert_eq!(second.at_least(41), Err(NoMemory));
        assert_eq!(second.at_least(40), Ok(()));
        assert_eq!(second.at_least(usize::MAX), Err(NoMemory));
        assert_eq!(budget.used(), 100);
        drop(first);
        assert_eq!(second.at_least(100), Ok(()));
        drop(second);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_smaller_limit_leaves_what_is_held() {
        let budget = ByteBudget::new(100);
        let mut held = budget.hold();
        held.at_least(80).unwrap();
        let smaller = budget.with_limit(50);
        assert_eq!(smaller.hold().at_least(1), Err(NoMemory));
        drop(held);
        assert_eq!(smaller.hold().at_least(50), Ok(()));
    }
}
