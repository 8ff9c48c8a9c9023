//! A timer for deadlines that are nearly always postponed before they pass.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline that is mostly postponed before it passes.
///
/// Each exchange sets deadlines that nearly never pass. Postponing one only stores the new time. The runtime's timer
/// keeps running for the earlier time, and is reset when it fires too early.
#[derive(Debug)]
pub struct Deadline {
    /// Never later than `at`.
    timer: Pin<Box<Sleep>>,
    at: Instant,
}

impl Deadline {
    /// A deadline at this time.
    #[must_use]
    pub fn at(at: Instant) -> Self {
        Self { timer: Box::pin(sleep_until(at)), at }
    }

    /// Moves the deadline to another time.
    pub fn set(&mut self, at: Instant) {
        self.at = at;
        if at < self.timer.deadline() {
            self.timer.as_mut().reset(at);
        }
    }

    /// Waits for the deadline. The task may be woken once before it.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if self.timer.deadline() >= self.at {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_deadline_passes_at_the_time_that_was_set_last() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            let at = |seconds| start + seconds * SECOND;
            let mut deadline = Deadline::at(at(10));
            // postponed before and during the wait, brought forward, set when it has passed, and set to the past
            for (set_to, then_to, passes) in [(10, 30, 30), (90, 50, 50), (60, 70, 70), (71, 1, 70)] {
                deadline.set(at(set_to));
                assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
                deadline.set(at(then_to));
                poll_fn(|cx| deadline.poll(cx)).await;
                assert_eq!(start.elapsed().as_secs(), passes);
            }
        });
    }
}
