//! One mapping that holds one secret: the best that the system gives, never dumped nor inherited, overwritten before it goes.

use std::alloc::{Layout, handle_alloc_error};

use memmap2::{Advice, MmapMut, MmapRaw};
use zeroize::Zeroize as _;

use super::Protection;
use super::pool::{self, Slot};

/// Memory of its own, as long as was asked for.
pub(super) struct Region {
    // in this order: the slot is free for others only once it is mapped here no more
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
        // Miri knows mmap, but not this
        let locked = !cfg!(miri) && map.lock().is_ok();
        Self::advised(map, None, if locked { Protection::Locked } else { Protection::Unlocked })
    }

    fn advised(map: MmapMut, slot: Option<Slot>, protection: Protection) -> Self {
        if !cfg!(miri) {
            // since Linux 2.6.16 and 3.4; where a sandbox forbids it, the process makes no core files and forks nothing either
            let _kept_out_of_dumps = map.advise(Advice::DontDump);
            let _kept_from_children = map.advise(Advice::DontFork);
        }
        Self { map: map.into(), _slot: slot, protection }
    }

    /// Where it begins. Of no reference, so that who is given it may lend what lies there in any way.
    pub(super) fn pointer(&self) -> *mut u8 {
        self.map.as_mut_ptr()
    }

    pub(super) const fn protection(&self) -> Protection {
        self.protection
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: all of the mapping, which is there until after this; whoever was lent part of it has given it back, since
        // the owner of this is being dropped.
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
