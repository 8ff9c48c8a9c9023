//! Gives up the capabilities that root has.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities,
};

use super::Enforcement;

/// Gives up every capability of the calling thread and of the threads that it starts later: effective, permitted,
/// inheritable, ambient, and those that a program could be given (the bounding set). Binding low ports and reading
/// files of other users must be done before. From then on root is a user like any other who owns many files. This
/// cannot be undone; a second call changes nothing.
#[must_use]
pub fn give_up_capabilities() -> Enforcement {
    match clear_bounding_set().and_then(|()| clear_sets()) {
        Ok(()) => Enforcement::Fully,
        Err(error) => Enforcement::NotSupported(format!(
            "the system, or a sandbox around this process, does not let it give up its capabilities: {error}"
        )),
    }
}

/// Clears the sets of the process itself.
fn clear_sets() -> Result<(), Errno> {
    let none = CapabilitySet::empty();
    let none = CapabilitySets { effective: none, permitted: none, inheritable: none };
    // systemd's filters refuse the call to services that run as an ordinary user and have nothing to give up. Without
    // permitted ones there are no ambient ones.
    if capabilities(None).is_ok_and(|held| held == none) {
        return Ok(());
    }
    match clear_ambient_capability_set() {
        // a kernel before 4.3 has no such set
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error),
    }
    set_capabilities(None, none)
}

/// Only a process that may set capabilities can change this set. One that may not is given none of it either: it can
/// gain no privileges (`no_new_privs`).
fn clear_bounding_set() -> Result<(), Errno> {
    for number in 0..u64::BITS {
        match remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1_u64.wrapping_shl(number))) {
            Ok(()) => {}
            // INVAL: the kernel knows none from this number on
            Err(Errno::INVAL | Errno::PERM) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
