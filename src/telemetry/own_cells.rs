//! Cells of counters that belong to one thread: it adds without a locked instruction, because no other thread writes.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of the cell that all threads without a cell of their own share.
const SHARED: usize = 0;

/// How many threads can have cells of their own. Each of them costs a cache line in every counter. For further threads,
/// counting takes a locked instruction.
const MOST: usize = 64;

/// For how many threads new counters have cells.
static EXPECTED: AtomicUsize = AtomicUsize::new(0);

/// Whether cell `index + 1` belongs to a thread. A thread that claims a cell sees everything that its last owner has
/// counted, because both have taken this lock.
static TAKEN: Mutex<[bool; MOST]> = Mutex::new([false; MOST]);

thread_local! {
    static OURS: Cell<usize> = const { Cell::new(SHARED) };
}

/// Makes every counter that is created from now on have cells for `threads` threads. Counters that exist already count
/// correctly too, with locked instructions.
pub(crate) fn reserve_cells(threads: usize) {
    EXPECTED.fetch_max(threads.min(MOST), Ordering::Relaxed);
}

/// How many cells a counter has.
pub(in crate::telemetry) fn cells() -> usize {
    EXPECTED.load(Ordering::Relaxed).saturating_add(1)
}

/// While this exists, the calling thread has cells of its own, if any were free.
#[must_use]
pub(crate) struct OwnCells {
    number: usize,
    /// Not `Send`: the cells belong to the thread that claimed them.
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
pub(in crate::telemetry) struct OurCell<'c, T> {
    cell: &'c T,
    is_own: bool,
}

impl<'c, T> OurCell<'c, T> {
    /// Never `None`: there is at least one cell.
    pub(in crate::telemetry) fn of(all: &'c [T]) -> Option<Self> {
        let ours = OURS.get();
        let own = if ours == SHARED { None } else { all.get(ours) };
        match own {
            Some(cell) => Some(Self { cell, is_own: true }),
            None => all.get(SHARED).map(|cell| Self { cell, is_own: false }),
        }
    }

    /// Adds to one number of the cell.
    pub(in crate::telemetry) fn add(&self, number: impl FnOnce(&'c T) -> &'c AtomicU64, by: u64) {
        let number = number(self.cell);
        if self.is_own {
            // a load, an addition and a store: no other thread writes in between
            number.store(number.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
        } else {
            number.fetch_add(by, Ordering::Relaxed);
        }
    }
}

/// The element of `all`, which has as many as there are [`cells`], for the calling thread. Threads without a cell of
/// their own share the first.
pub(in crate::telemetry) fn of_this_thread<T>(all: &[T]) -> Option<&T> {
    OurCell::of(all).map(|ours| ours.cell)
}

fn taken() -> MutexGuard<'static, [bool; MOST]> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}
