//! A place for each thread in what all of them write: nobody waits for another, and no line of memory is taken from one processor
//! by another at each request.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads beyond this number share places with others, and lose nothing but speed.
pub(super) const PLACES: usize = 8;

/// The place of the calling thread, given out at its first use.
pub(super) fn place() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OURS: Cell<Option<usize>> = const { Cell::new(None) };
    }
    OURS.with(|ours| {
        let place = ours.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed) % PLACES);
        ours.set(Some(place));
        place
    })
}

/// On a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Apart<T>(pub(super) T);
