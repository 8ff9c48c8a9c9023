//! Bytes of clients' bodies that may be held in memory at once, over all workers.

use thiserror::Error;

use super::burst::Burst;
use super::limit::{Full, Limit};

/// A limit on the bytes held at once. Taking bytes never waits.
#[derive(Debug, Clone)]
pub struct ByteBudget(Limit);

/// Bytes held; given back on drop.
#[derive(Debug)]
pub struct Held<'b> {
    budget: &'b ByteBudget,
    bytes: usize,
}

/// The budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoMemory {
    /// The budget of all clients.
    #[error("the requests in progress hold all the memory there is for bodies")]
    Full,
    /// The share of this client: other clients still have memory.
    #[error("the requests of this client use its whole share of the memory for bodies")]
    OverShare,
}

impl ByteBudget {
    /// A budget of `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self(Limit::new(limit))
    }

    /// The same budget, whose bytes are also bytes of `all`: a share of it.
    #[must_use]
    pub fn within(&self, all: &Self) -> Self {
        Self(self.0.within(&all.0))
    }

    /// The same budget with another limit: what is held stays held.
    #[must_use]
    pub fn with_limit(&self, limit: usize) -> Self {
        Self(self.0.with_limit(limit))
    }

    /// Holds nothing yet.
    #[must_use]
    pub const fn hold(&self) -> Held<'_> {
        Held { budget: self, bytes: 0 }
    }

    /// Bytes held now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.0.taken()
    }

    /// The most bytes that it holds.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.0.limit()
    }
}

impl Held<'_> {
    /// Raises what is held to `bytes` in total, if it is less.
    ///
    /// # Errors
    /// [`NoMemory`]; what was held stays held.
    pub fn at_least(&mut self, bytes: usize) -> Result<(), NoMemory> {
        let more = bytes.saturating_sub(self.bytes);
        if more > 0 {
            self.budget.0.take(more).map_err(NoMemory::from)?;
            self.bytes = bytes;
            Burst::Bytes.rise(more);
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.budget.0.give_back(self.bytes);
        Burst::Bytes.fall(self.bytes);
    }
}

impl From<Full> for NoMemory {
    fn from(full: Full) -> Self {
        match full {
            Full::Own => Self::OverShare,
            Full::Shared => Self::Full,
        }
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
        assert_eq!(second.at_least(41), Err(NoMemory::Full));
        assert_eq!(second.at_least(40), Ok(()));
        assert_eq!(second.at_least(usize::MAX), Err(NoMemory::Full));
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
        assert_eq!(smaller.hold().at_least(1), Err(NoMemory::Full));
        drop(held);
        assert_eq!(smaller.hold().at_least(50), Ok(()));
    }

    #[test]
    fn a_share_ends_before_the_whole_and_leaves_the_rest_to_others() {
        let all = ByteBudget::new(100);
        let (one, other) = (ByteBudget::new(60).within(&all), ByteBudget::new(60).within(&all));
        let (mut first, mut second) = (one.hold(), other.hold());
        assert_eq!(first.at_least(60), Ok(()));
        assert_eq!(first.at_least(61), Err(NoMemory::OverShare));
        assert_eq!(second.at_least(41), Err(NoMemory::Full));
        assert_eq!((one.used(), other.used(), all.used()), (60, 0, 60), "a refusal leaves nothing behind");
        assert_eq!(second.at_least(40), Ok(()));
        drop(first);
        assert_eq!((one.used(), other.used(), all.used()), (0, 40, 40));
        assert_eq!(second.at_least(60), Ok(()));
        assert_eq!(second.at_least(61), Err(NoMemory::OverShare));
        drop(second);
        assert_eq!((other.used(), all.used()), (0, 0));
        let everything = ByteBudget::new(100).within(&all);
        assert_eq!(everything.hold().at_least(101), Err(NoMemory::Full));
    }
}
