//! How many connections of a listener each worker has, and which of them gets the next one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A worker may have an eighth more connections than the one with the fewest. Among many connections, such a difference
/// does not matter, and handing one over costs three system calls and a wake-up.
const TOLERATED: usize = 8;

/// The connections of each worker. Only opening and closing one takes the lock.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Vec<Worker>>);

#[derive(Debug)]
struct Worker {
    connections: usize,
    intake: Intake,
}

/// Whether a worker takes connections that others have accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Intake {
    Open,
    Closed,
}

/// A connection that is counted among those of a worker, until it is dropped.
#[derive(Debug)]
pub(in crate::downstream) struct Seat {
    seats: Arc<Seats>,
    worker: usize,
}

impl Seats {
    /// Adds a worker. Returns its number.
    pub(super) fn add_worker(&self) -> usize {
        let mut workers = self.workers();
        workers.push(Worker { connections: 0, intake: Intake::Open });
        workers.len().saturating_sub(1)
    }

    /// Notes that a worker takes no more connections from others.
    pub(super) fn close(&self, worker: usize) {
        if let Some(worker) = self.workers().get_mut(worker) {
            worker.intake = Intake::Closed;
        }
    }

    /// A seat at the worker `ours`, or at the one with the fewest connections if that has clearly fewer. One lock
    /// covers the choice and the count, so that workers that accept at the same time do not choose by the same numbers.
    pub(super) fn choose(self: &Arc<Self>, ours: usize) -> Seat {
        let mut workers = self.workers();
        let own = workers.get(ours).map_or(0, |worker| worker.connections);
        let open = workers.iter().enumerate().filter(|(_, worker)| worker.intake == Intake::Open);
        let fewest = open.map(|(number, worker)| (worker.connections, number)).min();
        let clearly = |(fewest, _): &(usize, usize)| own > fewest.saturating_add(fewest / TOLERATED);
        let worker = fewest.filter(clearly).map_or(ours, |(_, number)| number);
        self.count(&mut workers, worker)
    }

    /// A seat at this worker, however many connections it has.
    pub(super) fn at(self: &Arc<Self>, worker: usize) -> Seat {
        self.count(&mut self.workers(), worker)
    }

    fn count(self: &Arc<Self>, workers: &mut [Worker], worker: usize) -> Seat {
        if let Some(worker) = workers.get_mut(worker) {
            worker.connections = worker.connections.saturating_add(1);
        }
        Seat { seats: Arc::clone(self), worker }
    }

    fn workers(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// The number of the worker that serves the connection.
    pub(super) const fn worker(&self) -> usize {
        self.worker
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(worker) = self.seats.workers().get_mut(self.worker) {
            worker.connections = worker.connections.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn seats(workers: usize) -> Arc<Seats> {
        let seats = Arc::<Seats>::default();
        assert!((0..workers).all(|number| seats.add_worker() == number));
        seats
    }

    fn spread(seats: &Seats) -> Vec<usize> {
        seats.workers().iter().map(|worker| worker.connections).collect()
    }

    #[test]
    fn whoever_accepts_them_few_connections_are_spread_evenly() {
        for (workers, connections) in [(1, 5), (2, 2), (2, 4), (2, 9), (4, 4), (4, 8), (4, 32)] {
            let seats = seats(workers);
            let open: Vec<Seat> = (0..connections).map(|_| seats.choose(0)).collect();
            let spread = spread(&seats);
            let most = spread.iter().max().unwrap() - spread.iter().min().unwrap();
            assert!(most <= 1 && spread.iter().sum::<usize>() == connections, "{spread:?}");
            drop(open);
            assert_eq!(seats.workers().iter().map(|worker| worker.connections).sum::<usize>(), 0);
        }
    }

    #[test]
    fn workers_that_accept_at_the_same_time_spread_evenly_too() {
        let seats = seats(4);
        let open: Vec<Vec<Seat>> = thread::scope(|scope| {
            let threads = [0, 0, 1, 3].map(|ours| {
                scope.spawn({
                    let seats = &seats;
                    move || (0..7).map(|_| seats.choose(ours)).collect()
                })
            });
            threads.map(|thread| thread.join().unwrap()).into()
        });
        let spread = spread(&seats);
        assert!(spread.iter().all(|connections| (6..=8).contains(connections)), "{spread:?}");
        drop(open);
    }

    #[test]
    fn among_many_connections_a_small_difference_is_left_and_a_closed_worker_gets_none() {
        let seats = seats(2);
        let _open: Vec<Seat> = (0..80).map(|_| seats.at(1)).chain((0..90).map(|_| seats.at(0))).collect();
        assert_eq!(seats.choose(0).worker(), 0);
        let _one_more = seats.at(0);
        assert_eq!(seats.choose(0).worker(), 1);
        assert_eq!(seats.choose(1).worker(), 1);
        seats.close(1);
        assert_eq!(seats.choose(0).worker(), 0);
    }
}
