//! `[key.NAME]` as the program uses it.

use std::path::PathBuf;
use std::time::Duration;

use super::Name;

/// One `[key.NAME]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The table's name.
    pub name: Name,
    /// Where the key is kept.
    pub store: KeyStore,
}

/// `kind`, and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyStore {
    /// `kind = "sealed"` (the default): an age file.
    Sealed {
        /// `file`: the sealed key.
        file: PathBuf,
        /// `identity_file` or `identity_credential`: the age identity that opens it.
        identity: FileSource,
    },
    /// `kind = "file"`: the key's JSON as it stands, in `file` or `credential`.
    File(FileSource),
    /// `kind = "process"`: a program that prints the key's JSON.
    Process(ProcessStore),
}

/// A file that holds a secret: exactly one of two lines says where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileSource {
    /// A path, that of a Kubernetes secret mount included.
    Path(PathBuf),
    /// The name of a file in systemd's `$CREDENTIALS_DIRECTORY`.
    SystemdCredential(String),
}

/// What belongs to `kind = "process"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStore {
    /// `command`: the program, by its absolute path, and its arguments.
    pub command: Vec<String>,
    /// `environment`: the variables it sees of those countersign was started with; by default none.
    pub environment: Vec<String>,
    /// `timeout`, default `"30s"`: how long it may take; then it is killed, and all it started.
    pub timeout: Duration,
    /// `refresh`, default `"1h"`: how often it is asked again at least; sooner when what it printed expires sooner.
    pub refresh: Duration,
}
