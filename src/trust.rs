//! TLS towards other servers: 1.2 and 1.3, certificates verified against the platform's roots or a given file, no
//! exceptions.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

use crate::guarded_file::{self, GuardError};

/// Where trusted roots come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roots {
    /// The platform's store.
    Platform,
    /// The certificates in this PEM file, and no others.
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
            | Self::Versions(_) => false,
        }
    }
}

/// The longest file of roots read, in bytes. A platform's whole store has some 250,000.
const MAX_SIZE: u64 = 16 * 1024 * 1024;

/// The cryptography used everywhere in the process.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Reads `roots`.
///
/// # Errors
/// See [`RootsError`].
pub fn load(roots: &Roots) -> Result<Arc<RootCertStore>, RootsError> {
    match roots {
        Roots::Platform => platform_roots(),
        Roots::File(path) => file_roots(path),
    }
    .map(Arc::new)
}

/// A client configuration that trusts `store`. Sessions are resumed, HTTP/1.1 is the only protocol offered.
///
/// # Errors
/// [`RootsError::Versions`].
pub fn client_config(store: Arc<RootCertStore>) -> Result<Arc<ClientConfig>, RootsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(RootsError::Versions)?
        .with_root_certificates(store)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The name that a server's certificate must be for. `host` is a DNS name, of which a trailing dot is left out, or an
/// address, IPv6 without brackets; `None` is neither.
#[must_use]
pub fn server_name(host: &str) -> Option<ServerName<'static>> {
    match host.parse::<IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(address.into())),
        Err(_) => ServerName::try_from(host.strip_suffix('.').unwrap_or(host).to_owned()).ok(),
    }
}

fn platform_roots() -> Result<RootCertStore, RootsError> {
    let certificates = platform_certificates()?;
    let mut store = RootCertStore::empty();
    // certificates that cannot be parsed are skipped, as every TLS library does: stores contain odd ones
    let (added, _skipped) = store.add_parsable_certificates(certificates);
    if added == 0 { Err(RootsError::NoPlatformRoots) } else { Ok(store) }
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

fn file_roots(path: &Path) -> Result<RootCertStore, RootsError> {
    let unreadable = |source| RootsError::Unreadable { path: path.to_owned(), source };
    let file = guarded_file::open_trusted(path).map_err(|error| match error.into_io() {
        Ok(source) => unreadable(source),
        Err(objection) => objection.into(),
    })?;
    let pem = read_whole(&file).map_err(unreadable)?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| unreadable(io::Error::other(error)))?;
        store.add(certificate).map_err(|source| RootsError::Unusable { path: path.to_owned(), source })?;
    }
    if store.is_empty() { Err(RootsError::Empty(path.to_owned())) } else { Ok(store) }
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
