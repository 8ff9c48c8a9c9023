//! The certificate with which we prove to a server who we are.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use thiserror::Error;

use super::provider;
use crate::guarded_file::{self, GuardError};
use crate::x509::Validity;

/// The files of a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityFiles {
    /// PEM: our certificate first, then the intermediate ones.
    pub certificate: PathBuf,
    /// PEM: its key, readable by us only.
    pub key: PathBuf,
}

/// A client certificate and its key.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

/// Why a client certificate cannot be used.
#[derive(Debug, Error)]
pub enum IdentityError {
    /// It cannot be read.
    #[error("cannot read the client certificate in {}", .path.display())]
    Unreadable {
        /// `client_certificate`.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others can write or replace a file, or read the key.
    #[error(transparent)]
    Guarded(#[from] GuardError),
    /// It is not PEM.
    #[error("{} is not PEM: {source}", .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: pem::Error,
    },
    /// The certificate's file holds none.
    #[error("{} holds no certificate (BEGIN CERTIFICATE)", .0.display())]
    NoCertificate(PathBuf),
    /// The key's file holds none, or it is encrypted.
    #[error("{} holds no unencrypted private key (BEGIN PRIVATE KEY)", .0.display())]
    NoKey(PathBuf),
    /// The key does not belong to the certificate, or is of an unsupported kind.
    #[error(
        "the client certificate in {} and the key in {} cannot be used together",
        .certificate.display(),
        .key.display()
    )]
    KeyPair {
        /// `client_certificate`.
        certificate: PathBuf,
        /// `client_key`.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

impl IdentityError {
    /// Whether somebody has to change an owner or permissions.
    #[must_use]
    pub fn is_permissions(&self) -> bool {
        match self {
            Self::Guarded(error) => error.is_permissions(),
            Self::Unreadable { source, .. } => source.kind() == io::ErrorKind::PermissionDenied,
            Self::Format { .. } | Self::NoCertificate(_) | Self::NoKey(_) | Self::KeyPair { .. } => false,
        }
    }
}

impl Identity {
    /// Reads both files.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn load(files: &IdentityFiles) -> Result<Self, IdentityError> {
        let IdentityFiles { certificate, key } = files;
        let chain = certificates(certificate)?;
        let certified = CertifiedKey::from_der(chain, private_key(key)?, &provider());
        certified.map(|certified| Self(Arc::new(certified))).map_err(|source| IdentityError::KeyPair {
            certificate: certificate.clone(),
            key: key.clone(),
            source,
        })
    }

    /// When it holds: as long as every certificate in the file does. `None` when they cannot be read.
    pub(crate) fn validity(&self) -> Option<Validity> {
        let each: Option<Vec<_>> =
            self.0.cert.iter().map(|certificate| Validity::of_certificate(certificate)).collect();
        each?.into_iter().reduce(Validity::and)
    }

    /// How rustls asks for it.
    pub(super) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.0)))
    }
}

impl PartialEq for Identity {
    /// A certificate has one key only.
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.0.cert.len())
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let unreadable = |source| IdentityError::Unreadable { path: path.to_owned(), source };
    let text = super::anchors::read_trusted(path).map_err(|error| match error {
        Ok(source) => unreadable(source),
        Err(objection) => objection.into(),
    })?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|source| IdentityError::Format { path: path.to_owned(), source })?;
    if chain.is_empty() { Err(IdentityError::NoCertificate(path.to_owned())) } else { Ok(chain) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let text = guarded_file::read_secret(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|source| {
        if matches!(source, pem::Error::NoItemsFound) {
            IdentityError::NoKey(path.to_owned())
        } else {
            IdentityError::Format { path: path.to_owned(), source }
        }
    })
}
