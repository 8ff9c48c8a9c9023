//! The signal that the process is about to end, as the code that serves connections sees it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How far the process is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It serves, and is not ready yet: connections to endpoints are being opened.
    Starting,
    /// It serves.
    Serving,
    /// It still serves, and clients are asked to go elsewhere.
    Leaving(Departure),
    /// It drains: no new connections, and no further request on those that there are.
    Draining,
}

/// The time before a drain in which clients leave. Their connections end one after the other, each after a response,
/// so that clients do not all connect elsewhere at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Departure {
    begun: Instant,
    lasts: Duration,
}

impl Departure {
    /// One that begins now.
    #[must_use]
    pub fn lasting(time: Duration) -> Self {
        Self { begun: Instant::now(), lasts: time }
    }

    /// When a connection with this place in the spread leaves: 0 at the beginning, 255 near the middle. It is told with
    /// its next response. In the second half there is time for one, also where a client calls seldom: a connection that
    /// the drain closes while it is idle may lose the request that is on its way.
    #[must_use]
    pub(super) fn moment(&self, place: u8) -> Instant {
        // longer than some hours no setting allows, so that this cannot overflow
        let after = self.lasts.saturating_mul(u32::from(place)).checked_div(2 * 256).unwrap_or_default();
        self.begun.checked_add(after).unwrap_or(self.begun)
    }
}

/// The stages of the process, as a worker or a connection sees them.
#[derive(Debug, Clone)]
pub struct Drain {
    stages: watch::Receiver<Stage>,
}

impl Drain {
    /// A drain that begins when [`Stage::Draining`] is sent.
    #[must_use]
    pub const fn new(stages: watch::Receiver<Stage>) -> Self {
        Self { stages }
    }

    /// Whether the stage may have changed since this was made. Cheap; `false` is always right.
    #[must_use]
    pub(super) fn is_news(&self) -> bool {
        self.stages.has_changed().unwrap_or(true)
    }

    /// The departure, while there is one.
    #[must_use]
    pub(super) fn departure(&self) -> Option<Departure> {
        match *self.stages.borrow() {
            Stage::Leaving(departure) => Some(departure),
            Stage::Starting | Stage::Serving | Stage::Draining => None,
        }
    }

    /// Waits until the drain begins. A dropped sender counts as the beginning.
    pub async fn begun(&self) {
        let mut stages = self.stages.clone();
        let _begun_or_gone = stages.wait_for(|stage| *stage == Stage::Draining).await;
    }

    /// Waits for the next stage. A dropped sender counts as the beginning of the drain.
    pub async fn next(&mut self) -> Stage {
        match self.stages.changed().await {
            Ok(()) => *self.stages.borrow_and_update(),
            Err(_gone) => Stage::Draining,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_one_after_the_other_in_the_first_half() {
        let departure = Departure::lasting(Duration::from_secs(512));
        let after = |place| departure.moment(place).duration_since(departure.begun).as_secs();
        assert_eq!([0, 1, 128, 255].map(after), [0, 1, 128, 255]);
    }
}
