//! How a store is reached and authenticated, and the reasons why it cannot be used.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::guarded_file::{self, GuardError};
use crate::trust::{self, Anchors, ClientTls, ClientTlsSettings, IdentityError, Roots, RootsError};

/// The longest password, in bytes.
const LONGEST_PASSWORD: usize = 4096;

/// The address to which connections are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A host name or an IP address (IPv6 without brackets), and a port.
    Tcp(String, u16),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// The store as the configuration describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreLocation {
    /// The address to which connections are made.
    pub address: StoreAddress,
    /// How connections are protected. `None`: they are not.
    pub tls: Option<StoreTls>,
    /// The ACL user to log in as. `None`: the store's default user.
    pub user: Option<String>,
    /// The file with that user's password.
    pub password_file: Option<PathBuf>,
    /// The number of the database.
    pub database: u16,
}

/// TLS towards the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreTls {
    /// The authorities that may sign the store's certificate.
    pub roots: Roots,
    /// The name that must be in its certificate.
    pub host: String,
    /// The certificate that we show it, if any.
    pub client: ClientTlsSettings,
}

/// A store whose configuration has been checked, so that connections can be made to it.
#[derive(Debug, Clone)]
pub struct StoreServer {
    pub(super) location: StoreLocation,
    trust: StoreTrust,
}

