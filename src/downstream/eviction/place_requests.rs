//! Places that one worker needs and another can free: on a Unix socket, which workers share, one worker may have all
//! connections that could be evicted, while another accepts the next one.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::oneshot::{Receiver, Sender, channel};

use crate::downstream::placing::Crew;

/// How many connections may wait for a place at once, over all workers: an eighth of `places`, from 8 to 128. They hold
/// descriptors beside those of the connections that have places; more are closed.
fn most_waiting(places: usize) -> usize {
    (places / 8).clamp(8, 128)
}

/// What the workers of one listener tell each other. Only a worker that has run out of places takes the lock.
#[derive(Debug, Default)]
pub struct PlaceRequests {
    waiting: Mutex<VecDeque<Sender<()>>>,
    asked: Notify,
    /// Connections of [`super::Rank::Stranger`], over all workers.
    strangers: AtomicUsize,
    crew: Arc<Crew>,
}

impl PlaceRequests {
    /// Asks every worker for one of the listener's `places`. A message says that one has been freed. `None`: too many
    /// wait already.
    pub(in crate::downstream) fn ask(&self, places: usize) -> Option<Receiver<()>> {
        let most = most_waiting(places);
        let mut waiting = self.waiting();
        if waiting.len() >= most {
            waiting.retain(|waits| !waits.is_closed());
        }
        if waiting.len() >= most {
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

    /// The strangers of the other workers, where `ours` are those of this one, and those on the way to any worker.
    pub(in crate::downstream) fn strangers_elsewhere(&self, ours: usize) -> usize {
        // in this order: one that arrives meanwhile is counted at least once
        let under_way = self.crew.under_way();
        self.strangers.load(Ordering::Relaxed).saturating_sub(ours).saturating_add(under_way)
    }

    /// Connections whose client is not known, over all workers, for others to read.
    pub fn strangers_now(&self) -> usize {
        self.strangers.load(Ordering::Relaxed)
    }

    /// The workers that serve the listener.
    pub(in crate::downstream) const fn crew(&self) -> &Arc<Crew> {
        &self.crew
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
        const PLACES: usize = 100;
        let requests = Arc::new(PlaceRequests::default());
        let before = requests.ask(PLACES).unwrap();
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
        drop(requests.ask(PLACES).unwrap()); // who has left is not waited for
        requests.ask(PLACES).unwrap().await.unwrap();
        let _waits_in_vain: Vec<_> = (0..12).map(|_| requests.ask(PLACES).unwrap()).collect();
        assert!(requests.ask(PLACES).is_none() && requests.ask(1).is_none() && requests.ask(1000).is_some());
        poor.abort();
        rich.abort();
    }
}
