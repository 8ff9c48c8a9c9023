//! What a key store is: something that can be asked for its key, again and again.
//!
//! A store is one file of this module, with an error enum of its own that says through [`StoreError`] what to do about it. One
//! that must run programs, load libraries or reach other networks is served by a process of its own: see [`super::agent`].

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::access_key::ActiveKey;
use super::stores::file_source::FileSourceError;
use crate::secret_file::GuardError;

/// Where an access key is kept.
///
/// All of it may block (files, other processes): call it from a thread of its own, never on the way of a request.
pub trait KeyStore: Send + Sync {
    /// Reads the key as it is now. A key that has expired is loaded like any other; using it is refused elsewhere.
    ///
    /// # Errors
    /// [`LoadError`]: there is no usable key now.
    fn load(&self) -> Result<ActiveKey, LoadError>;

    /// The files whose change means a new key; with none, only time does. It is their directories that are watched: a file
    /// replaced by rename, or behind a symlink that is swapped, never changes itself.
    fn watched(&self) -> Vec<PathBuf>;

    /// The longest time between two looks when nothing says that the key has changed.
    fn poll(&self) -> Duration;

    /// What and where the store is, in words, for `check` and logs. Without secrets.
    fn describe(&self) -> String;
}

/// How often files are looked at: network file systems do not notify, and a directory that is itself replaced takes its watch
/// with it.
pub const FILE_POLL: Duration = Duration::from_secs(30);

/// A store's own error.
pub trait StoreError: Error + Send + Sync + 'static {
    /// What to do about it.
    fn kind(&self) -> LoadErrorKind;
}

/// Why a store has no key to give: the store's own error, shown as if it stood here, and what to do about it.
#[derive(Debug)]
pub struct LoadError {
    kind: LoadErrorKind,
    error: Box<dyn Error + Send + Sync>,
}

/// What to do about a [`LoadError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadErrorKind {
    /// Ours or a file's permissions: somebody has to change them.
    Permissions,
    /// Not there (yet), or not readable just now: it may come without anybody's doing.
    Unavailable,
    /// There, and of no use.
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
        match self {
            Self::Denied { .. }
            | Self::OpenToOthers { .. }
            | Self::ForeignOwner { .. }
            | Self::ForeignLink { .. }
            | Self::LooseDirectory { .. } => LoadErrorKind::Permissions,
            Self::Missing(_) | Self::Io { .. } => LoadErrorKind::Unavailable,
            Self::NotRegular(_) | Self::TooManyLinks(_) | Self::TooLarge(_) => LoadErrorKind::Invalid,
        }
    }
}

impl StoreError for FileSourceError {
    fn kind(&self) -> LoadErrorKind {
        match self {
            // it will not come while the process runs, nor will another name
            Self::NoCredentialsDirectory { .. } | Self::CredentialName => LoadErrorKind::Invalid,
        }
    }
}
