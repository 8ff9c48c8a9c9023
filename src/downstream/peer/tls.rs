//! TLS towards clients: 1.3 and 1.2, client certificates and their revocation, reloaded when the files change.
//!
//! Sessions are never resumed. A resumed session keeps the identity of the earlier handshake and does not check the
//! certificate again: a revoked or expired certificate would be accepted for as long as tickets live. A full handshake
//! costs a fraction of a millisecond, and clients keep their connections. For the same reason a connection has a
//! maximum lifetime.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use thiserror::Error;

use super::dates::{Dated, Dates, OutOfDate};
use super::pem::{self, PemError};
use super::presented::Noting;
use super::trust_domains::TrustDomains;
use crate::clock;
use crate::x509::Validity;

/// Which versions of TLS clients may speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// Only 1.3.
    Only13,
    /// 1.3, and 1.2 with ephemeral keys and authenticated encryption.
    From12,
}

/// Which clients the handshake lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clients {
    /// All of them: TLS only encrypts. Clients must be identified in another way.
    Anonymous,
    /// Those with a certificate of one of these authorities, for the purpose of client authentication.
    Verified {
        /// PEM, one certificate or several.
        ca_file: PathBuf,
        /// PEM, revocation lists. With none, nothing is revoked. With any, there must be one from the issuer of each
        /// client certificate, and it must not have expired: otherwise the client is refused.
        crl_files: Vec<PathBuf>,
    },
}

/// The settings of a TLS listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// PEM: our certificate first, then the intermediate ones.
    pub certificate_file: PathBuf,
    /// PEM: its key, readable by us only.
    pub key_file: PathBuf,
    /// Who is let in.
    pub clients: Clients,
    /// The versions of TLS.
    pub versions: Versions,
    /// How long a connection may last before the client has to authenticate again.
    pub session_lifetime: Duration,
}

