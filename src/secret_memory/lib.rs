//! Memory for secrets: out of reach of other processes, swap, core files and children, and wiped when it is dropped.
//!
//! This is a package of its own because it is the only place in countersign with `unsafe` code; countersign itself
//! forbids it. The unsafe part is small. `pool` makes the system call `memfd_secret`, which no crate offers safely;
//! [`SecretBox`] puts a value into mapped memory and lends it; [`wipe_registers`] is a few instructions;
//! [`give_back_freed`] calls the C library. All else is `memmap2`.
//!
//! Memory is of the best of these kinds that the system offers, and [`Protection`] says which:
//!
//! 1. `memfd_secret` (Linux 5.14; before 6.5 only with `secretmem.enable=1`): pages that are taken out of the kernel's
//!    own mappings. Neither `/proc/PID/mem` nor `process_vm_readv` nor `ptrace` reads them, not even for root, and
//!    there is no descriptor to map them with; they are never swapped nor dumped. Root can still have the process
//!    itself read them, by making it run other code. While such memory is in use the machine does not hibernate.
//! 2. Anonymous memory, locked: never swapped nor dumped. Root can read it, as can the same user where the process is
//!    dumpable.
//! 3. Anonymous memory, not locked, where `RLIMIT_MEMLOCK` is too low (each secret takes one page, a long one a few):
//!    as 2, but it may be swapped.
//!
//! A forked process inherits none of them.
//!
//! `cargo +nightly miri test` runs the tests under Miri, on memory of the second kind.

mod freed;
mod pool;
mod region;
mod registers;

use std::marker::PhantomData;

pub use freed::give_back_freed;
use region::Region;
pub use registers::wipe_registers;

/// How well memory is protected from other processes; the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// No other process can read or map it, and it is neither swapped nor dumped.
    MemfdSecret,
    /// It is neither swapped nor dumped.
    Locked,
    /// It is not dumped; it may be swapped.
    Unlocked,
}

impl Protection {
    /// For logs: `memfd_secret`, `locked` or `unlocked`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MemfdSecret => "memfd_secret",
            Self::Locked => "locked",
            Self::Unlocked => "unlocked",
        }
    }
}

/// Maps all memory of the first kind, if that has not been done.
///
/// The first secret does the same. A process that confines itself calls this first: afterwards secrets need no other
/// system calls than `mmap`, `munmap`, `mlock` and `madvise`.
pub fn prepare() {
    pool::prepare();
}

/// One value in memory of its own. The value must not own other memory, which would not be protected.
///
/// Derives nothing. The value is dropped, and its memory overwritten, when this is dropped.
pub struct SecretBox<T> {
    region: Region,
    value: PhantomData<T>,
}

impl<T> SecretBox<T> {
    /// Moves a value into memory of its own. The move leaves a copy on the stack, which the caller must overwrite.
    ///
    /// Aborts if there is no memory, like every allocation.
    #[must_use]
    pub fn new(value: T) -> Self {
        const { assert!(align_of::<T>() <= Region::ALIGNMENT && size_of::<T>() > 0) }
        let region = Region::new(size_of::<T>());
        let place: *mut T = region.pointer().cast();
        // SAFETY: the memory is as long as a T, writable, and aligned to more than T needs (asserted above); nothing
        // else refers to it.
        unsafe { place.write(value) };
        Self { region, value: PhantomData }
    }

    /// Lends the value. The name is long so that `grep expose_secret` finds every use.
    #[must_use]
    pub fn expose_secret(&self) -> &T {
        let place: *const T = self.region.pointer().cast();
        // SAFETY: `new` wrote a T here, and it stays until drop; `self` is borrowed for as long as the reference is.
        unsafe { &*place }
    }

    /// How well the value is protected.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        self.region.protection()
    }
}

impl<T> Drop for SecretBox<T> {
    fn drop(&mut self) {
        let place: *mut T = self.region.pointer().cast();
        // SAFETY: `new` wrote a T here, it is dropped nowhere else, and nobody else borrows `self`. The memory is given
        // back afterwards, with `region`.
        unsafe { place.drop_in_place() };
    }
}

/// Some bytes in memory of their own. Derives nothing; overwritten when dropped.
pub struct SecretBytes {
    region: Region,
    length: usize,
}

impl SecretBytes {
    /// Copies bytes into memory of their own. The original stays, and the caller must overwrite it.
    ///
    /// Aborts if there is no memory, like every allocation.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        // a region cannot be empty
        let region = Region::new(bytes.len().max(1));
        // SAFETY: the memory is as long as `bytes`, new, and nothing else refers to it.
        unsafe { region.pointer().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        Self { region, length: bytes.len() }
    }

    /// Lends the bytes. The name is long so that `grep expose_secret` finds every use.
    #[must_use]
    pub fn expose_secret(&self) -> &[u8] {
        // SAFETY: the mapping is this long, and nothing writes to it from `new` until drop; `self` is borrowed for as
        // long as the slice is.
        unsafe { std::slice::from_raw_parts(self.region.pointer(), self.length) }
    }

    /// How well the bytes are protected.
    #[must_use]
    pub const fn protection(&self) -> Protection {
        self.region.protection()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Counts how often it is dropped.
    struct Counted(u64, Arc<AtomicUsize>);

    impl Drop for Counted {
        fn drop(&mut self) {
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_value_is_lent_as_it_was_and_dropped_once() {
        let drops = Arc::new(AtomicUsize::new(0));
        let kept = SecretBox::new(Counted(7, Arc::clone(&drops)));
        assert_eq!((kept.expose_secret().0, drops.load(Ordering::Relaxed)), (7, 0));
        let moved = kept;
        assert_eq!(moved.expose_secret().0, 7);
        drop(moved);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_value_may_change_inside() {
        let kept = SecretBox::new(Cell::new(1));
        let lent = kept.expose_secret();
        kept.expose_secret().set(2);
        assert_eq!(lent.get(), 2);
    }

    #[test]
    fn a_value_is_read_by_many_threads() {
        let kept = SecretBox::new([5_u8; 300]);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| assert_eq!(kept.expose_secret(), &[5; 300]));
            }
        });
    }

    #[test]
    fn every_secret_has_memory_of_its_own() {
        let all: Vec<SecretBytes> = (0..=255).map(|byte| SecretBytes::new(&[byte; 100])).collect();
        let odd: Vec<SecretBytes> = all.into_iter().filter(|kept| kept.expose_secret()[0] % 2 == 1).collect();
        let more: Vec<SecretBytes> = (0..100).map(|_| SecretBytes::new(&[0; 5000])).collect();
        for (index, kept) in odd.iter().enumerate() {
            assert_eq!(kept.expose_secret(), &[u8::try_from(2 * index + 1).unwrap(); 100]);
        }
        assert!(more.iter().all(|kept| kept.expose_secret() == [0; 5000]));
    }

    #[test]
    fn secrets_of_every_length_are_kept() {
        for length in [0, 1, 4096, 64 * 1024, 64 * 1024 + 1, 300_000] {
            let bytes = vec![9; length];
            assert_eq!(SecretBytes::new(&bytes).expose_secret(), bytes);
        }
    }
}
