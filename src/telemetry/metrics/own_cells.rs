//! Threads that have cells of counters of their own: they add without a locked operation, since nobody else writes.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The cells of all threads that have none of their own.
const SHARED: usize = 0;

/// More threads than these have no cells of their own: counting costs them a locked operation, and nothing else. Every
/// counter has a cache line for each.
const MOST: usize = 64;

/// How many threads may ask for cells of their own.
static EXPECTED: AtomicUsize = AtomicUsize::new(0);

/// Which cells have a thread, by their numbers less one. Who takes the lock to take a number sees all that its former
/// thread has counted.
static TAKEN: Mutex<[bool; MOST]> = Mutex::new([false; MOST]);

thread_local! {
    static OURS: Cell<usize> = const { Cell::new(SHARED) };
}

/// Has every counter that is made from now on reserve cells for `threads` threads. Counters that were made before count
/// as well, with locked operations.
pub(crate) fn reserve_cells(threads: usize) {
    EXPECTED.fetch_max(threads.min(MOST), Ordering::Relaxed);
}

/// How many cells a counter has.
pub(super) fn cells() -> usize {
    EXPECTED.load(Ordering::Relaxed).saturating_add(1)
}

/// Until this is dropped, the calling thread has cells of its own, if some are left.
#[must_use]
pub(crate) struct OwnCells {
    number: usize,
    /// It belongs to its thread.
    _thread: PhantomData<*const ()>,
}

impl OwnCells {
    pub(crate) fn claim() -> Self {
        let mut taken = taken();
        let free = taken.iter_mut().zip(1_usize..).find(|(taken, _)| !**taken);
        let number = free.map_or(SHARED, |(free, number)| {
            *free = true;
            number
        });
        OURS.set(number);
        Self { number, _thread: PhantomData }
    }
}

impl Drop for OwnCells {
    fn drop(&mut self) {
        OURS.set(SHARED);
        let Some(index) = self.number.checked_sub(1) else { return };
        if let Some(taken) = taken().get_mut(index) {
            *taken = false;
        }
    }
}

/// The cell of `all` that the calling thread adds to.
pub(super) struct OurCell<'c, T> {
    cell: &'c T,
    is_own: bool,
}

impl<'c, T> OurCell<'c, T> {
    /// `None` cannot happen: there is at least one cell.
    pub(super) fn of(all: &'c [T]) -> Option<Self> {
        let ours = OURS.get();
        let own = if ours == SHARED { None } else { all.get(ours) };
        match own {
            Some(cell) => Some(Self { cell, is_own: true }),
            None => all.get(SHARED).map(|cell| Self { cell, is_own: false }),
        }
    }

    /// Adds to one number of the cell.
    pub(super) fn add(&self, number: impl FnOnce(&'c T) -> &'c AtomicU64, by: u64) {
        let number = number(self.cell);
        if self.is_own {
            // a load, an addition and a store: no other thread writes in between
            number.store(number.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
        } else {
            number.fetch_add(by, Ordering::Relaxed);
        }
    }
}

fn taken() -> MutexGuard<'static, [bool; MOST]> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}
