//! One file of a configuration: opened with its owner and permissions checked, and read to a limit.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::geteuid;

use super::directory_of;
use crate::config::error::{ConfigError, Fault, Place};
use crate::config::settings::Name;
use crate::config::tree::FileText;
use crate::guarded_file::{WritableFiles, open_trusted_under};

/// Longest configuration file, in bytes. A longer file is something else (a log, `/dev/zero`).
const LONGEST_FILE: u64 = 1 << 20;

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// Its name without `.toml`.
    pub(super) name: Name,
}

/// A file that was read.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) text: String,
    /// Its path as messages show it.
    pub(super) name: String,
    /// Its path from the directory of the main file on.
    pub(super) short: String,
    /// Where its relative paths begin.
    directory: PathBuf,
    /// Of a file of the folder, its name without `.toml`.
    part: Option<Name>,
    read_from: Option<(PathBuf, Version)>,
}

/// What changes when a file is replaced or written to.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl Opened {
    /// Reads the main file, which may be a pipe or a device.
    pub(super) fn main(path: &Path, writable: WritableFiles) -> Result<Self, ConfigError> {
        let file = open(path, writable)?;
        let text = read_text(file).map_err(|error| unreadable(path, &error))?;
        let short = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { text, name: shown(path), short, directory: begin_of(path), part: None, read_from: None })
    }

    /// Reads a file of the folder, which nothing else than a file can be: nobody waits at a start for what a FIFO says.
    pub(super) fn part(part: &Part, writable: WritableFiles) -> Result<Self, ConfigError> {
        let Part { path, name } = part;
        let file = open(path, writable)?;
        let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
        if !metadata.is_file() {
            return Err(fault(path, "is not a file: every name in conf.d that ends in .toml must be one"));
        }
        let text = read_text(file).map_err(|error| unreadable(path, &error))?;
        Ok(Self {
            text,
            name: shown(path),
            short: format!("conf.d/{name}.toml"),
            directory: begin_of(path),
            part: Some(name.clone()),
            read_from: Some((path.clone(), Version::of(&metadata))),
        })
    }

    /// Whether the path still leads to what was read.
    pub(super) fn is_current(&self) -> bool {
        self.read_from
            .as_ref()
            .is_none_or(|(path, version)| path.metadata().is_ok_and(|metadata| Version::of(&metadata) == *version))
    }

    pub(super) fn text(&self) -> FileText<'_> {
        FileText { text: &self.text, name: &self.name, directory: &self.directory, part: self.part.as_ref() }
    }

    #[cfg(test)]
    pub(super) fn of(name: &str, text: &str) -> Self {
        let part = name.strip_prefix("conf.d/").and_then(|name| Name::parse(name.strip_suffix(".toml")?));
        Self {
            text: text.to_owned(),
            name: name.to_owned(),
            short: name.to_owned(),
            directory: Path::new("/etc/countersign").join(directory_of(Path::new(name))),
            part,
            read_from: None,
        }
    }
}

/// A configuration whose one fault is that of a file or folder as a whole.
pub(super) fn fault(path: &Path, message: &str) -> ConfigError {
    let place = Place::File { name: shown(path) };
    ConfigError::new(vec![Fault { place, path: String::new(), message: message.to_owned() }])
}

pub(super) fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    if error.kind() == io::ErrorKind::PermissionDenied {
        let (user, name) = (geteuid().as_raw(), shown(path));
        let message = format!(
            "cannot be read by the user {user} of this process. It holds no secret: chmod a+rX {name}, and a+x for the \
             directories that lead to it"
        );
        return ConfigError::denied(name, message);
    }
    fault(path, &format!("cannot be read: {error}"))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// A working directory that was removed has no name: a relative path then stays one.
fn begin_of(path: &Path) -> PathBuf {
    directory_of(&std::path::absolute(path).unwrap_or_else(|_gone| path.to_owned())).to_owned()
}

fn open(path: &Path, writable: WritableFiles) -> Result<File, ConfigError> {
    open_trusted_under(path, writable).map_err(|error| match error.into_io() {
        Ok(error) => unreadable(path, &error),
        Err(objection) => ConfigError::guarded(shown(path), &objection),
    })
}

fn read_text(file: File) -> io::Result<String> {
    // it was opened without waiting, so that a FIFO does not hold the process up before it is checked
    fcntl_setfl(&file, fcntl_getfl(&file)?.difference(OFlags::NONBLOCK))?;
    let mut text = String::new();
    file.take(LONGEST_FILE.saturating_add(1)).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= LONGEST_FILE) {
        Ok(text)
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 1 MiB"))
    }
}
