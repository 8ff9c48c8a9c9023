//! No core file, and no memory that others of our own user may read.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use super::ConfineError;

/// Turns core files off and makes the process not dumpable: `/proc/PID/mem` and `ptrace` are then refused to all but root.
/// Call it before the first secret is read.
///
/// # Errors
/// [`ConfineError::Private`].
pub fn keep_private() -> Result<(), ConfineError> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
        .map_err(|error| ConfineError::Private(error.into()))
}
