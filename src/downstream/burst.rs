//! Notices that a burst of connections or exchanges is over, so that the memory which it took can be given back.
//!
//! The allocator keeps what is freed. After thousands of exchanges at one moment that is tens of megabytes, of which the
//! connections that stay need a fifth. Each worker counts its own; whoever gives memory back waits for [`over`].

use std::cell::Cell;

use tokio::sync::Notify;

/// How many more there must have been than are left. Fewer are not worth it: 256 exchanges take some 2 MiB, as do 1,024
/// connections.
const EXCHANGES: u32 = 256;
const CONNECTIONS: u32 = 1024;

/// What a worker counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::downstream) enum Burst {
    /// Of connections that are open.
    Connections,
    /// Of exchanges under way.
    Exchanges,
}

thread_local! {
    static OPEN: Level = const { Level::at_rest(CONNECTIONS) };
    static UNDER_WAY: Level = const { Level::at_rest(EXCHANGES) };
}

/// Of all workers: they share the allocator.
static OVER: Notify = Notify::const_new();

/// Ready when a burst is over that none of the earlier calls has told.
pub async fn over() {
    OVER.notified().await;
}

impl Burst {
    /// One more of this worker.
    pub(in crate::downstream) fn rise(self) {
        match self {
            Self::Connections => OPEN.with(Level::rise),
            Self::Exchanges => UNDER_WAY.with(Level::rise),
        }
    }

    /// One less of this worker.
    pub(in crate::downstream) fn fall(self) {
        let is_over = match self {
            Self::Connections => OPEN.with(Level::fall),
            Self::Exchanges => UNDER_WAY.with(Level::fall),
        };
        if is_over {
            OVER.notify_one();
        }
    }
}

/// How many there are, and were at most since a burst was last over.
struct Level {
    now: Cell<u32>,
    most: Cell<u32>,
    worth: u32,
}

impl Level {
    const fn at_rest(worth: u32) -> Self {
        Self { now: Cell::new(0), most: Cell::new(0), worth }
    }

    fn rise(&self) {
        let now = self.now.get().saturating_add(1);
        self.now.set(now);
        if now > self.most.get() {
            self.most.set(now);
        }
    }

    /// Whether a burst is over: no more than a quarter is left of it.
    fn fall(&self) -> bool {
        let (now, most) = (self.now.get().saturating_sub(1), self.most.get());
        self.now.set(now);
        let is_over = most.saturating_sub(now) >= self.worth && now <= most / 4;
        if is_over {
            self.most.set(now);
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many of `falls` a burst was over.
    fn overs(level: &Level, falls: u32) -> Vec<u32> {
        (1..=falls).filter(|_| level.fall()).collect()
    }

    #[test]
    fn a_burst_is_over_once_three_quarters_of_it_have_ended_and_is_told_once() {
        let level = Level::at_rest(256);
        (0..5000).for_each(|_| level.rise());
        assert_eq!(overs(&level, 4999), [3750, 4688, 4944], "each when three quarters of the rest have");
        (0..99).for_each(|_| level.rise());
        assert!(overs(&level, 100).is_empty(), "too few to be worth it");
    }

    #[test]
    fn a_load_that_swings_a_little_is_no_burst() {
        let level = Level::at_rest(256);
        (0..5000).for_each(|_| level.rise());
        for _ in 0..10 {
            assert!(overs(&level, 3000).is_empty());
            (0..3000).for_each(|_| level.rise());
        }
    }

    #[test]
    fn whoever_waits_hears_of_a_burst_that_ended_before() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for burst in [Burst::Connections, Burst::Exchanges] {
            (0..2000).for_each(|_| burst.rise());
            (0..2000).for_each(|_| burst.fall());
            runtime.block_on(over());
        }
    }
}
