//! No core file, no memory that others of our own user may read, and the best memory for secrets that the system has.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use super::ConfineError;

/// Turns core files off and makes the process not dumpable: `/proc/PID/mem` and `ptrace` are then refused to all but root.
/// Makes the place for secrets too (`secret_memory`), which could not be made once the process is confined. Call it before the
/// first secret is read.
///
/// # Errors
/// [`ConfineError::Private`].
pub fn keep_private() -> Result<(), ConfineError> {
    secret_memory::prepare();
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
        .map_err(|error| ConfineError::Private(error.into()))
}
