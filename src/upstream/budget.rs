//! The retry budget: repeats are limited to a share of all requests, so that they cannot overload an endpoint.

use std::cell::Cell;

/// The price of a repeat; each request earns 1. So at most a fifth of the traffic is repeats, as in linkerd's budgets.
const PRICE: u32 = 5;
/// The most that is saved up: twenty repeats at once.
const MOST: u32 = 100;

/// A worker's allowance for one route. It is earned by requests and not by time: an endpoint that is rarely called
/// needs few repeats.
pub(super) struct Budget(Cell<u32>);

impl Budget {
    /// A budget with all that can be saved up.
    pub(super) const fn full() -> Self {
        Self(Cell::new(MOST))
    }

    /// Earns for a client's request.
    pub(super) fn earn(&self) {
        self.0.set(self.0.get().saturating_add(1).min(MOST));
    }

    /// Pays for a repeat; `false` if the budget is too low.
    #[must_use]
    pub(super) fn spend(&self) -> bool {
        let left = self.0.get().checked_sub(PRICE);
        self.0.set(left.unwrap_or_else(|| self.0.get()));
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_a_fifth_of_the_requests_once_the_savings_are_spent() {
        let budget = Budget::full();
        let repeats = |requests: u32| {
            let mut repeats = 0;
            for _ in 0..requests {
                budget.earn();
                repeats += u32::from(budget.spend());
            }
            repeats
        };
        assert!((20..=25).contains(&repeats(24)));
        let _settled = repeats(100);
        assert_eq!(repeats(1000), 200);
    }

    #[test]
    fn a_quiet_time_saves_up_no_more_than_is_kept() {
        let budget = Budget::full();
        (0..1000).for_each(|_| budget.earn());
        assert_eq!((0..1000).filter(|_| budget.spend()).count(), 20);
    }
}
