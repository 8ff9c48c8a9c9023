//! Counting limits that are shared by all workers: connections, exchanges under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A limited number of places. Atomic counters: taking and returning a place costs a few nanoseconds and never waits.
#[derive(Debug, Clone)]
pub struct Capacity {
    taken: Arc<AtomicUsize>,
    limit: usize,
    /// Places that are shared with other capacities, and their limit.
    shared: Option<(Arc<AtomicUsize>, usize)>,
}

/// A place taken; given back on drop.
#[derive(Debug)]
pub struct Permit {
    taken: Arc<AtomicUsize>,
    shared: Option<Arc<AtomicUsize>>,
}

impl Capacity {
    /// A capacity of `limit` places.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { taken: Arc::default(), limit, shared: None }
    }

    /// The same places, each of which also takes one of `all`.
    #[must_use]
    pub fn within(self, all: &Self) -> Self {
        Self { shared: Some((Arc::clone(&all.taken), all.limit)), ..self }
    }

    /// The same places with another limit: those taken stay taken, and may exceed it until enough are given back.
    #[must_use]
    pub fn with_limit(&self, limit: usize) -> Self {
        Self { limit, ..self.clone() }
    }

    /// How many places there are.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.shared.as_ref().map_or(self.limit, |(_, limit)| self.limit.min(*limit))
    }

    /// Takes a place; `None` when none is free.
    #[must_use]
    pub fn take(&self) -> Option<Permit> {
        // the permit exists before the check, so that its drop undoes the counts on either path
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        let mut permit = Permit { taken: Arc::clone(&self.taken), shared: None };
        let mut is_free = before < self.limit;
        if let Some((taken, limit)) = &self.shared {
            is_free &= taken.fetch_add(1, Ordering::Relaxed) < *limit;
            permit.shared = Some(Arc::clone(taken));
        }
        is_free.then_some(permit)
    }

    /// Places taken now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
        if let Some(shared) = &self.shared {
            shared.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_capacity_refuses_until_a_place_is_given_back() {
        let capacity = Capacity::new(2);
        let first = capacity.take().unwrap();
        let _second = capacity.take().unwrap();
        assert!(capacity.take().is_none());
        assert_eq!(capacity.taken(), 2, "a refusal takes no place");
        drop(first);
        assert!(capacity.take().is_some());
    }

    #[test]
    fn capacities_within_another_share_its_places() {
        let whole = Capacity::new(2);
        let (one, two) = (Capacity::new(2).within(&whole), Capacity::new(2).within(&whole));
        let first = one.take().unwrap();
        let _second = two.take().unwrap();
        assert!(one.take().is_none() && two.take().is_none());
        assert_eq!((one.taken(), two.taken(), whole.taken()), (1, 1, 2));
        drop(first);
        assert!(two.take().is_some());
        assert_eq!(one.with_limit(9).limit(), 2);
    }

    #[test]
    fn another_limit_counts_the_places_that_were_taken_before() {
        let capacity = Capacity::new(2);
        let _held = (capacity.take().unwrap(), capacity.take().unwrap());
        assert!(capacity.with_limit(1).take().is_none());
        let larger = capacity.with_limit(3);
        let _third = larger.take().unwrap();
        assert!(larger.take().is_none());
        assert_eq!(capacity.taken(), 3);
    }
}
