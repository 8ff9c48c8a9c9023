//! The trait of key stores, and their errors.
//!
//! Each store is a file or folder of [`super::stores`], with an error enum of its own that says through [`StoreError`]
//! how to react. A store that must run programs, load libraries or reach other networks runs in a process of its own:
//! see [`super::agent`].

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::access_key::ActiveKey;
use super::stores::file_source::FileSourceError;
use crate::guarded_file::{GuardError, GuardFault};

/// Where an access key is kept.
///
/// Every method may block (files, other processes): call it from a thread of its own, never while serving a request.
pub trait KeyStore: Send + Sync {
    /// Reads the current key. An expired key is loaded like any other; [`super::KeySlot`] refuses to use it.
    ///
    /// # Errors
    /// [`LoadError`]: there is no usable key now.
    fn load(&self) -> Result<ActiveKey, LoadError>;

    /// The files whose change may mean a new key; if there are none, the store is only polled. Their directories are
    /// watched: a file that is replaced by a rename, or behind a symlink that is swapped, does not change itself.
    fn watched(&self) -> Vec<PathBuf>;

    /// The longest time between two loads.
    fn poll(&self) -> Duration;

    /// A description of the store for `check` and logs. Without secrets.
    fn describe(&self) -> String;
}

/// How often files are read in any case: network file systems do not notify, and the watch on a directory ends when the
/// directory is replaced.
pub const FILE_POLL: Duration = Duration::from_secs(30);

/// A store's own error.
pub trait StoreError: Error + Send + Sync + 'static {
    /// How to react.
    fn kind(&self) -> LoadErrorKind;
}

/// Why a store could not load its key: the store's own error, and how to react.
#[derive(Debug)]
pub struct LoadError {
    kind: LoadErrorKind,
    error: Box<dyn Error + Send + Sync>,
}

/// How to react to a [`LoadError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadErrorKind {
    /// Our user or a file's permissions must be changed.
    Permissions,
    /// Nothing, for now: the key is missing or cannot be read at the moment, and may come by itself.
    Unavailable,
    /// The key or its configuration must be changed: it is there, but not valid.
    Invalid,
}

impl LoadError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> LoadErrorKind {
        self.kind
    }

    /// The store's own error, when it is an `E`.
    #[must_use]
    pub fn store_error<E: StoreError>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }
}

impl<E: StoreError> From<E> for LoadError {
    fn from(error: E) -> Self {
        Self { kind: error.kind(), error: Box::new(error) }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl StoreError for GuardError {
    fn kind(&self) -> LoadErrorKind {
        match self.fault() {
            GuardFault::Permissions => LoadErrorKind::Permissions,
            GuardFault::Unreadable => LoadErrorKind::Unavailable,
            GuardFault::Unsuitable => LoadErrorKind::Invalid,
        }
    }
}

impl StoreError for FileSourceError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            // neither changes while the process runs
            Self::NoCredentialsDirectory { .. } | Self::NoSuchCredential { .. } | Self::CredentialName => {
                LoadErrorKind::Invalid
            }
        }
    }
}
