//! What a key store is: something that can be asked for its key, again and again.

use std::path::PathBuf;

use thiserror::Error;

use super::access_key::ActiveKey;
use super::document::DocumentError;
use super::identity::IdentityError;
use super::sealed::OpenError;
use crate::secret_file::GuardError;

/// Where an access key is kept.
///
/// All of it may block (files, and one day a network): call it from a thread of its own, never on the way of a request.
pub trait KeyStore: Send + Sync {
    /// Reads the key as it is now. A key that has expired is loaded like any other; using it is refused elsewhere.
    ///
    /// # Errors
    /// [`LoadError`]: there is no usable key now.
    fn load(&self) -> Result<ActiveKey, LoadError>;

    /// The files whose change means a new key. It is their directories that are watched: a file replaced by rename, or behind
    /// a symlink that is swapped, never changes itself.
    fn watched(&self) -> Vec<PathBuf>;

    /// What and where the store is, in words, for `check` and logs. Without secrets.
    fn describe(&self) -> String;
}

/// Why a store has no key to give.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The sealed file itself.
    #[error("the sealed key cannot be used")]
    File(#[source] GuardError),
    /// The identity that would open it.
    #[error("the identity cannot be used")]
    Identity(#[from] IdentityError),
    /// File and identity do not come together.
    #[error("{path} cannot be opened")]
    Open {
        /// The sealed file.
        path: PathBuf,
        /// What is the matter.
        source: OpenError,
    },
    /// It opened, and holds no access key.
    #[error("{path} opens, but does not hold an access key")]
    Document {
        /// The sealed file.
        path: PathBuf,
        /// What is the matter.
        source: DocumentError,
    },
}

/// What to do about a [`LoadError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadErrorKind {
    /// Ours or a file's permissions: somebody has to change them.
    Permissions,
    /// Not there (yet), or not readable just now.
    Unavailable,
    /// There, and of no use.
    Invalid,
}

impl LoadError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> LoadErrorKind {
        match self {
            Self::File(error) => error.kind(),
            Self::Identity(error) => error.kind(),
            Self::Open { .. } | Self::Document { .. } => LoadErrorKind::Invalid,
        }
    }
}

impl GuardError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> LoadErrorKind {
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

impl IdentityError {
    /// What to do about it.
    #[must_use]
    pub const fn kind(&self) -> LoadErrorKind {
        match self {
            Self::File(error) => error.kind(),
            Self::NoCredentialsDirectory { .. } => LoadErrorKind::Unavailable,
            Self::CredentialName
            | Self::NotAnIdentity { .. }
            | Self::Passphrase(_)
            | Self::Ssh(_)
            | Self::Plugin { .. }
            | Self::Empty(_) => LoadErrorKind::Invalid,
        }
    }
}
