//! What the process waits for at the moment. Whoever waits says so here, and the front end tells its user: a command on
//! the terminal, the service in its log.
//!
//! Only for waits beside the exchanges: a place in the list costs a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The waits of all threads, in the order in which they began.
static UNDER_WAY: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// The number of the next wait.
static NEXT: AtomicU64 = AtomicU64::new(0);

struct Entry {
    number: u64,
    what: String,
    since: Instant,
}

/// A wait that ends when this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Wait(u64);

/// A wait as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    /// No other wait of the process has this number.
    pub number: u64,
    /// What is waited for. It is shown to operators: no secret, no value.
    pub what: String,
    /// How long it has lasted.
    pub lasted: Duration,
}

/// From now on the process waits for `what`.
pub fn begin(what: impl Into<String>) -> Wait {
    let (number, what) = (NEXT.fetch_add(1, Ordering::Relaxed), what.into());
    entries().push(Entry { number, what, since: Instant::now() });
    Wait(number)
}

/// What the process waits for; the longest wait comes first.
#[must_use]
pub fn under_way() -> Vec<UnderWay> {
    let all = entries();
    let now_of =
        |entry: &Entry| UnderWay { number: entry.number, what: entry.what.clone(), lasted: entry.since.elapsed() };
    all.iter().map(now_of).collect()
}

impl Drop for Wait {
    fn drop(&mut self) {
        entries().retain(|entry| entry.number != self.0);
    }
}

/// A panic of a thread that held the lock leaves a list that is still right.
fn entries() -> MutexGuard<'static, Vec<Entry>> {
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_the_list_until_it_is_dropped_and_the_longest_comes_first() {
        // other tests of this process wait too
        let ours = || -> Vec<_> {
            let all = under_way().into_iter().map(|wait| wait.what);
            all.filter(|what| what.starts_with("a test of waits")).collect()
        };
        let first = begin("a test of waits: one");
        let second = begin("a test of waits: two");
        assert_eq!(ours(), ["a test of waits: one", "a test of waits: two"]);
        drop(first);
        assert_eq!(ours(), ["a test of waits: two"]);
        drop(second);
        assert_eq!(ours(), Vec::<String>::new());
    }
}