/// Why a TLS listener cannot be served as configured.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be used.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The key does not belong to the certificate, or is of an unsupported kind.
    #[error("the certificate in {} and the key in {} cannot be used together", .certificate.display(), .key.display())]
    KeyPair {
        /// `certificate_file`.
        certificate: PathBuf,
        /// `key_file`.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// A certificate in the file cannot be trusted as an authority.
    #[error("a certificate in {} cannot be used as an authority for clients", .path.display())]
    Authority {
        /// `ca_file`.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// A certificate or a revocation list is not valid now.
    #[error(transparent)]
    Dates(#[from] OutOfDate),
    /// No verifier can be made from the authorities and revocation lists.
    #[error("the authorities for clients or their revocation lists cannot be used")]
    Verifier(#[source] VerifierBuilderError),
    /// The cryptography library refuses the protocol versions: a bug.
    #[error("TLS 1.2 and 1.3 are not available")]
    Versions(#[source] rustls::Error),
}

/// The outcome of a reload without errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// The files have not changed.
    Unchanged,
    /// New connections use the new files. Existing connections go on unchanged, up to their lifetime.
    Changed,
}

/// The configuration of a TLS listener, kept up to date with its files. Shared by all workers.
pub struct ReloadableTls {
    settings: TlsSettings,
    current: ArcSwap<ServerConfig>,
    dates: ArcSwap<Dates>,
    /// The digest of the files that `current` was made from. Locked during a whole reload, so that reloads happen one
    /// after the other.
    fingerprint: Mutex<Fingerprint>,
}

type Fingerprint = [u8; 32];

impl ReloadableTls {
    /// Reads every file.
    ///
    /// # Errors
    /// [`TlsError`]: a file that cannot be used.
    pub fn load(settings: TlsSettings) -> Result<Self, TlsError> {
        let files = Files::read(&settings)?;
        let current = ArcSwap::new(files.server_config(&settings)?);
        let dates = ArcSwap::from_pointee(files.dates(&settings)?);
        Ok(Self { fingerprint: Mutex::new(files.fingerprint()), current, dates, settings })
    }

    /// When the files in use are valid.
    #[must_use]
    pub fn dates(&self) -> Arc<Dates> {
        self.dates.load_full()
    }

    /// Reads every file again, and uses the new contents if they have changed and fit together. Call it when one of
    /// [`Self::watched`] may have changed, and every half minute anyway.
    ///
    /// # Errors
    /// [`TlsError`]; the previous configuration stays in use. This also happens between the replacement of a
    /// certificate and that of its key, and when the new files do not hold yet and those in use do: the next reload
    /// finds files that can be used.
    pub fn reload(&self) -> Result<Reloaded, TlsError> {
        let mut fingerprint = self.fingerprint.lock().unwrap_or_else(PoisonError::into_inner);
        let files = Files::read(&self.settings)?;
        if files.fingerprint() == *fingerprint {
            return Ok(Reloaded::Unchanged);
        }
        let (current, dates) = (files.server_config(&self.settings)?, files.dates(&self.settings)?);
        let now = clock::now();
        if self.dates().check(now).is_ok() {
            dates.check(now)?;
        }
        self.current.store(current);
        self.dates.store(Arc::new(dates));
        *fingerprint = files.fingerprint();
        Ok(Reloaded::Changed)
    }

    /// The files to watch. Watch their directories: such files are replaced, not written to.
    #[must_use]
    pub fn watched(&self) -> Vec<PathBuf> {
        let mut paths = vec![self.settings.certificate_file.clone(), self.settings.key_file.clone()];
        if let Clients::Verified { ca_file, crl_files } = &self.settings.clients {
            paths.push(ca_file.clone());
            paths.extend(crl_files.iter().cloned());
        }
        paths
    }

    /// The configuration for a handshake that begins now.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// See [`TlsSettings::session_lifetime`].
    #[must_use]
    pub const fn session_lifetime(&self) -> Duration {
        self.settings.session_lifetime
    }
}

/// The bytes of every file, read once, so that the bytes that are compared are the ones that are used.
struct Files {
    certificate: Vec<u8>,
    key: zeroize::Zeroizing<Vec<u8>>,
    authorities: Option<Vec<u8>>,
    crls: Vec<Vec<u8>>,
}

impl Files {
    fn read(settings: &TlsSettings) -> Result<Self, TlsError> {
        let (authorities, crls) = match &settings.clients {
            Clients::Anonymous => (None, Vec::new()),
            Clients::Verified { ca_file, crl_files } => {
                let crls = crl_files.iter().map(|path| pem::read(path)).collect::<Result<_, _>>()?;
                (Some(pem::read(ca_file)?), crls)
            }
        };
        let certificate = pem::read(&settings.certificate_file)?;
        Ok(Self { certificate, key: pem::read_private(&settings.key_file)?, authorities, crls })
    }

    fn fingerprint(&self) -> Fingerprint {
        let files = [self.certificate.as_slice(), self.key.as_slice()];
        let files = files.into_iter().chain(self.authorities.as_deref()).chain(self.crls.iter().map(Vec::as_slice));
        // a digest of digests, so that moving bytes from one file to the next changes it
        let mut whole = Sha256::new();
        for file in files {
            whole.update(Sha256::digest(file));
        }
        whole.finalize().into()
    }

    fn server_config(&self, settings: &TlsSettings) -> Result<Arc<ServerConfig>, TlsError> {
        let TlsSettings { certificate_file, key_file, clients, versions, session_lifetime: _ } = settings;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = match clients {
            Clients::Anonymous => WebPkiClientVerifier::no_client_auth(),
            Clients::Verified { ca_file, crl_files } => self.verifier(ca_file, crl_files, &provider)?,
        };
        let chain = pem::certificates(certificate_file, &self.certificate)?;
        let key = pem::key(key_file, &self.key)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&protocol_versions(*versions))
            .map_err(TlsError::Versions)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(|source| {
                let (certificate, key) = (certificate_file.clone(), key_file.clone());
                TlsError::KeyPair { certificate, key, source }
            })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        // RFC 7627: without it, TLS 1.2 does not bind the client's certificate to the session
        config.require_ems = true;
        Ok(Arc::new(config))
    }

    fn dates(&self, settings: &TlsSettings) -> Result<Dates, TlsError> {
        let path = &settings.certificate_file;
        let mut dates = Dates::default();
        for certificate in pem::certificates(path, &self.certificate)? {
            dates.add(path, Dated::Certificate, Validity::of_certificate(&certificate));
        }
        if let Clients::Verified { crl_files, .. } = &settings.clients {
            for (path, text) in crl_files.iter().zip(&self.crls) {
                for list in pem::revocation_lists(path, text)? {
                    dates.add(path, Dated::RevocationList, Validity::of_revocation_list(&list));
                }
            }
        }
        Ok(dates)
    }

    fn verifier(
        &self,
        ca_file: &Path,
        crl_files: &[PathBuf],
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
        let authorities = pem::certificates(ca_file, self.authorities.as_deref().unwrap_or_default())?;
        let mut crls = Vec::new();
        for (path, text) in crl_files.iter().zip(&self.crls) {
            crls.extend(pem::revocation_lists(path, text)?);
        }
        let of_some = |some: &[&CertificateDer<'static>]| -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
            let mut roots = RootCertStore::empty();
            for authority in some {
                let added = roots.add((*authority).clone());
                added.map_err(|source| TlsError::Authority { path: ca_file.to_owned(), source })?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
            // the authorities are few and listed in a file: to revoke one, remove it from `ca_file`
            let verifier = verifier.with_crls(crls.clone()).only_check_end_entity_revocation();
            let verifier = verifier.enforce_revocation_expiration();
            let verifier = if crls.is_empty() { verifier.allow_unknown_revocation_status() } else { verifier };
            verifier.build().map_err(TlsError::Verifier)
        };
        Ok(Arc::new(Noting(Arc::new(TrustDomains::new(&authorities, of_some)?))))
    }
}

fn protocol_versions(versions: Versions) -> Vec<&'static SupportedProtocolVersion> {
    match versions {
        Versions::Only13 => vec![&rustls::version::TLS13],
        Versions::From12 => vec![&rustls::version::TLS13, &rustls::version::TLS12],
    }
}
