//! Counting limits that are shared by all workers: connections, exchanges in progress.

use std::sync::Arc;

use super::limit::{Full, Limit};

/// A limited number of places: taking and returning a place costs a few nanoseconds and never waits.
#[derive(Debug, Clone)]
pub struct Capacity(Arc<Limit>);

/// A place taken; given back on drop. One reference to all that it counts in: a second one would cost as much as
/// counting.
#[derive(Debug)]
pub struct Permit(Arc<Limit>);

impl Capacity {
    /// A capacity of `limit` places.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Limit::new(limit)))
    }

    /// The same places, each of which also takes one of `all`. If `all` is itself within another capacity, places of
    /// that one are not taken.
    #[must_use]
    pub fn within(&self, all: &Self) -> Self {
        Self(Arc::new(self.0.within(&all.0)))
    }

    /// The same places with another limit: those taken stay taken, and may exceed it until enough are given back.
    #[must_use]
    pub fn with_limit(&self, limit: usize) -> Self {
        Self(Arc::new(self.0.with_limit(limit)))
    }

    /// How many places there are.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit()
    }

    /// Takes a place; `None` when none is free.
    #[must_use]
    pub fn take(&self) -> Option<Permit> {
        self.try_take().ok()
    }

    /// Takes a place.
    ///
    /// # Errors
    /// Which places are all taken.
    pub fn try_take(&self) -> Result<Permit, Full> {
        self.occupy().map(|()| Permit(Arc::clone(&self.0)))
    }

    /// Takes a place, without a value that gives it back: see [`super::shares::Place`].
    pub(super) fn occupy(&self) -> Result<(), Full> {
        self.0.take(1)
    }

    /// Gives back what [`Self::occupy`] took.
    pub(super) fn vacate(&self) {
        self.0.give_back(1);
    }

    /// Places taken now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.0.taken()
    }
}

impl Permit {
    /// Whether the place is one of `capacity`, as it is now or was before a reload.
    #[must_use]
    pub fn is_of(&self, capacity: &Capacity) -> bool {
        self.0.is_same_as(&capacity.0)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.give_back(1);
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

    #[test]
    fn a_share_is_refused_for_itself_before_the_whole_is_looked_at() {
        let all = Capacity::new(3);
        let (one, other) = (Capacity::new(2).within(&all), Capacity::new(2).within(&all));
        let first = one.try_take().unwrap();
        let _second = one.try_take().unwrap();
        for _ in 0..100 {
            assert_eq!(one.try_take().err(), Some(Full::Own));
        }
        assert_eq!((one.taken(), all.taken()), (2, 2));
        let _third = other.try_take().unwrap();
        assert_eq!(other.try_take().err(), Some(Full::Shared));
        assert_eq!((other.taken(), all.taken()), (1, 3), "what was refused is not counted anywhere");
        drop(first);
        assert_eq!((one.taken(), all.taken()), (1, 2));
        assert!(other.try_take().is_ok());
        let everything = Capacity::new(3).within(&all);
        let _rest: Vec<_> = (0..3).filter_map(|_| everything.take()).collect();
        assert_eq!(
            everything.try_take().err(),
            Some(Full::Shared),
            "a share as large as the limit of all is not named as one"
        );
    }

    #[test]
    fn a_place_is_known_as_one_of_the_same_capacity_with_another_limit() {
        let (one, other) = (Capacity::new(2), Capacity::new(2));
        let place = one.take().unwrap();
        assert!(place.is_of(&one) && place.is_of(&one.with_limit(7)) && !place.is_of(&other));
    }
}
