//! Places that one worker needs and another can free: on a Unix socket, which workers share, one worker may have all
//! connections that could be evicted, while another accepts the next one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::oneshot::{Receiver, Sender, channel};

/// More connections than this do not wait for a place at once, over all workers; those beyond it are closed.
const MOST_WAITING: usize = 128;

/// What the workers of one listener tell each other. Only a worker that has run out of places takes the lock.
#[derive(Debug, Default)]
pub struct PlaceRequests {
    waiting: Mutex<VecDeque<Sender<()>>>,
    asked: Notify,
    /// Connections of [`super::Rank::Stranger`], over all workers.
    strangers: AtomicUsize,
}

impl PlaceRequests {
    /// Asks every worker for a place. A message says that one has been freed. `None`: too many wait already.
    pub(in crate::downstream) fn ask(&self) -> Option<Receiver<()>> {
        let mut waiting = self.waiting();
        if waiting.len() >= MOST_WAITING {
            waiting.retain(|waits| !waits.is_closed());
        }
        if waiting.len() >= MOST_WAITING {
            return None;
        }
        let (freed, answer) = channel();
        waiting.push_back(freed);
        drop(waiting);
        self.asked.notify_waiters();
        Some(answer)
    }

    /// Ends a connection with `evict` for each worker that waits, as long as there are connections to end; then waits
    /// for the next request.
    pub(in crate::downstream) async fn meet(&self, mut evict: impl FnMut() -> bool) {
        let asked = self.asked.notified();
        tokio::pin!(asked);
        asked.as_mut().enable(); // before the look, so that no request comes unnoticed between the two
        while let Some(freed) = self.next() {
            if !evict() {
                self.waiting().push_front(freed);
                break;
            }
            // a worker that no longer waits leaves the place to others
            let _gone = freed.send(());
        }
        asked.await;
    }

    /// The strangers of the other workers, where `ours` are those of this one.
    pub(in crate::downstream) fn strangers_elsewhere(&self, ours: usize) -> usize {
        self.strangers.load(Ordering::Relaxed).saturating_sub(ours)
    }

    pub(super) fn strangers(&self) -> &AtomicUsize {
        &self.strangers
    }

    fn next(&self) -> Option<Sender<()>> {
        let mut waiting = self.waiting();
        while let Some(waits) = waiting.pop_front() {
            if !waits.is_closed() {
                return Some(waits);
            }
        }
        None
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn a_request_is_met_by_whichever_worker_has_something_to_end() {
        let requests = Arc::new(PlaceRequests::default());
        let before = requests.ask().unwrap();
        let (poor, rich) = (Arc::clone(&requests), Arc::clone(&requests));
        let poor = tokio::spawn(async move {
            loop {
                poor.meet(|| false).await;
            }
        });
        tokio::task::yield_now().await;
        let rich = tokio::spawn(async move {
            let mut left = 2;
            loop {
                rich.meet(|| {
                    left -= 1;
                    left >= 0
                })
                .await;
            }
        });
        before.await.unwrap();
        drop(requests.ask().unwrap()); // who has left is not waited for
        requests.ask().unwrap().await.unwrap();
        let _waits_in_vain: Vec<_> = (0..MOST_WAITING).map(|_| requests.ask().unwrap()).collect();
        assert!(requests.ask().is_none());
        poor.abort();
        rich.abort();
    }
}
