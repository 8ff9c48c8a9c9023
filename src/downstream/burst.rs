//! Notices that a burst of connections, exchanges or bodies is over, so that the memory it took can be given back.
//!
//! The allocator keeps what is freed. After thousands of exchanges at one moment that is tens of megabytes, of which
//! the connections that stay need a fifth; and as many after forty forms of 1 MB. Each worker counts its own; whoever
//! gives memory back waits for [`over`].

use std::cell::Cell;
use std::thread::LocalKey;

use tokio::sync::Notify;

/// How many more there must have been than are left. Fewer are not worth it: 256 exchanges take some 2 MiB, as do 1,024
/// connections.
const EXCHANGES: usize = 256;
const CONNECTIONS: usize = 1024;
const BYTES: usize = 4 * 1024 * 1024;

/// What a worker counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::downstream) enum Burst {
    /// Of connections that are open.
    Connections,
    /// Of exchanges under way.
    Exchanges,
    /// Of bytes that are held of bodies.
    Bytes,
}

thread_local! {
    static OPEN: Level = const { Level::at_rest(CONNECTIONS) };
    static UNDER_WAY: Level = const { Level::at_rest(EXCHANGES) };
    static HELD: Level = const { Level::at_rest(BYTES) };
}

/// Of all workers: they share the allocator.
static OVER: Notify = Notify::const_new();

/// Ready when a burst is over that none of the earlier calls has told.
pub async fn over() {
    OVER.notified().await;
}

impl Burst {
    /// So many more of this worker.
    pub(in crate::downstream) fn rise(self, by: usize) {
        self.level().with(|level| level.rise(by));
    }

    /// So many less of this worker.
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

/// How many there are, and were at most since a burst was last over.
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

    /// Whether a burst is over: no more than a quarter is left of it.
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
