//! The memory of one secret: of the best kind that the system offers, never dumped nor inherited, overwritten before it
//! is given back.

use std::alloc::{Layout, handle_alloc_error};

use memmap2::{Advice, MmapMut, MmapRaw};
use zeroize::Zeroize as _;

use super::Protection;
use super::pool::{self, Slot};

/// Memory of the requested length.
pub(super) struct Region {
    place: Place,
    length: usize,
    protection: Protection,
}

enum Place {
    /// A part of the mapping that secrets share.
    Pool(Slot),
    /// A mapping of its own.
    Own(MmapRaw),
}

impl Region {
    /// What its beginning is aligned to at least.
    pub(super) const ALIGNMENT: usize = pool::GRANULE;

    /// `length` is not 0, and at most [`pool::LONGEST`] (longer is never secret).
    pub(super) fn new(length: usize) -> Self {
        pool::take(length).map_or_else(
            || Self::anonymous(length),
            |slot| Self { place: Place::Pool(slot), length, protection: Protection::MemfdSecret },
        )
    }

    fn anonymous(length: usize) -> Self {
        let Ok(map) = MmapMut::map_anon(length) else {
            handle_alloc_error(Layout::new::<[u8; pool::LONGEST]>());
        };
        // Miri supports mmap, but not madvise
        let locked = !cfg!(miri) && map.lock().is_ok();
        if !cfg!(miri) {
            // since Linux 2.6.16 and 3.4; where a sandbox forbids it, the process makes no core files and forks nothing
            // either
            let _kept_out_of_dumps = map.advise(Advice::DontDump);
            let _kept_from_children = map.advise(Advice::DontFork);
        }
        let protection = if locked { Protection::Locked } else { Protection::Unlocked };
        Self { place: Place::Own(map.into()), length, protection }
    }

    /// Where it begins: a raw pointer, so that the caller decides how to borrow what lies there.
    pub(super) fn pointer(&self) -> *mut u8 {
        match &self.place {
            Place::Pool(slot) => slot.pointer(),
            Place::Own(map) => map.as_mut_ptr(),
        }
    }

    pub(super) const fn protection(&self) -> Protection {
        self.protection
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: these bytes are mapped and belong to this region until after this; nobody borrows any of them, since
        // their owner is being dropped.
        let bytes = unsafe { std::slice::from_raw_parts_mut(self.pointer(), self.length) };
        bytes.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel says of the mapping: the `VmFlags` of /proc/self/smaps (proc_pid_smaps(5)).
    fn flags(region: &Region) -> String {
        let all = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let address = |text: &str| usize::from_str_radix(text, 16).ok();
        let mut is_ours = false;
        for line in all.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            if let Some((Some(start), Some(end))) = range.map(|(start, end)| (address(start), address(end))) {
                is_ours = (start..end).contains(&region.pointer().addr());
            } else if let Some(flags) = line.strip_prefix("VmFlags: ").filter(|_| is_ours) {
                return flags.to_owned();
            }
        }
        panic!("not mapped");
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
