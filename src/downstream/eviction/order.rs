//! The order in which connections are evicted: a list for each rank, oldest first, over numbered connections. Every
//! operation takes a few writes, however many connections there are.

/// Which connections are evicted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rank {
    /// No authenticated request has come on it: a TLS handshake, a head, or a form whose signature tells who sends it
    /// is under way, or nothing has been sent.
    Stranger,
    /// Its client is known, and no exchange is under way.
    Idle,
}

impl Rank {
    /// All ranks, by their names.
    pub const NAMES: [&str; 2] = [Self::Stranger.as_str(), Self::Idle.as_str()];

    /// The name in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stranger => "stranger",
            Self::Idle => "idle",
        }
    }
}

/// The lists.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// By the number of the connection.
    links: Vec<Link>,
    strangers: Ends,
    idle: Ends,
}

/// A connection's neighbours in its list.
#[derive(Debug, Default, Clone, Copy)]
struct Link {
    list: Option<Rank>,
    older: Option<usize>,
    newer: Option<usize>,
}

#[derive(Debug, Default)]
struct Ends {
    oldest: Option<usize>,
    newest: Option<usize>,
    length: usize,
}

impl Order {
    /// Puts a connection at the end of a list, and says whether it did: one that is in a list stays where it is.
    pub(super) fn append(&mut self, rank: Rank, number: usize) -> bool {
        if self.links.len() <= number {
            self.links.resize(number.saturating_add(1), Link::default());
        }
        if self.links.get(number).is_none_or(|link| link.list.is_some()) {
            return false;
        }
        let ends = self.ends(rank);
        let older = ends.newest.replace(number);
        ends.oldest.get_or_insert(number);
        ends.length = ends.length.saturating_add(1);
        if let Some(link) = self.links.get_mut(number) {
            *link = Link { list: Some(rank), older, newer: None };
        }
        if let Some(link) = self.link(older) {
            link.newer = Some(number);
        }
        true
    }

    /// Takes a connection out of its list, and says which that was.
    pub(super) fn remove(&mut self, number: usize) -> Option<Rank> {
        let link = std::mem::take(self.links.get_mut(number)?);
        let rank = link.list?;
        if let Some(older) = self.link(link.older) {
            older.newer = link.newer;
        }
        if let Some(newer) = self.link(link.newer) {
            newer.older = link.older;
        }
        let ends = self.ends(rank);
        ends.length = ends.length.saturating_sub(1);
        if link.older.is_none() {
            ends.oldest = link.newer;
        }
        if link.newer.is_none() {
            ends.newest = link.older;
        }
        Some(rank)
    }

    /// The connection of a rank that is evicted first.
    pub(super) const fn oldest(&self, rank: Rank) -> Option<usize> {
        match rank {
            Rank::Stranger => self.strangers.oldest,
            Rank::Idle => self.idle.oldest,
        }
    }

    /// All connections of a rank, oldest first.
    pub(super) fn all(&self, rank: Rank) -> impl Iterator<Item = usize> {
        std::iter::successors(self.oldest(rank), |number| self.links.get(*number)?.newer)
    }

    /// How many connections have a rank.
    pub(super) const fn length(&self, rank: Rank) -> usize {
        match rank {
            Rank::Stranger => self.strangers.length,
            Rank::Idle => self.idle.length,
        }
    }

    const fn ends(&mut self, rank: Rank) -> &mut Ends {
        match rank {
            Rank::Stranger => &mut self.strangers,
            Rank::Idle => &mut self.idle,
        }
    }

    fn link(&mut self, number: Option<usize>) -> Option<&mut Link> {
        self.links.get_mut(number?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    #[test]
    fn the_lists_are_those_of_a_simple_model_whatever_happens_to_them() {
        let (mut order, mut model) = (Order::default(), [VecDeque::new(), VecDeque::new()]);
        let ranks = [Rank::Stranger, Rank::Idle];
        // a fixed sequence of pseudo-random steps
        let mut state = 1_u64;
        for _ in 0..20_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (number, to) = ((state >> 33) as usize % 40, (state >> 50) as usize % 3);
            let was = model.iter_mut().position(|list: &mut VecDeque<usize>| {
                list.iter().position(|known| *known == number).map(|place| list.remove(place)).is_some()
            });
            assert_eq!(order.remove(number), was.map(|list| ranks[list]));
            if let Some(rank) = ranks.get(to) {
                assert!(order.append(*rank, number));
                assert!(!order.append(ranks[1 - to], number), "it is in a list already");
                model[to].push_back(number);
            }
            for (rank, list) in ranks.into_iter().zip(&model) {
                assert_eq!((order.oldest(rank), order.length(rank)), (list.front().copied(), list.len()));
            }
        }
        for (rank, list) in ranks.into_iter().zip(&model) {
            assert!(order.all(rank).eq(list.iter().copied()) && list.len() > 5);
        }
    }
}
