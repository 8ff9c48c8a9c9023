//! The places of the queue of spans, and each client's share of them: a client that has all its calls traced takes
//! nothing from the traces of others.

use crate::downstream::{Capacity, Full, Shares};
use crate::telemetry::trace::{DropReason, Places};

/// Places for exchanges whose spans wait for the collector.
#[derive(Debug, Clone)]
pub(crate) struct SpanPlaces {
    pub(super) shares: Shares<Capacity>,
    /// The share of those who are not identified.
    pub(super) strangers: Capacity,
}

impl Places for SpanPlaces {
    fn take(&self, holder: Option<usize>) -> Result<Box<dyn Send>, DropReason> {
        let share = holder.map_or(&self.strangers, |holder| self.shares.of(holder));
        match share.try_take() {
            Ok(place) => Ok(Box::new(place)),
            Err(Full::Own) => Err(DropReason::ClientShare),
            Err(Full::Shared) => Err(DropReason::QueueFull),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_and_all_strangers_together_leave_places_for_others() {
        let all = Capacity::new(10);
        let part = |limit| Capacity::new(limit).within(&all);
        let places = SpanPlaces { shares: Shares::new(all.clone(), vec![part(5), part(5)]), strangers: part(1) };
        let greedy: Vec<_> = std::iter::from_fn(|| places.take(Some(0)).ok()).collect();
        assert_eq!(greedy.len(), 5);
        assert!(matches!(places.take(Some(0)), Err(DropReason::ClientShare)));
        let stranger = places.take(None).unwrap();
        assert!(matches!(places.take(None), Err(DropReason::ClientShare)));
        let other: Vec<_> = std::iter::from_fn(|| places.take(Some(1)).ok()).collect();
        assert_eq!(other.len(), 4);
        assert!(matches!(places.take(Some(1)), Err(DropReason::QueueFull)));
        drop((greedy, stranger));
        assert!(places.take(Some(0)).is_ok() && places.take(None).is_ok());
    }
}
