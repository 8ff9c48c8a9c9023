//! The memory of `memfd_secret`: one mapping, made once, of which every secret takes a part.
//!
//! The descriptor is closed as soon as its file is mapped. As long as it is open, root can take it out of the process
//! (`pidfd_getfd`) and map the same pages; the mapping alone gives nobody a file that can be opened (the kernel answers
//! `/proc/PID/map_files` with `ENXIO`). So the mapping has to be made at once and for all secrets, and before the
//! process confines itself: afterwards no such file can be made.

use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};

use memmap2::{Advice, MmapOptions, MmapRaw};

/// Secrets begin at multiples of this, in bytes. The keyed state of a key takes one; a session token takes a few.
pub(super) const GRANULE: usize = 512;

/// The longest secret, in bytes.
pub(super) const LONGEST: usize = 64 * 1024;

/// The length of the mapping, in bytes: 512 keys with their session tokens; further ones are kept in locked memory. All
/// of it counts as locked (`RLIMIT_MEMLOCK`); where that is too much, it is half as long, or half of that. Its pages
/// cost nothing until they are written.
const LENGTH: usize = 2 * 1024 * 1024;

/// The shortest mapping that is tried: a page of most processors.
const SHORTEST: usize = 4096;

static POOL: OnceLock<Option<Pool>> = OnceLock::new();

struct Pool {
    map: MmapRaw,
    /// Whether each granule is part of a secret.
    taken: Mutex<Vec<bool>>,
}

/// A part of the mapping that belongs to its holder until it is dropped.
pub(super) struct Slot {
    first: usize,
    granules: usize,
    pool: &'static Pool,
}

/// Makes the mapping, if that has not been tried.
pub(super) fn prepare() {
    let _pool = pool();
}

/// Takes a free part of at least `length` bytes; `None` if there is no memory of this kind.
pub(super) fn take(length: usize) -> Option<Slot> {
    pool()?.take(length)
}

fn pool() -> Option<&'static Pool> {
    POOL.get_or_init(Pool::make).as_ref()
}

impl Pool {
    fn make() -> Option<Self> {
        let mut length = LENGTH;
        while length >= SHORTEST {
            if let Some(map) = map(length) {
                let granules = length.checked_div(GRANULE)?;
                return Some(Self { map, taken: Mutex::new(vec![false; granules]) });
            }
            length = length.checked_div(2)?;
        }
        None
    }

    fn take(&'static self, length: usize) -> Option<Slot> {
        let granules = length.div_ceil(GRANULE).max(1);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_free = |part: &[bool]| part.iter().all(|taken| !taken);
        let first = taken.windows(granules).position(is_free).filter(|_| length <= LONGEST)?;
        taken.get_mut(first..)?.get_mut(..granules)?.fill(true);
        Some(Slot { first, granules, pool: self })
    }
}

impl Slot {
    /// Where it begins. Nobody else refers to it until it is dropped.
    pub(super) fn pointer(&self) -> *mut u8 {
        self.pool.map.as_mut_ptr().wrapping_add(self.first.wrapping_mul(GRANULE))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.pool.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(part) = taken.get_mut(self.first..).and_then(|rest| rest.get_mut(..self.granules)) {
            part.fill(false);
        }
    }
}

/// A mapping of a new secret file, whose descriptor is closed.
fn map(length: usize) -> Option<MmapRaw> {
    let file = memfd_secret()?;
    rustix::fs::ftruncate(&file, u64::try_from(length).ok()?).ok()?;
    let map = MmapOptions::new().len(length).map_raw(&file).ok()?;
    // the kernel dumps none of it by itself; children get none of it
    let _kept_out_of_dumps = map.advise(Advice::DontDump);
    let _kept_from_children = map.advise(Advice::DontFork);
    Some(map)
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
    use std::fs;
    use std::path::PathBuf;

    use super::*;

    fn leaked() -> &'static Pool {
        Box::leak(Box::new(Pool::make().expect("this kernel has memfd_secret")))
    }

    /// What the descriptors of this process refer to.
    fn descriptors() -> Vec<PathBuf> {
        let all = fs::read_dir("/proc/self/fd").unwrap();
        all.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok()).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no kernel")]
    fn the_descriptor_is_closed_once_the_file_is_mapped() {
        let is_secret = |path: &PathBuf| path.to_string_lossy().contains("secretmem");
        let opened = memfd_secret().unwrap();
        assert!(descriptors().iter().any(is_secret), "they can be told from others");
        drop(opened);
        let _mapped = leaked();
        // another test may be mapping a file at this moment; a descriptor of ours would stay open
        let mut found = true;
        for _ in 0..10_000 {
            found = found && descriptors().iter().any(is_secret);
            std::thread::yield_now();
        }
        assert!(!found);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no kernel")]
    fn a_part_is_taken_by_one_and_free_again_afterwards() {
        let pool = leaked();
        let granules = pool.taken.lock().unwrap().len();
        let all: Vec<Slot> = std::iter::from_fn(|| pool.take(GRANULE)).collect();
        assert_eq!(all.len(), granules);
        let mut addresses: Vec<usize> = all.iter().map(|slot| slot.pointer().addr()).collect();
        addresses.dedup();
        assert_eq!(addresses.len(), granules);
        assert!(addresses.windows(2).all(|pair| pair[1] - pair[0] == GRANULE));
        let begin = pool.map.as_mut_ptr().addr();
        assert_eq!((addresses[0], addresses[granules - 1] + GRANULE), (begin, begin + pool.map.len()));

        drop(all);
        let (long, short) = (pool.take(GRANULE + 1).unwrap(), pool.take(1).unwrap());
        assert_eq!(short.pointer().addr() - long.pointer().addr(), 2 * GRANULE);
        assert!(pool.take(LONGEST).is_some());
        assert!(pool.take(LONGEST + 1).is_none());
    }
}
