//! Opening a file that is trusted (a configuration, an authority, a program) or holds a secret (a sealed key, an
//! identity, the key of a certificate, a token of our own): everything is checked on open descriptors.
//!
//! Two questions. Who may write it (`writers`): a file that somebody other than root and our own user could change, or
//! replace by renaming something on the way to it, is refused. Who may read it (`readers`): a secret that others can
//! read is refused as well. A file that lines are appended to (`appended`) stands between the two.
//! `docs/security/files.md` has the table of which file is held to what.

mod appended;
mod bounded;
mod error;
mod private_groups;
mod readers;
mod tolerance;
mod walk;
mod writers;

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use zeroize::Zeroizing;

use readers::check_secret;
use walk::walk;
use writers::check_file;

pub use appended::{check_appended, open_appended};
pub use bounded::read_bounded;
pub use error::{GuardError, GuardFault};
pub use tolerance::{TOLERANCE, WritableFiles};

/// The longest secret read, in bytes. A sealed key has about 500, with the longest session token some 45,000; an RSA
/// key of 16,384 bits has 13,000.
pub const MAX_SIZE: usize = 64 * 1024;

/// Reads a file that holds a secret. The operator cannot switch these checks off: a key is small, and can be put where
/// it is safe.
///
/// # Errors
/// [`GuardError`]: it is missing, or others can read or replace it.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, GuardError> {
    let reached = walk(path)?;
    let file = reached.open()?;
    let failed = |source| GuardError::Io { path: reached.path.clone(), source };
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() {
        return Err(GuardError::NotRegular(reached.path));
    }
    check_secret(&reached.path, &metadata)?;
    if usize::try_from(metadata.len()).map_or(true, |length| length > MAX_SIZE) {
        return Err(GuardError::TooLarge(reached.path));
    }
    read_bounded(file, MAX_SIZE).map_err(failed)?.ok_or(GuardError::TooLarge(reached.path))
}

/// Opens a file that is trusted and not secret. It may be a FIFO or a device, which is not waited for.
///
/// # Errors
/// [`GuardError`]: it is missing, or others can write or replace it.
pub fn open_trusted(path: &Path) -> Result<File, GuardError> {
    open_trusted_under(path, WritableFiles::in_force())
}

/// The same, whatever holds for the other files of the process.
///
/// # Errors
/// [`GuardError`].
pub fn open_trusted_under(path: &Path, writable: WritableFiles) -> Result<File, GuardError> {
    let failed = |source| GuardError::Io { path: path.to_owned(), source };
    match writable {
        WritableFiles::DangerAccepted => {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
            let opened = openat(CWD, path, flags, Mode::empty());
            opened.map(File::from).map_err(|error| GuardError::refused(path, error))
        }
        WritableFiles::Refused => {
            let reached = walk(path)?;
            let file = reached.open()?;
            check_file(&reached.path, &file, &file.metadata().map_err(failed)?)?;
            Ok(file)
        }
    }
}

/// Checks a program, a library or a directory that something else opens: it says in its own words what is missing or
/// cannot be opened, which is no error here.
///
/// # Errors
/// [`GuardError`]: others can write or replace it.
pub fn check_trusted(path: &Path) -> Result<(), GuardError> {
    match WritableFiles::in_force() {
        WritableFiles::DangerAccepted => return Ok(()),
        WritableFiles::Refused => {}
    }
    let checked = walk(path).and_then(|reached| check_file(&reached.path, &reached.object, &reached.metadata));
    match checked.map_err(GuardError::into_io) {
        // a directory is checked on the way to it, and then found not to be a file
        Ok(()) | Err(Ok(_) | Err(GuardError::NotRegular(_))) => Ok(()),
        Err(Err(objection)) => Err(objection),
    }
}

/// The directory a file is in; `.` for a bare name.
#[must_use]
pub fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests;
