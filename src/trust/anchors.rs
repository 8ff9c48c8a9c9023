//! What is trusted when a server proves who it is: authorities, and certificates that are trusted for themselves.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use thiserror::Error;

use super::unfit::Unfit;
use crate::guarded_file::{self, GuardError};
use crate::x509::Parts;

/// Where trusted roots come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The platform's store.
    Platform,
    /// The certificates in this PEM file, and no others: authorities for what they sign, and every certificate for
    /// itself.
    File(PathBuf),
}

/// Roots that cannot be used.
#[derive(Debug, Error)]
pub enum RootsError {
    /// The platform has none.
    #[error("the platform has no trusted root certificates: install the package ca-certificates, or set ca_file")]
    NoPlatformRoots,
    /// The file cannot be read as PEM.
    #[error("cannot read the CA certificates in {}", .path.display())]
    Unreadable {
        /// The `ca_file`.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Others can write or replace a file of roots.
    #[error(transparent)]
    Guarded(#[from] GuardError),
    /// The file holds no certificate.
    #[error("{} holds no certificate; ca_file wants PEM, with BEGIN CERTIFICATE lines", .0.display())]
    Empty(PathBuf),
    /// A certificate in the file is not one.
    #[error("a certificate in {} cannot be used as a root", .path.display())]
    Unusable {
        /// The `ca_file`.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// A certificate in the file is no authority, and cannot be that of a server either.
    #[error(
        "certificate {number} in {} is no authority, and would not be taken from a server: it {}",
        .path.display(),
        .unfit.iter().map(ToString::to_string).collect::<Vec<_>>().join("; it ")
    )]
    Unfit {
        /// The `ca_file`.
        path: PathBuf,
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        unfit: Vec<Unfit>,
    },
    /// The cryptography library refuses the protocol versions: a bug.
    #[error("TLS 1.2 and 1.3 are not available")]
    Versions(#[source] rustls::Error),
}

impl RootsError {
    /// Whether somebody has to change an owner or permissions.
    #[must_use]
    pub const fn is_permissions(&self) -> bool {
        match self {
            Self::Guarded(error) => error.is_permissions(),
            Self::NoPlatformRoots
            | Self::Unreadable { .. }
            | Self::Empty(_)
            | Self::Unusable { .. }
            | Self::Unfit { .. }
            | Self::Versions(_) => false,
        }
    }
}

/// The longest file of roots read, in bytes. A platform's whole store has some 250,000.
const MAX_SIZE: u64 = 16 * 1024 * 1024;

/// Certificates that are trusted.
#[derive(Debug, Clone)]
pub struct Anchors {
    /// Those that say that they are authorities: what they sign is trusted too.
    authorities: RootCertStore,
    /// Those that a server may have itself, authorities or not.
    themselves: Vec<CertificateDer<'static>>,
}

impl PartialEq for Anchors {
    fn eq(&self, other: &Self) -> bool {
        self.authorities.roots == other.authorities.roots && self.themselves == other.themselves
    }
}

/// Why a certificate cannot be an anchor.
enum NoAnchor {
    Unusable(rustls::Error),
    Unfit(Vec<Unfit>),
}

impl Anchors {
    /// As many of `certificates` as are of use. Others are skipped, as every TLS library does: stores contain odd ones.
    #[must_use]
    pub fn usable(certificates: impl IntoIterator<Item = CertificateDer<'static>>) -> Self {
        let mut anchors = Self::none();
        for certificate in certificates {
            let _skipped = anchors.add(certificate);
        }
        anchors
    }

    /// Whether nothing is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.authorities.is_empty() && self.themselves.is_empty()
    }

    /// How many certificates are trusted, for whatever.
    #[must_use]
    pub fn len(&self) -> usize {
        self.authorities.len().saturating_add(self.themselves.len())
    }

    pub(super) const fn authorities(&self) -> &RootCertStore {
        &self.authorities
    }

    /// Whether this certificate, byte for byte, is trusted for itself.
    pub(super) fn has_itself(&self, certificate: &CertificateDer<'_>) -> bool {
        self.themselves.iter().any(|own| own == certificate)
    }

    /// Whether a certificate with this subject is trusted for itself only.
    pub(super) fn has_but_as_no_authority(&self, subject: &[u8]) -> bool {
        let is_it = |parts: Parts<'_>| parts.subject == subject && !parts.is_authority();
        self.themselves.iter().any(|own| Parts::of(own).is_some_and(is_it))
    }

    fn none() -> Self {
        Self { authorities: RootCertStore::empty(), themselves: Vec::new() }
    }

    fn add(&mut self, certificate: CertificateDer<'static>) -> Result<(), NoAnchor> {
        let bad = || NoAnchor::Unusable(rustls::CertificateError::BadEncoding.into());
        let parts = Parts::of(&certificate).ok_or_else(bad)?;
        let (unfit, is_authority) = (Unfit::all(&parts), parts.is_authority());
        if is_authority {
            self.authorities.add(certificate.clone()).map_err(NoAnchor::Unusable)?;
        }
        match (unfit.is_empty(), is_authority) {
            (true, _) => self.themselves.push(certificate),
            // an authority needs no names, and nobody looks at who signed it
            (false, true) => {}
            (false, false) => return Err(NoAnchor::Unfit(unfit)),
        }
        Ok(())
    }
}

/// Reads `roots`.
///
/// # Errors
/// See [`RootsError`].
pub fn load(roots: &Roots) -> Result<Arc<Anchors>, RootsError> {
    match roots {
        Roots::Platform => platform_roots(),
        Roots::File(path) => file_roots(path),
    }
    .map(Arc::new)
}

fn platform_roots() -> Result<Anchors, RootsError> {
    let anchors = Anchors::usable(platform_certificates()?);
    if anchors.is_empty() { Err(RootsError::NoPlatformRoots) } else { Ok(anchors) }
}

/// The certificates in the platform's store. Where the environment names another store (`SSL_CERT_FILE`,
/// `SSL_CERT_DIR`), it is held to the rules for trusted files; the platform's own is the platform's to guard.
///
/// # Errors
/// [`RootsError::Guarded`].
pub fn platform_certificates() -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let named = |variable| std::env::var_os(variable).unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&named("SSL_CERT_DIR")).collect();
    let listed = directories.iter().filter_map(|directory| std::fs::read_dir(directory).ok()).flatten().flatten();
    let files = std::iter::once(PathBuf::from(named("SSL_CERT_FILE"))).chain(listed.map(|entry| entry.path()));
    for path in directories.iter().cloned().chain(files).filter(|path| !path.as_os_str().is_empty()) {
        guarded_file::check_trusted(&path)?;
    }
    Ok(rustls_native_certs::load_native_certs().certs)
}

