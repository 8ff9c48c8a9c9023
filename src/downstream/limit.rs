//! What [`super::Capacity`] and [`super::ByteBudget`] count with: a limit that may be a part of another one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A limit, and the one that it is a part of, if there is one. Atomic counters: taking and giving back never waits.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    own: Level,
    /// What is shared with other limits.
    shared: Option<Level>,
}

/// How much of a limit is taken.
#[derive(Debug, Clone)]
struct Level {
    taken: Arc<AtomicUsize>,
    limit: usize,
}

/// Which limit has not enough left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// One that is only a part of another one, such as a client's share.
    Own,
    /// The limit of all.
    Shared,
}

impl Limit {
    /// A limit of its own, of which nothing is taken.
    pub(super) fn new(limit: usize) -> Self {
        Self { own: Level { taken: Arc::default(), limit }, shared: None }
    }

    /// The same counter, of which each piece is also one of `all`. If `all` is itself within another limit, nothing of
    /// that one is taken.
    pub(super) fn within(&self, all: &Self) -> Self {
        Self { own: self.own.clone(), shared: Some(all.own.clone()) }
    }

    /// The same counter with another limit: what is taken stays taken, and may exceed it until enough is given back.
    pub(super) fn with_limit(&self, limit: usize) -> Self {
        Self { own: Level { limit, ..self.own.clone() }, shared: self.shared.clone() }
    }

    /// The most that can be taken.
    pub(super) fn limit(&self) -> usize {
        self.shared.as_ref().map_or(self.own.limit, |shared| self.own.limit.min(shared.limit))
    }

    /// How much is taken now.
    pub(super) fn taken(&self) -> usize {
        self.own.taken.load(Ordering::Relaxed)
    }

    /// Takes `more`, or nothing.
    ///
    /// # Errors
    /// Which limit has not enough left.
    pub(super) fn take(&self, more: usize) -> Result<(), Full> {
        // a client that has used its share does not touch the shared count, so trying often takes nothing from others
        if !self.own.take(more) {
            let is_part = self.shared.as_ref().is_some_and(|shared| self.own.limit < shared.limit);
            return Err(if is_part { Full::Own } else { Full::Shared });
        }
        if self.shared.as_ref().is_some_and(|shared| !shared.take(more)) {
            self.own.give_back(more);
            return Err(Full::Shared);
        }
        Ok(())
    }

    /// Gives back what [`Self::take`] took.
    pub(super) fn give_back(&self, taken: usize) {
        self.own.give_back(taken);
        if let Some(shared) = &self.shared {
            shared.give_back(taken);
        }
    }

    /// Whether both count with the same counter.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.own.taken, &other.own.taken)
    }
}

impl Level {
    /// What does not fit is never counted, not even for an instant: another worker would be refused for it.
    fn take(&self, more: usize) -> bool {
        let fits = |taken: usize| taken.checked_add(more).filter(|taken| *taken <= self.limit);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, taken: usize) {
        self.taken.fetch_sub(taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn who_is_refused_takes_the_last_place_from_nobody() {
        let limit = Limit::new(2);
        limit.take(1).unwrap();
        thread::scope(|scope| {
            for _ in 0..4 {
                // each of these is too much at any time
                scope.spawn(|| (0..20_000).for_each(|_| assert_eq!(limit.take(2), Err(Full::Shared))));
            }
            for _ in 0..20_000 {
                limit.take(1).unwrap();
                limit.give_back(1);
            }
        });
        assert_eq!(limit.taken(), 1);
    }
}
