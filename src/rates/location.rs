//! Where the store is, how it is known, and why it cannot be used.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::guarded_file::{self, GuardError};
use crate::trust::{self, ClientTls, Roots, RootsError};

/// The longest password, in bytes.
const LONGEST_PASSWORD: usize = 4096;

/// Where connections are made to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreAddress {
    /// A name or address, IPv6 without brackets, and a port.
    Tcp(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

/// The store, as the configuration says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreLocation {
    /// Where it is.
    pub address: StoreAddress,
    /// Who may vouch for it, and the name in its certificate; nobody where the connection is in clear.
    pub tls: Option<(Roots, String)>,
    /// The user that we are there. `None`: the default one.
    pub user: Option<String>,
    /// Its password.
    pub password_file: Option<PathBuf>,
    /// The number of the database.
    pub database: u16,
}

/// A store that can be connected to.
#[derive(Debug, Clone)]
pub struct StoreServer {
    pub(super) location: StoreLocation,
    trust: StoreTrust,
}

/// How it is known.
#[derive(Debug, Clone)]
enum StoreTrust {
    Anybody,
    /// The platform's roots are not read again: their directory may be out of reach by then.
    Platform(Arc<ClientConfig>, ServerName<'static>),
    File(PathBuf, ServerName<'static>),
}

/// Why the store cannot be used.
#[derive(Debug, Error)]
pub enum StoreFault {
    /// Its certificate can be for no such name.
    #[error("`{0}` is not a DNS name or IP address that a certificate can be for")]
    Name(String),
    /// Who may vouch for it.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// The file of the password.
    #[error("the password of the store cannot be read")]
    Password(#[from] GuardError),
    /// What the file holds, which may be a secret, and is not shown.
    #[error("{} holds no password: write it on one line of at most {LONGEST_PASSWORD} bytes", .0.display())]
    NoPassword(PathBuf),
    /// It cannot be reached.
    #[error("the store cannot be reached")]
    Connect(#[source] io::Error),
    /// Its certificate, as a rule.
    #[error("the store's TLS handshake failed")]
    Tls(#[source] io::Error),
    /// It does not do what it is asked.
    #[error("the store refuses: {0}")]
    Refused(String),
    /// The connection broke, or what came is not of its protocol.
    #[error("the store's connection broke: {0}")]
    Broken(String),
    /// It answered something else than what was asked.
    #[error("the store's reply is malformed: {0}")]
    Nonsense(&'static str),
    /// It does not answer.
    #[error("the store has not answered within {} ms", .0.as_millis())]
    Late(Duration),
}

impl StoreFault {
    /// Whether somebody has to change the owner or permissions of a file.
    #[must_use]
    pub const fn is_permissions(&self) -> bool {
        match self {
            Self::Roots(error) => error.is_permissions(),
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
    /// Looks at everything there is to look at without asking the store.
    ///
    /// # Errors
    /// [`StoreFault`], of what is configured.
    pub fn new(location: StoreLocation) -> Result<Self, StoreFault> {
        let server = Self::without_looking_at_password(location)?;
        server.password()?;
        Ok(server)
    }

    /// The same, and the file of the password is not opened.
    ///
    /// # Errors
    /// [`StoreFault`], of what is configured.
    pub fn without_looking_at_password(location: StoreLocation) -> Result<Self, StoreFault> {
        let trust = match &location.tls {
            None => StoreTrust::Anybody,
            Some((roots, host)) => {
                let name = trust::server_name(host).ok_or_else(|| StoreFault::Name(host.clone()))?;
                match roots {
                    Roots::Platform => StoreTrust::Platform(client_config(roots)?, name),
                    Roots::File(path) => {
                        client_config(roots)?;
                        StoreTrust::File(path.clone(), name)
                    }
                }
            }
        };
        Ok(Self { location, trust })
    }

    /// How to protect a connection; `None` where it is in clear. The file of an authority is read anew each time:
    /// whoever issues certificates replaces it while we run.
    #[cfg_attr(not(feature = "valkey"), allow(dead_code))] // there is no store then
    pub(super) fn security(&self) -> Result<Option<(Arc<ClientConfig>, ServerName<'static>)>, StoreFault> {
        Ok(match &self.trust {
            StoreTrust::Anybody => None,
            StoreTrust::Platform(config, name) => Some((Arc::clone(config), name.clone())),
            StoreTrust::File(path, name) => Some((client_config(&Roots::File(path.clone()))?, name.clone())),
        })
    }

    /// The password, read anew each time.
    pub(super) fn password(&self) -> Result<Option<Zeroizing<String>>, StoreFault> {
        self.location.password_file.as_deref().map(read_password).transpose()
    }
}

/// Our TLS towards other servers, without the protocol of HTTP.
fn client_config(roots: &Roots) -> Result<Arc<ClientConfig>, RootsError> {
    let mut config = (*trust::client_config(trust::load(roots)?, &ClientTls::PLAIN)?).clone();
    config.alpn_protocols.clear();
    Ok(Arc::new(config))
}

/// The one line of a file.
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
        assert!(StoreServer::without_looking_at_password(location(&file)).is_ok());
    }
}
