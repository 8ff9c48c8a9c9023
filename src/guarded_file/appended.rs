//! A file that lines are appended to and that is made anew when it was moved away: nobody else may change or replace
//! it, and nobody beyond its group may read it.

use std::fs::{File, Metadata};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, Mode, OFlags, accessat, openat};
use rustix::io::Errno;

use super::directory_of;
use super::error::GuardError;
use super::tolerance::WritableFiles;
use super::walk::walk_to_directory;
use super::writers::{check_file, check_owner, holds_what_is_written, permissions};

/// Only this user may read it, unless a program that rotates it creates the next one with other permissions.
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);

/// How it is opened: a FIFO without a reader is not waited for.
const OPENED: OFlags = OFlags::WRONLY.union(OFlags::APPEND).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Opens it for appending, and makes it if there is none; never through a symlink, and without waiting for the reader
/// of a FIFO.
///
/// # Errors
/// [`GuardError`]: it cannot be opened, or others can read, write or replace it.
pub fn open_appended(path: &Path) -> Result<File, GuardError> {
    let place = Place::of(path)?;
    let file = place.open(OPENED | OFlags::CREATE)?;
    place.check(&file, &file.metadata().map_err(|source| place.failed(source))?)?;
    Ok(file)
}

/// Whether [`open_appended`] would open it. Makes none: it would belong to whoever checks.
///
/// # Errors
/// [`GuardError`]: it cannot be opened or made, or others can read, write or replace it.
pub fn check_appended(path: &Path) -> Result<(), GuardError> {
    let place = Place::of(path)?;
    match place.open(OPENED) {
        Ok(file) => {
            let metadata = file.metadata().map_err(|source| place.failed(source))?;
            place.check(&file, &metadata)
        }
        Err(GuardError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => place.check_making(),
        Err(error) => Err(error),
    }
}

/// The directory of the file, once it was checked, and the name in it.
struct Place {
    path: PathBuf,
    /// `None` where nothing is checked: the path is used as it is.
    directory: Option<OwnedFd>,
}

impl Place {
    fn of(path: &Path) -> Result<Self, GuardError> {
        let directory = match WritableFiles::in_force() {
            WritableFiles::DangerAccepted => None,
            WritableFiles::Refused => Some(walk_to_directory(&directory_of(path))?.1),
        };
        Ok(Self { path: path.to_owned(), directory })
    }

    fn open(&self, flags: OFlags) -> Result<File, GuardError> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = match (&self.directory, self.path.file_name()) {
            (Some(directory), Some(name)) => openat(directory, name, flags, MODE),
            (Some(_), None) => Err(Errno::ISDIR),
            (None, _) => openat(CWD, &self.path, flags, MODE),
        };
        opened.map(File::from).map_err(|error| self.failed(error))
    }

    /// Whether the file could be made.
    fn check_making(&self) -> Result<(), GuardError> {
        let access = Access::WRITE_OK | Access::EXEC_OK;
        match &self.directory {
            Some(directory) => accessat(directory, ".", access, AtFlags::EACCESS),
            None => accessat(CWD, directory_of(&self.path), access, AtFlags::EACCESS),
        }
        .map_err(|error| self.failed(error))
    }

    fn check(&self, file: impl AsFd, metadata: &Metadata) -> Result<(), GuardError> {
        if self.directory.is_none() {
            return Ok(());
        }
        check_owner(&self.path, metadata)?;
        if holds_what_is_written(metadata) && metadata.mode() & 0o007 != 0 {
            let remedy = format!("chmod 600 {}", self.path.display());
            return Err(GuardError::OpenToOthers { path: self.path.clone(), mode: permissions(metadata), remedy });
        }
        check_file(&self.path, file, metadata)
    }

    fn failed(&self, source: impl Into<std::io::Error>) -> GuardError {
        GuardError::Io { path: self.path.clone(), source: source.into() }
    }
}