fn file_roots(path: &Path) -> Result<Anchors, RootsError> {
    let unreadable = |source| RootsError::Unreadable { path: path.to_owned(), source };
    let pem = read_trusted(path).map_err(|error| match error {
        Ok(source) => unreadable(source),
        Err(objection) => objection.into(),
    })?;
    let mut anchors = Anchors::none();
    for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(&pem)) {
        let certificate = certificate.map_err(|error| unreadable(io::Error::other(error)))?;
        anchors.add(certificate).map_err(|why| match why {
            NoAnchor::Unusable(source) => RootsError::Unusable { path: path.to_owned(), source },
            NoAnchor::Unfit(unfit) => RootsError::Unfit { path: path.to_owned(), number, unfit },
        })?;
    }
    if anchors.is_empty() { Err(RootsError::Empty(path.to_owned())) } else { Ok(anchors) }
}

/// The contents of a file that is trusted and not secret, or what the system says, or that others can write it.
pub(super) fn read_trusted(path: &Path) -> Result<Vec<u8>, Result<io::Error, GuardError>> {
    let file = guarded_file::open_trusted(path).map_err(GuardError::into_io)?;
    read_whole(&file).map_err(Ok)
}

fn read_whole(file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(MAX_SIZE.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MAX_SIZE) {
        Ok(bytes)
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than 16 MiB"))
    }
}
