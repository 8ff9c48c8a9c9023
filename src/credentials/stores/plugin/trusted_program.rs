//! Finding a plugin as the age crate does, to see who else could put one there.

use std::env;
use std::os::unix::fs::PermissionsExt as _;

use crate::guarded_file::{self, GuardError};

/// Checks the program that the `PATH` leads to, and every directory that is searched before it: a user who may write
/// there could have another program started. A program that is not found is not an error here.
///
/// # Errors
/// [`GuardError`].
pub(super) fn check(program: &str) -> Result<(), GuardError> {
    for directory in env::split_paths(&env::var_os("PATH").unwrap_or_default()) {
        guarded_file::check_trusted(&directory)?;
        let found = directory.join(program);
        if found.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0) {
            return guarded_file::check_trusted(&found);
        }
    }
    Ok(())
}
