//! Counting limits that are shared by all workers: connections, exchanges under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A limited number of places. Atomic counters: taking and returning a place costs a few nanoseconds and never waits.
#[derive(Debug, Clone)]
pub struct Capacity(Arc<Places>);

/// A place taken; given back on drop. One reference to all that it counts in: a second one would cost as much as
/// counting.
#[derive(Debug)]
pub struct Permit(Arc<Places>);

#[derive(Debug)]
struct Places {
    own: Level,
    /// Places that are shared with other capacities.
    shared: Option<Level>,
}

/// How many places of a limit are taken.
#[derive(Debug, Clone)]
struct Level {
    taken: Arc<AtomicUsize>,
    limit: usize,
}

/// Which places are all taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Those of a capacity that is only a part of another one, such as a client's share.
    Own,
    /// All there are.
    Shared,
}

impl Capacity {
    /// A capacity of `limit` places.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self::of(Level { taken: Arc::default(), limit }, None)
    }

    /// The same places, each of which also takes one of `all`. If `all` is itself within another capacity, places of
    /// that one are not taken.
    #[must_use]
    pub fn within(&self, all: &Self) -> Self {
        Self::of(self.0.own.clone(), Some(all.0.own.clone()))
    }

    /// The same places with another limit: those taken stay taken, and may exceed it until enough are given back.
    #[must_use]
    pub fn with_limit(&self, limit: usize) -> Self {
        Self::of(Level { limit, ..self.0.own.clone() }, self.0.shared.clone())
    }

    fn of(own: Level, shared: Option<Level>) -> Self {
        Self(Arc::new(Places { own, shared }))
    }

    /// How many places there are.
    #[must_use]
    pub fn limit(&self) -> usize {
        let Places { own, shared } = &*self.0;
        shared.as_ref().map_or(own.limit, |shared| own.limit.min(shared.limit))
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
        let Places { own, shared } = &*self.0;
        // a client without a free place of its own does not touch the shared count, so trying often takes nothing from
        // others
        if !own.take() {
            let is_part = shared.as_ref().is_some_and(|shared| own.limit < shared.limit);
            return Err(if is_part { Full::Own } else { Full::Shared });
        }
        if shared.as_ref().is_some_and(|shared| !shared.take()) {
            own.give_back();
            return Err(Full::Shared);
        }
        Ok(Permit(Arc::clone(&self.0)))
    }

    /// Places taken now.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.0.own.taken.load(Ordering::Relaxed)
    }
}

impl Level {
    fn take(&self) -> bool {
        let is_free = self.taken.fetch_add(1, Ordering::Relaxed) < self.limit;
        if !is_free {
            self.give_back();
        }
        is_free
    }

    fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Permit {
    /// Whether the place is one of `capacity`, as it is now or was before a reload.
    #[must_use]
    pub fn is_of(&self, capacity: &Capacity) -> bool {
        Arc::ptr_eq(&self.0.own.taken, &capacity.0.own.taken)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.own.give_back();
        if let Some(shared) = &self.0.shared {
            shared.give_back();
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
        assert_eq!(everything.try_take().err(), Some(Full::Shared), "a share of all is no share");
    }

    #[test]
    fn a_place_is_known_as_one_of_the_same_capacity_with_another_limit() {
        let (one, other) = (Capacity::new(2), Capacity::new(2));
        let place = one.take().unwrap();
        assert!(place.is_of(&one) && place.is_of(&one.with_limit(7)) && !place.is_of(&other));
    }
}
