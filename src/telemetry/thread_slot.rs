//! A slot for each thread in data that all threads write: no thread waits for another, and no cache line moves from one
//! processor to another at each request.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads beyond this number share slots with others, which costs speed and nothing else.
pub(super) const SLOTS: usize = 8;

/// The slot of the calling thread, assigned at its first use.
pub(super) fn slot() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OURS: Cell<Option<usize>> = const { Cell::new(None) };
    }
    OURS.with(|ours| {
        let slot = ours.get().unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed) % SLOTS);
        ours.set(Some(slot));
        slot
    })
}

/// A value with a cache line of its own.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct CacheLine<T>(pub(super) T);
