//! Turns core files off, hides the process's memory from other processes of its user, and prepares the memory for
//! secrets.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use super::ConfineError;

/// Turns core files off and makes the process not dumpable, so that only root can use `/proc/PID/mem` and `ptrace` on
/// it. Allocates the memory for secrets too (`secret_memory`), because that is no longer possible once the process is
/// confined. Call it before the first secret is read.
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
