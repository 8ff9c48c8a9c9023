//! A limit that clients share, and the part of it that each of them may take at most, so that no client takes what
//! the others need.

use std::rc::Rc;
use std::sync::Arc;

use super::capacity::Capacity;
use super::limit::Full;

/// A limit of kind `T` ([`super::Capacity`] or [`super::ByteBudget`]), and the share that each holder has in it.
///
/// A holder is a number: a client's is its `index` among all clients. All users of all listeners with
/// `any_local = true` are one holder, whose number follows those of the clients. A reload may give a client another
/// number; its counters stay its own, because they are handed over by name.
///
/// A share is a limit of its own *within* the limit of all, so taking a place of the share takes one of the other too,
/// and one value (`Permit`, `Held`) gives both back. To find a share is one index: no lock, no map, no allocation.
///
/// Connections are the exception: a connection is counted when it is accepted, before its client is known. The shares
/// of a listener's connections are therefore not within the listener's places. Once the client is known, call
/// `shares.of(holder).take()` and keep the permit as long as the connection. Before the next request, ask
/// `permit.is_of(shares.of(holder))`: if not, another client speaks on the connection (a proxy before us), or a reload
/// has replaced the client, and the connection has to be charged again.
#[derive(Debug, Clone)]
pub struct Shares<T> {
    all: T,
    parts: Arc<[T]>,
}

impl<T> Shares<T> {
    /// The shares of the holders 0, 1, 2, ... in `all`.
    #[must_use]
    pub fn new(all: T, parts: Vec<T>) -> Self {
        Self { all, parts: parts.into() }
    }

    /// Nobody has a share: every client may take everything.
    #[must_use]
    pub fn undivided(all: T) -> Self {
        Self::new(all, Vec::new())
    }

    /// What `holder` may take. An unknown holder, which would be a bug, has only the limit of all clients together.
    #[must_use]
    pub fn of(&self, holder: usize) -> &T {
        self.parts.get(holder).unwrap_or(&self.all)
    }

    /// The share of `holder`, if it is known.
    #[must_use]
    pub fn known(&self, holder: usize) -> Option<&T> {
        self.parts.get(holder)
    }

    /// The limit of all clients together.
    #[must_use]
    pub const fn all(&self) -> &T {
        &self.all
    }
}

/// A place of one holder's share, given back on drop. Unlike a [`super::Permit`], it stays in its worker: it holds an
/// [`Rc`], so that taking a place does not count references in memory that all workers share.
#[derive(Debug)]
pub struct Place {
    shares: Rc<Shares<Capacity>>,
    holder: usize,
}

impl Shares<Capacity> {
    /// Takes a place of the share of `holder`.
    ///
    /// # Errors
    /// Which places are all taken.
    pub fn take_place(self: &Rc<Self>, holder: usize) -> Result<Place, Full> {
        self.of(holder).occupy()?;
        Ok(Place { shares: Rc::clone(self), holder })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shares.of(self.holder).vacate();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ByteBudget, Capacity};
    use super::*;

    #[test]
    fn one_holder_cannot_take_what_is_anothers_and_the_whole_is_the_sum_of_all() {
        let all = Capacity::new(10);
        let share = || Capacity::new(5).within(&all);
        let shares = Shares::new(all.clone(), vec![share(), share(), share()]);
        let first: Vec<_> = (0..20).filter_map(|_| shares.of(0).take()).collect();
        assert_eq!((first.len(), shares.all().taken()), (5, 5));
        let second: Vec<_> = (0..20).filter_map(|_| shares.of(1).take()).collect();
        assert_eq!((second.len(), shares.all().taken()), (5, 10));
        assert!(shares.of(2).take().is_none(), "shares may add up to more than the whole, which still holds");
        drop(first);
        assert!(shares.of(2).take().is_some());
        assert_eq!(shares.all().taken(), 5);
    }

    #[test]
    fn a_place_is_given_back_to_the_share_that_it_was_taken_from_also_after_a_reload() {
        let all = Capacity::new(3);
        let share = Capacity::new(2).within(&all);
        let before = Rc::new(Shares::new(all.clone(), vec![share.clone()]));
        let (known, unknown) = (before.take_place(0).unwrap(), before.take_place(7).unwrap());
        // the next graph has more holders, another order, and the same counters
        let other = Capacity::new(3).within(&all);
        let after = Rc::new(Shares::new(all.clone(), vec![other.clone(), share.with_limit(1)]));
        assert!(matches!(after.take_place(1), Err(Full::Own)));
        assert_eq!((share.taken(), other.taken(), all.taken()), (1, 0, 2));
        drop((before, known));
        let again = after.take_place(1).unwrap();
        assert_eq!((share.taken(), all.taken()), (1, 2));
        drop((unknown, again));
        assert_eq!((share.taken(), other.taken(), all.taken()), (0, 0, 0));
    }

    #[test]
    fn what_is_undivided_or_unknown_is_held_to_the_whole() {
        let shares = Shares::undivided(ByteBudget::new(10));
        let mut held = shares.of(7).hold();
        assert!(held.at_least(10).is_ok() && held.at_least(11).is_err());
        assert!(shares.known(7).is_none());
    }
}
