//! Events that may come thousands of times a second, logged at most once a second with their number.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// The least time between two lines of the log.
const PAUSE: Duration = Duration::from_secs(1);

/// One kind of event, in one worker.
#[derive(Debug, Default)]
pub(in crate::downstream) struct Seldom {
    told: Cell<Option<Instant>>,
    untold: Cell<u64>,
}

impl Seldom {
    /// Notes an event. How many there were since the last line, if it is time for another one.
    pub(in crate::downstream) fn tell(&self) -> Option<u64> {
        let events = self.untold.get().saturating_add(1);
        self.untold.set(events);
        let now = Instant::now();
        if self.told.get().is_some_and(|told| now.saturating_duration_since(told) < PAUSE) {
            return None;
        }
        self.told.set(Some(now));
        self.untold.set(0);
        Some(events)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_event_is_told_at_once_and_a_flood_once_a_second_with_its_number() {
        let seldom = Seldom::default();
        assert_eq!(seldom.tell(), Some(1));
        assert!((0..1000).all(|_| seldom.tell().is_none()));
        tokio::time::advance(PAUSE).await;
        assert_eq!(seldom.tell(), Some(1001));
        tokio::time::advance(PAUSE).await;
        assert_eq!(seldom.tell(), Some(1));
    }
}
