//! One mapping that holds one secret: of the best kind that the system offers, never dumped nor inherited, overwritten
//! before it is unmapped.

use std::alloc::{Layout, handle_alloc_error};

use memmap2::{Advice, MmapMut, MmapRaw};
use zeroize::Zeroize as _;

use super::Protection;
use super::pool::{self, Slot};

/// A mapping of the requested length.
pub(super) struct Region {
    // in this order: the slot must not be free for others while it is mapped here
    map: MmapRaw,
    _slot: Option<Slot>,
    protection: Protection,
}

impl Region {
    /// `length` is not 0, and at most [`pool::SLOT_LENGTH`] (longer is never secret).
    pub(super) fn new(length: usize) -> Self {
        pool::map(length).map_or_else(
            || Self::anonymous(length),
            |(map, slot)| Self::advised(map, Some(slot), Protection::MemfdSecret),
        )
    }

    fn anonymous(length: usize) -> Self {
        let Ok(map) = MmapMut::map_anon(length) else {
            handle_alloc_error(Layout::new::<[u8; pool::SLOT_LENGTH]>());
        };
        // Miri supports mmap, but not madvise
        let locked = !cfg!(miri) && map.lock().is_ok();
        Self::advised(map, None, if locked { Protection::Locked } else { Protection::Unlocked })
    }

    fn advised(map: MmapMut, slot: Option<Slot>, protection: Protection) -> Self {
        if !cfg!(miri) {
            // since Linux 2.6.16 and 3.4; where a sandbox forbids it, the process makes no core files and forks nothing
            // either
            let _kept_out_of_dumps = map.advise(Advice::DontDump);
            let _kept_from_children = map.advise(Advice::DontFork);
        }
        Self { map: map.into(), _slot: slot, protection }
    }

    /// Where it begins: a raw pointer, so that the caller decides how to borrow what lies there.
    pub(super) fn pointer(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    pub(super) const fn protection(&self) -> Protection {
        self.protection
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: this is the whole mapping, which stays until after this; nobody borrows any of it, since its owner is
        // being dropped.
        let bytes = unsafe { std::slice::from_raw_parts_mut(self.map.as_mut_ptr(), self.map.len()) };
        bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel says of the mapping: the `VmFlags` of /proc/self/smaps (proc_pid_smaps(5)).
    fn flags(region: &Region) -> String {
        let start = format!("\n{:x}-", region.pointer().addr());
        let all = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let (_, ours) = all.split_once(&start).unwrap();
        let (_, flags) = ours.split_once("\nVmFlags: ").unwrap();
        flags.lines().next().unwrap().to_owned()
    }

    /// Locked, not dumped, not copied to children.
    fn assert_guarded(region: &Region) {
        let flags = flags(region);
        for flag in ["lo", "dd", "dc"] {
            assert!(flags.split(' ').any(|found| found == flag), "{flag} in {flags}");
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no kernel")]
    fn locked_memory_is_neither_swapped_nor_dumped_nor_inherited() {
        let region = Region::anonymous(100);
        assert_eq!(region.protection(), Protection::Locked);
        assert_guarded(&region);
    }

    #[test]
    #[cfg_attr(miri, ignore = "Miri has no kernel")]
    fn secret_memory_is_neither_swapped_nor_dumped_nor_inherited() {
        let region = Region::new(100);
        assert_eq!(region.protection(), Protection::MemfdSecret, "this kernel has no memfd_secret");
        assert_guarded(&region);
    }
}
