//! The file of `memfd_secret`, made once, of which every secret takes a slot.
//!
//! One file serves all secrets. It is made before the process confines itself: its size could not be set later, since a
//! process that may set the size of files could truncate the audit. Its pages cost nothing until they are written.

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};

use memmap2::{MmapMut, MmapOptions};

/// The longest secret, in bytes. A multiple of every size that pages have.
pub(super) const SLOT_LENGTH: usize = 64 * 1024;

/// How many secrets fit at once; further ones are kept in locked memory. A key takes one slot, and a second one for its
/// session token. An old key keeps its slots until the requests that use it have ended.
const SLOTS: usize = 512;

const FILE_LENGTH: u64 = (SLOT_LENGTH * SLOTS) as u64;

static POOL: OnceLock<Option<Pool>> = OnceLock::new();

struct Pool {
    file: OwnedFd,
    taken: Mutex<[bool; SLOTS]>,
}

/// A slot that belongs to its holder until it is dropped.
pub(super) struct Slot {
    index: usize,
    pool: &'static Pool,
}

/// Makes the file, if that has not been tried.
pub(super) fn prepare() {
    let _pool = pool();
}

/// Maps a free slot; `None` if there is no memory of this kind.
pub(super) fn map(length: usize) -> Option<(MmapMut, Slot)> {
    let slot = pool()?.take(length)?;
    let offset = u64::try_from(slot.index.checked_mul(SLOT_LENGTH)?).ok()?;
    // SAFETY: nobody else changes this part of the file. It has no name; its descriptor never leaves this module, nor
    // is it inherited by a program that is started; its size cannot be changed a second time (memfd_secret(2)); and of
    // each slot, which is as long as a mapping may be, there is one mapping at a time: the caller drops it before the
    // slot.
    let map = unsafe { MmapOptions::new().offset(offset).len(length).map_mut(&slot.pool.file) };
    Some((map.ok()?, slot))
}

fn pool() -> Option<&'static Pool> {
    POOL.get_or_init(Pool::make).as_ref()
}

impl Pool {
    fn make() -> Option<Self> {
        let file = memfd_secret()?;
        rustix::fs::ftruncate(&file, FILE_LENGTH).ok()?;
        Some(Self { file, taken: Mutex::new([false; SLOTS]) })
    }

    fn take(&'static self, length: usize) -> Option<Slot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let index = taken.iter().position(|taken| !taken).filter(|_| length <= SLOT_LENGTH)?;
        *taken.get_mut(index)? = true;
        Some(Slot { index, pool: self })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.pool.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = taken.get_mut(self.index) {
            *taken = false;
        }
    }
}

/// The descriptor of a new secret file, which programs that are started do not inherit.
fn memfd_secret() -> Option<OwnedFd> {
    if cfg!(miri) {
        return None;
    }
    // SAFETY: the call takes a number and returns one; it reads and writes no memory of the process.
    let number = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    let number = i32::try_from(number).ok().filter(|number| *number >= 0)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use rustix::io::{FdFlags, fcntl_getfd};

    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no kernel")]
    fn the_file_stays_with_this_process_and_its_size_is_for_good() {
        let pool = Pool::make().expect("this kernel has memfd_secret");
        assert_eq!(fcntl_getfd(&pool.file).unwrap(), FdFlags::CLOEXEC);
        assert!(rustix::fs::ftruncate(&pool.file, 1).is_err());
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no kernel")]
    fn a_slot_is_taken_by_one_and_free_again_afterwards() {
        let pool: &'static Pool = Box::leak(Box::new(Pool::make().expect("this kernel has memfd_secret")));
        let all: Vec<Slot> = std::iter::from_fn(|| pool.take(1)).collect();
        assert_eq!(all.len(), SLOTS);
        let mut indices: Vec<usize> = all.iter().map(|slot| slot.index).collect();
        indices.dedup();
        assert_eq!(indices.len(), SLOTS);
        drop(all);
        assert!(pool.take(SLOT_LENGTH).is_some());
        assert!(pool.take(SLOT_LENGTH + 1).is_none());
    }
}
