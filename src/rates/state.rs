//! The state of the store as this replica sees it, and its counters. Workers and the store's thread share it.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What happens to calls while the store is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUnavailable {
    /// Each replica applies the configured rate alone.
    Local,
    /// Calls of clients with a rate or a quota are refused, once the leased tokens are used.
    Refuse,
}

impl WhenUnavailable {
    /// The names in the configuration.
    pub const WORDS: [(&'static str, Self); 2] = [("local", Self::Local), ("refuse", Self::Refuse)];
}

/// Whether the store answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It cannot be reached, or it replies with errors or nonsense.
    Away,
    /// It did not reply to a waiting call in time. No call waits for it until it has replied.
    Late,
    /// It replies.
    Up,
}

/// The state of the store.
#[derive(Debug, Default)]
pub struct StoreState {
    health: AtomicU8,
    replicas: AtomicU32,
    round_trips: AtomicU64,
    round_trip_nanos: AtomicU64,
    leased: AtomicU64,
    returned: AtomicU64,
    waits: AtomicU64,
    late: AtomicU64,
    errors: AtomicU64,
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreCounts {
    /// Questions, of one or several clients each, that were answered.
    pub round_trips: u64,
    /// How long they took together.
    pub round_trip_time: Duration,
    /// Tokens that were leased.
    pub leased: u64,
    /// Tokens that were given back.
    pub returned: u64,
    /// Calls that waited for a token.
    pub waits: u64,
    /// Calls that waited in vain.
    pub late: u64,
    /// How often the store went away.
    pub errors: u64,
}

impl StoreState {
    /// Whether the store answers.
    #[must_use]
    pub fn health(&self) -> Health {
        match self.health.load(Ordering::Relaxed) {
            0 => Health::Away,
            1 => Health::Late,
            _ => Health::Up,
        }
    }

    /// How many replicas share the rates, this one included; 0 when it is not known.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.replicas.load(Ordering::Relaxed)
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> StoreCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreCounts {
            round_trips: read(&self.round_trips),
            round_trip_time: Duration::from_nanos(read(&self.round_trip_nanos)),
            leased: read(&self.leased),
            returned: read(&self.returned),
            waits: read(&self.waits),
            late: read(&self.late),
            errors: read(&self.errors),
        }
    }

    /// A call begins to wait.
    pub(super) fn count_wait(&self) {
        self.waits.fetch_add(1, Ordering::Relaxed);
    }

    /// A call has waited in vain. Further calls do not wait until the store has replied.
    pub(super) fn is_late(&self) {
        self.late.fetch_add(1, Ordering::Relaxed);
        let _is_away_already = self.health.compare_exchange(2, 1, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The store has replied, after this time.
    #[cfg_attr(not(feature = "valkey"), allow(dead_code))] // there is no store then
    pub(super) fn answered(&self, after: Duration) {
        self.health.store(2, Ordering::Relaxed);
        self.round_trips.fetch_add(1, Ordering::Relaxed);
        self.round_trip_nanos.fetch_add(u64::try_from(after.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The store is away; `is_new` unless it was away before.
    #[cfg_attr(not(feature = "valkey"), allow(dead_code))]
    pub(super) fn is_away(&self, is_new: bool) {
        self.health.store(0, Ordering::Relaxed);
        self.replicas.store(0, Ordering::Relaxed);
        if is_new {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes how many replicas share the rates.
    #[cfg_attr(not(feature = "valkey"), allow(dead_code))]
    pub(super) fn note_replicas(&self, replicas: u32) {
        self.replicas.store(replicas, Ordering::Relaxed);
    }

    /// Counts tokens of a reply.
    #[cfg_attr(not(feature = "valkey"), allow(dead_code))]
    pub(super) fn count_tokens(&self, leased: u32, returned: u32) {
        self.leased.fetch_add(leased.into(), Ordering::Relaxed);
        self.returned.fetch_add(returned.into(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_late_or_away_is_up_again_once_it_has_answered() {
        let state = StoreState::default();
        assert_eq!(state.health(), Health::Away);
        state.is_late();
        assert_eq!(state.health(), Health::Away, "it was away before");
        state.answered(Duration::from_millis(1));
        assert_eq!(state.health(), Health::Up);
        state.is_late();
        assert_eq!(state.health(), Health::Late);
        state.answered(Duration::from_millis(2));
        state.note_replicas(3);
        assert_eq!((state.health(), state.replicas()), (Health::Up, 3));
        state.is_away(true);
        state.is_away(false);
        let counts = state.counts();
        assert_eq!((state.health(), state.replicas(), counts.errors, counts.late), (Health::Away, 0, 1, 2));
        assert_eq!((counts.round_trips, counts.round_trip_time), (2, Duration::from_millis(3)));
    }
}
