//! A timer for what nearly always happens in time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep, sleep_until};

/// A moment to wait for, which is mostly put off before it comes.
///
/// Each exchange sets deadlines that nobody reaches. To put one off is only to note it: the runtime's timer runs for the earlier
/// moment, and is set anew when that has come and was too early.
#[derive(Debug)]
pub struct Deadline {
    /// Never later than `at`.
    timer: Pin<Box<Sleep>>,
    at: Instant,
}

impl Deadline {
    /// At this moment.
    #[must_use]
    pub fn at(at: Instant) -> Self {
        Self { timer: Box::pin(sleep_until(at)), at }
    }

    /// Sets it to another moment.
    pub fn set(&mut self, at: Instant) {
        self.at = at;
        if at < self.timer.deadline() {
            self.timer.as_mut().reset(at);
        }
    }

    /// Waits for it. The task may be woken once too early.
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
    fn it_comes_when_it_was_set_to_last() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            let at = |seconds| start + seconds * SECOND;
            let mut deadline = Deadline::at(at(10));
            // put off before and while it is waited for, brought forward, set when it has come, and into the past
            for (set_to, then_to, comes) in [(10, 30, 30), (90, 50, 50), (60, 70, 70), (71, 1, 70)] {
                deadline.set(at(set_to));
                assert!(poll_fn(|cx| Poll::Ready(deadline.poll(cx))).await.is_pending());
                deadline.set(at(then_to));
                poll_fn(|cx| deadline.poll(cx)).await;
                assert_eq!(start.elapsed().as_secs(), comes);
            }
        });
    }
}
