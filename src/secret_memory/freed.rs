//! Gives freed memory back to the kernel, which clears it before anyone gets it again.
//!
//! No crate offers this call safely, and this package is where `unsafe` code may be.

/// Gives the kernel all whole pages that the allocator keeps free, of all threads. Threads that allocate meanwhile
/// wait, for a few milliseconds if it is some tens of megabytes.
///
/// Only the allocator of the GNU C library has such a call. With another C library, this does nothing.
pub fn give_back_freed() {
    #[cfg(all(target_env = "gnu", not(miri)))]
    {
        // SAFETY: the call has no precondition. It may be made from any thread, locks what it changes, and touches no
        // memory that is allocated.
        let _gave_any_back = unsafe { libc::malloc_trim(0) };
    }
}

#[cfg(test)]
#[cfg(all(target_env = "gnu", not(miri)))]
mod tests {
    use super::*;

    /// The second number of this file is how many pages the process has in memory.
    fn resident_pages() -> usize {
        std::fs::read_to_string("/proc/self/statm").unwrap().split(' ').nth(1).unwrap().parse().unwrap()
    }

    #[test]
    fn freed_memory_is_given_back_although_what_was_allocated_last_is_kept() {
        // pieces that are too small for a mapping of their own; the last one keeps the heap from shrinking by itself
        let mut pieces: Vec<Box<[u8]>> = (0..8192).map(|_| vec![1; 4096].into_boxed_slice()).collect();
        let last = pieces.pop();
        drop(pieces);
        let before = resident_pages();
        give_back_freed();
        let after = resident_pages();
        assert!(after + 6000 < before, "{before} pages, then {after}");
        drop(last);
    }
}
