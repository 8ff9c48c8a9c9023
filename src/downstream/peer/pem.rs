//! PEM files of a TLS listener: limited in size, every item usable, writable by us only, the key readable by us only.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self as pem_format, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::guarded_file::{self, GuardError};

/// The longest file read, in bytes. Revocation lists can be long: some 40 bytes for each certificate.
const MAX_SIZE: usize = 8 * 1024 * 1024;

/// What a PEM file is to contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item {
    /// `BEGIN CERTIFICATE`.
    Certificate,
    /// `BEGIN PRIVATE KEY`, or PKCS#1 or SEC1.
    Key,
    /// `BEGIN X509 CRL`.
    RevocationList,
}

/// Why a PEM file cannot be used.
#[derive(Debug, Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("cannot read {}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A directory, FIFO, socket or device.
    #[error("{} is not a regular file", .0.display())]
    NotRegular(PathBuf),
    /// More than 8 MiB.
    #[error("{} is larger than {MAX_SIZE} bytes", .0.display())]
    TooLarge(PathBuf),
    /// A file that others can write or replace; or a private key that is missing, or that others can read.
    #[error(transparent)]
    Guarded(#[from] GuardError),
    /// It is not PEM.
    #[error("{} is not PEM: {source}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem_format::Error,
    },
    /// It is PEM, but holds no such item.
    #[error("{} holds no {}", .path.display(), match .item {
        Item::Certificate => "certificate (BEGIN CERTIFICATE)",
        Item::Key => "unencrypted private key (BEGIN PRIVATE KEY)",
        Item::RevocationList => "revocation list (BEGIN X509 CRL)",
    })]
    Nothing {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        item: Item,
    },
}

impl PemError {
    /// Whether somebody has to change an owner or permissions.
    #[must_use]
    pub fn is_permissions(&self) -> bool {
        match self {
            Self::Guarded(error) => error.is_permissions(),
            Self::Io { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            Self::NotRegular(_) | Self::TooLarge(_) | Self::Format { .. } | Self::Nothing { .. } => false,
        }
    }
}

/// Reads a file that is trusted and not secret.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    read_from(&open(path)?, path)
}

/// Reads a file that holds a key, under the rules for every file that holds a secret.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, PemError> {
    Ok(guarded_file::read_secret(path)?)
}

fn open(path: &Path) -> Result<File, PemError> {
    let failed = |source| PemError::Io { path: path.to_owned(), source };
    let file = guarded_file::open_trusted(path).map_err(|error| match error.into_io() {
        Ok(source) => failed(source),
        Err(GuardError::NotRegular(path)) => PemError::NotRegular(path),
        Err(objection) => objection.into(),
    })?;
    if file.metadata().map_err(failed)?.is_file() { Ok(file) } else { Err(PemError::NotRegular(path.to_owned())) }
}

fn read_from(file: &File, path: &Path) -> Result<Vec<u8>, PemError> {
    let failed = |source| PemError::Io { path: path.to_owned(), source };
    let length = usize::try_from(file.metadata().map_err(failed)?.len()).unwrap_or(usize::MAX);
    if length > MAX_SIZE {
        return Err(PemError::TooLarge(path.to_owned()));
    }
    let mut bytes = Vec::with_capacity(length.saturating_add(1));
    file.take(u64::try_from(MAX_SIZE).unwrap_or(u64::MAX)).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Every certificate in `text`.
pub(super) fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PemError> {
    items(path, text, Item::Certificate)
}

/// Every revocation list in `text`.
pub(super) fn revocation_lists(
    path: &Path,
    text: &[u8],
) -> Result<Vec<CertificateRevocationListDer<'static>>, PemError> {
    items(path, text, Item::RevocationList)
}

fn items<T: PemObject>(path: &Path, text: &[u8], item: Item) -> Result<Vec<T>, PemError> {
    let items = T::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    let items = items.map_err(|source| PemError::Format { path: path.to_owned(), source })?;
    if items.is_empty() { Err(PemError::Nothing { path: path.to_owned(), item }) } else { Ok(items) }
}

/// The first key in `text`.
pub(super) fn key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, PemError> {
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Ok(key),
        Err(pem_format::Error::NoItemsFound) => Err(PemError::Nothing { path: path.to_owned(), item: Item::Key }),
        Err(source) => Err(PemError::Format { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tls.key");
        write(&path, "a key").unwrap();
        for mode in [0o644, 0o604, 0o660] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = read_private(&path).unwrap_err();
            assert!(matches!(error, PemError::Guarded(GuardError::OpenToOthers { .. })), "{mode:o}");
            assert!(error.is_permissions());
        }
        set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_private(&path).unwrap().as_slice(), b"a key");
    }

    #[test]
    fn what_is_no_regular_file_is_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(read(directory.path()), Err(PemError::NotRegular(_))));
        let fifo = directory.path().join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RWXU).unwrap();
        assert!(matches!(read(&fifo), Err(PemError::NotRegular(_))));
    }

    #[test]
    fn a_file_without_the_item_that_is_wanted_says_which() {
        let error = certificates(Path::new("ca.pem"), b"").unwrap_err();
        assert_eq!(error.to_string(), "ca.pem holds no certificate (BEGIN CERTIFICATE)");
        assert!(matches!(key(Path::new("tls.key"), b"nothing"), Err(PemError::Nothing { item: Item::Key, .. })));
    }
}