/// How the store is authenticated.
#[derive(Debug, Clone)]
enum StoreTrust {
    /// It is not: the connection has no TLS.
    Anybody,
    /// By the platform's roots. They are read once, because a confined process may not be able to read them again.
    Platform(Arc<Anchors>, ServerName<'static>),
    /// By the authorities in a file, which is read for each connection.
    File(PathBuf, ServerName<'static>),
}

/// The reason why the store cannot be used.
#[derive(Debug, Error)]
pub enum StoreFault {
    /// No certificate can be for the configured name.
    #[error("`{0}` is not a DNS name or IP address that a certificate can be for")]
    Name(String),
    /// The trusted authorities cannot be read.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The client certificate or its key cannot be read.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The password file cannot be read.
    #[error("the password of the store cannot be read")]
    Password(#[from] GuardError),
    /// The password file has other contents. They may be a secret, so the message does not show them.
    #[error("{} holds no password: write it on one line of at most {LONGEST_PASSWORD} bytes", .0.display())]
    NoPassword(PathBuf),
    /// No connection can be made.
    #[error("the store cannot be reached")]
    Connect(#[source] io::Error),
    /// The TLS handshake failed, usually because of the store's certificate.
    #[error("the store's TLS handshake failed")]
    Tls(#[source] io::Error),
    /// The store replied with an error.
    #[error("the store refuses: {0}")]
    Refused(String),
    /// The connection broke, or the store sent something that is not in its protocol.
    #[error("the store's connection broke: {0}")]
    Broken(String),
    /// The reply does not fit the question.
    #[error("the store's reply is malformed: {0}")]
    Nonsense(&'static str),
    /// The store did not reply in time.
    #[error("the store has not answered within {} ms", .0.as_millis())]
    Late(Duration),
}

impl StoreFault {
    /// Whether an operator has to change the owner or the permissions of a file.
    #[must_use]
    pub fn is_permissions(&self) -> bool {
        match self {
            Self::Roots(error) => error.is_permissions(),
            Self::Identity(error) => error.is_permissions(),
            Self::Password(error) => error.is_permissions(),
            Self::Name(_)
            | Self::NoPassword(_)
            | Self::Connect(_)
            | Self::Tls(_)
            | Self::Refused(_)
            | Self::Broken(_)
            | Self::Nonsense(_)
            | Self::Late(_) => false,
        }
    }
}

impl StoreServer {
    /// Checks everything that can be checked without a connection to the store.
    ///
    /// # Errors
    /// [`StoreFault`] if the configuration or one of its files cannot be used.
    pub fn new(location: StoreLocation) -> Result<Self, StoreFault> {
        let server = Self::without_looking_at_secrets(location)?;
        server.password()?;
        server.security()?;
        Ok(server)
    }

    /// Checks the same except the password and the client certificate with its key, which are not opened.
    ///
    /// # Errors
    /// [`StoreFault`] if the configuration or one of its files cannot be used.
    pub fn without_looking_at_secrets(location: StoreLocation) -> Result<Self, StoreFault> {
        let trust = match &location.tls {
            None => StoreTrust::Anybody,
            Some(StoreTls { roots, host, client: _ }) => {
                let name = trust::server_name(host).ok_or_else(|| StoreFault::Name(host.clone()))?;
                let anchors = trust::load(roots)?;
                match roots {
                    Roots::Platform => StoreTrust::Platform(anchors, name),
                    Roots::File(path) => StoreTrust::File(path.clone(), name),
                }
            }
        };
        Ok(Self { location, trust })
    }

    /// The TLS configuration of a new connection and the name of the store; `None` without TLS. The files are read each
    /// time, because certificates and authorities are replaced while the process runs.
    pub(super) fn security(&self) -> Result<Option<(Arc<ClientConfig>, ServerName<'static>)>, StoreFault> {
        let (anchors, name) = match &self.trust {
            StoreTrust::Anybody => return Ok(None),
            StoreTrust::Platform(anchors, name) => (Arc::clone(anchors), name),
            StoreTrust::File(path, name) => (trust::load(&Roots::File(path.clone()))?, name),
        };
        let client = self.location.tls.as_ref().map(|tls| ClientTls::load(&tls.client)).transpose()?;
        let config = client_config(anchors, &client.unwrap_or(ClientTls::PLAIN))?;
        Ok(Some((config, name.clone())))
    }

    /// Reads the password.
    pub(super) fn password(&self) -> Result<Option<Zeroizing<String>>, StoreFault> {
        self.location.password_file.as_deref().map(read_password).transpose()
    }
}

/// Our TLS configuration towards other servers, without HTTP as the protocol to negotiate.
fn client_config(anchors: Arc<Anchors>, client: &ClientTls) -> Result<Arc<ClientConfig>, RootsError> {
    let mut config = (*trust::client_config(anchors, client)?).clone();
    config.alpn_protocols.clear();
    Ok(Arc::new(config))
}

/// Reads a file that must have exactly one line.
fn read_password(path: &Path) -> Result<Zeroizing<String>, StoreFault> {
    let bytes = guarded_file::read_secret(path)?;
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let is_line = (1..=LONGEST_PASSWORD).contains(&line.len()) && !line.iter().any(u8::is_ascii_control);
    let text = std::str::from_utf8(line).ok().filter(|_| is_line);
    text.map(|text| Zeroizing::new(text.to_owned())).ok_or_else(|| StoreFault::NoPassword(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn location(password: &Path) -> StoreLocation {
        StoreLocation {
            address: StoreAddress::Tcp("127.0.0.1".to_owned(), 6379),
            tls: None,
            user: None,
            password_file: Some(password.to_owned()),
            database: 0,
        }
    }

    #[test]
    fn a_password_is_one_line_of_a_file_that_nobody_else_can_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("password");
        let read = |text: &[u8], mode: u32| {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            StoreServer::new(location(&file)).map(|server| server.password().unwrap().unwrap().to_string())
        };
        for text in ["marker", "marker\n", "marker\r\n"] {
            assert_eq!(read(text.as_bytes(), 0o600).unwrap(), "marker");
        }
        for text in [&b""[..], b"\n", b"mark\ner", b"mark\0er", b"mark\xffer", &[b'm'; 5000]] {
            let error = read(text, 0o600).unwrap_err();
            assert!(matches!(error, StoreFault::NoPassword(_)), "{error}");
            assert!(!error.to_string().contains("mark"));
        }
        assert!(read(b"marker", 0o644).unwrap_err().is_permissions());
        assert!(StoreServer::without_looking_at_secrets(location(&file)).is_ok());
    }
}
