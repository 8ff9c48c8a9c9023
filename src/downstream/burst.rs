//! Notices that a burst of connections, exchanges or bodies is over, so that the memory it took can be given back.
//!
//! The allocator keeps memory that is freed. After thousands of exchanges at the same moment, or forty forms of 1 MB,
//! it keeps tens of megabytes; the connections that stay open need a fifth of that. Each worker counts its own
//! connections, exchanges and bytes. The task that gives memory back waits for [`over`].

use std::cell::Cell;
use std::thread::LocalKey;

use tokio::sync::Notify;

/// How many must have ended since the peak. Fewer are not worth it: 256 exchanges take about 2 MiB, as do 1,024
/// connections.
const EXCHANGES: usize = 256;
const CONNECTIONS: usize = 1024;
const BYTES: usize = 4 * 1024 * 1024;

/// What a worker counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::downstream) enum Burst {
    /// Open connections.
    Connections,
    /// Exchanges in progress.
    Exchanges,
    /// Bytes of bodies in memory.
    Bytes,
}

thread_local! {
    static OPEN: Level = const { Level::at_rest(CONNECTIONS) };
    static UNDER_WAY: Level = const { Level::at_rest(EXCHANGES) };
    static HELD: Level = const { Level::at_rest(BYTES) };
}

/// One for all workers, because they share the allocator.
static OVER: Notify = Notify::const_new();

/// Waits until a burst is over. Returns at once if one has ended since the last call returned.
pub async fn over() {
    OVER.notified().await;
}

impl Burst {
    /// Counts `by` more in this worker.
    pub(in crate::downstream) fn rise(self, by: usize) {
        self.level().with(|level| level.rise(by));
    }

    /// Counts `by` fewer in this worker.
    pub(in crate::downstream) fn fall(self, by: usize) {
        if self.level().with(|level| level.fall(by)) {
            OVER.notify_one();
        }
    }

    const fn level(self) -> &'static LocalKey<Level> {
        match self {
            Self::Connections => &OPEN,
            Self::Exchanges => &UNDER_WAY,
            Self::Bytes => &HELD,
        }
    }
}

/// How many there are now, and the most that there were since a burst was last over. A burst of fewer than `worth` does
/// not count.
struct Level {
    now: Cell<usize>,
    most: Cell<usize>,
    worth: usize,
}

impl Level {
    const fn at_rest(worth: usize) -> Self {
        Self { now: Cell::new(0), most: Cell::new(0), worth }
    }

    fn rise(&self, by: usize) {
        let now = self.now.get().saturating_add(by);
        self.now.set(now);
        if now > self.most.get() {
            self.most.set(now);
        }
    }

    /// Whether this ends a burst: no more than a quarter of it is left.
    fn fall(&self, by: usize) -> bool {
        let (now, most) = (self.now.get().saturating_sub(by), self.most.get());
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
        (1..=falls).filter(|_| level.fall(1)).collect()
    }

    #[test]
    fn a_burst_is_over_once_three_quarters_of_it_have_ended_and_is_told_once() {
        let level = Level::at_rest(256);
        level.rise(5000);
        assert_eq!(overs(&level, 4999), [3750, 4688, 4944], "each when three quarters of the rest have");
        level.rise(99);
        assert!(overs(&level, 100).is_empty(), "too few to be worth it");
    }

    #[test]
    fn a_load_that_swings_a_little_is_no_burst() {
        let level = Level::at_rest(256);
        level.rise(5000);
        for _ in 0..10 {
            assert!(overs(&level, 3000).is_empty());
            level.rise(3000);
        }
    }

    #[test]
    fn whoever_waits_hears_of_a_burst_that_ended_before() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (burst, many) in [(Burst::Connections, 2000), (Burst::Exchanges, 300), (Burst::Bytes, 5_000_000)] {
            burst.rise(many);
            burst.fall(many);
            runtime.block_on(over());
        }
    }
}
