//! Listeners, from the words of the configuration to what `downstream` serves: sockets, TLS, tokens.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::authorize::Method;
use crate::config::settings::{self, Callers, Endpoint, Exposure, Listener, TokenKeys, Transport};
use crate::downstream::inherited::{InheritedError, InheritedSockets};
use crate::downstream::listener::Security;
use crate::downstream::service_account::{TokenSettings, Verifier};
use crate::downstream::tls::{Clients, ReloadableTls, TlsError, TlsSettings, Versions};
use crate::downstream::unix_socket::{self, SocketPath, UnixSocketError};
use crate::downstream::{JwksError, ListenAddress, ListenerSocket, OwnerLookup, listener, loopback};
use crate::fetch::{FetchError, Location, Source};

/// What the workers share of one listener.
pub(crate) struct SharedListener {
    pub(crate) security: Security,
    pub(crate) service_accounts: Option<ServiceAccounts>,
}

/// How a listener knows service accounts.
pub(crate) struct ServiceAccounts {
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) keys: KeysFrom,
}

impl SharedListener {
    /// Whether tokens cannot be judged, since the keys of their issuer have never been here.
    pub(crate) fn awaits_keys(&self) -> bool {
        self.service_accounts.as_ref().is_some_and(|accounts| !accounts.verifier.has_keys())
    }
}

/// Where the keys of a token issuer come from.
pub(crate) enum KeysFrom {
    /// A file, which has been read.
    File(PathBuf),
    /// A server, which has not been asked yet: it may be away for a moment, and is no reason not to start.
    Server {
        /// The URL, for the log.
        url: String,
        /// What it takes to ask it.
        source: Arc<Source>,
    },
}

/// Why a listener cannot do what it is configured to.
#[derive(Debug, Error)]
pub enum ListenerError {
    /// Its certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The keys of its token issuer.
    #[error(transparent)]
    Tokens(#[from] JwksError),
    /// What it takes to fetch them.
    #[error("{url}")]
    Fetch {
        /// The URL.
        url: String,
        /// What is the matter.
        source: FetchError,
    },
    /// The kernel does not say who owns a loopback connection.
    #[error(
        "`loopback-owner` needs the kernel's socket diagnostics (NETLINK_SOCK_DIAG), which cannot be asked; under systemd, add \
         AF_NETLINK to RestrictAddressFamilies="
    )]
    Owner(#[source] io::Error),
}

/// Why a listener has no socket.
#[derive(Debug, Error)]
pub enum BindError {
    /// A TCP address.
    #[error("cannot listen on {address}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// What the system says: in use, not permitted, not ours.
        source: io::Error,
    },
    /// A Unix socket.
    #[error(transparent)]
    Unix(#[from] UnixSocketError),
    /// A socket of the service manager.
    #[error(transparent)]
    Inherited(#[from] InheritedError),
    /// A socket of the service manager that more can reach than the configuration allows.
    #[error(
        "the inherited socket listens on {0}, beyond loopback: let clients authenticate over TLS, or set \
         `danger_beyond_loopback = true`"
    )]
    Exposed(SocketAddr),
    /// The socket cannot be shared among workers.
    #[error("cannot share the socket among workers")]
    Share(#[source] io::Error),
}

impl ListenerError {
    /// Whether somebody has to change an owner or permissions.
    pub(crate) fn is_permissions(&self) -> bool {
        match self {
            Self::Tls(TlsError::Pem(error)) | Self::Tokens(JwksError::File(error)) => error.is_permissions(),
            Self::Fetch { source, .. } => source.is_permissions(),
            Self::Tls(_) | Self::Tokens(_) | Self::Owner(_) => false,
        }
    }
}

impl BindError {
    /// Whether somebody has to change permissions.
    #[must_use]
    pub fn is_denied(&self) -> bool {
        match self {
            Self::Tcp { source, .. } | Self::Share(source) => source.kind() == io::ErrorKind::PermissionDenied,
            Self::Unix(_) | Self::Inherited(_) | Self::Exposed(_) => false,
        }
    }
}

/// A listener with a socket for every worker.
pub(crate) struct BoundListener {
    pub(crate) sockets: Vec<ListenerSocket>,
    pub(crate) address: ListenAddress,
    /// Removes a Unix socket at the end.
    pub(crate) path: Option<SocketPath>,
}

/// Loads certificates and token keys.
pub(crate) fn share(listener: &Listener) -> Result<SharedListener, ListenerError> {
    let security = match &listener.tls {
        Some(tls) => Security::Tls(Arc::new(ReloadableTls::load(tls_settings(tls))?)),
        None if authenticates_by(listener, Method::LoopbackOwner) => {
            loopback::available().map_err(ListenerError::Owner)?;
            Security::Plain(OwnerLookup::Ask)
        }
        None => Security::Plain(OwnerLookup::Skip),
    };
    let service_accounts = listener.service_account.as_ref().map(service_accounts).transpose()?;
    Ok(SharedListener { security, service_accounts })
}

fn service_accounts(tokens: &settings::ServiceAccount) -> Result<ServiceAccounts, ListenerError> {
    let verifier = Arc::new(Verifier::new(token_settings(tokens)));
    let keys = match &tokens.keys {
        TokenKeys::File(path) => {
            verifier.adopt_file(path)?;
            KeysFrom::File(path.clone())
        }
        TokenKeys::Url { endpoint, token_file } => {
            let url = endpoint.url();
            match Source::new(location(endpoint, token_file.clone())) {
                Ok(source) => KeysFrom::Server { url, source: Arc::new(source) },
                Err(source) => return Err(ListenerError::Fetch { url, source }),
            }
        }
    };
    Ok(ServiceAccounts { verifier, keys })
}

fn location(endpoint: &Endpoint, token_file: Option<PathBuf>) -> Location {
    Location {
        host: endpoint.bare_host().to_owned(),
        port: endpoint.port,
        authority: endpoint.authority(),
        path: endpoint.path.clone(),
        roots: match &endpoint.transport {
            Transport::Plaintext => None,
            Transport::Tls { trust } => Some(trust.clone()),
        },
        token_file,
    }
}

/// Whether two listeners would load the same.
pub(crate) fn share_alike(one: &Listener, other: &Listener) -> bool {
    let owners = |listener| authenticates_by(listener, Method::LoopbackOwner);
    one.name == other.name
        && one.tls == other.tls
        && one.service_account == other.service_account
        && owners(one) == owners(other)
}

/// Whether a listener lists `method`.
pub(crate) fn authenticates_by(listener: &Listener, method: Method) -> bool {
    match &listener.callers {
        Callers::AnyLocal => false,
        Callers::Clients(methods) => methods.contains(&method),
    }
}

/// Binds a listener, or takes its socket over from the service manager.
pub(crate) fn bind(
    listener: &Listener,
    workers: usize,
    inherited: &mut Option<InheritedSockets>,
) -> Result<BoundListener, BindError> {
    match &listener.address {
        settings::ListenAddress::Tcp(address) => bind_tcp(*address, workers),
        settings::ListenAddress::Unix(socket) => {
            let (bound, path) = unix_socket::bind(socket)?;
            let address = ListenAddress::Unix(Some(path.path().to_owned()));
            let sockets = ListenerSocket::Unix(bound).share(workers).map_err(BindError::Share)?;
            Ok(BoundListener { sockets, address, path: Some(path) })
        }
        settings::ListenAddress::Inherited { name } => {
            let all = match inherited {
                Some(all) => all,
                None => inherited.insert(InheritedSockets::from_environment()?),
            };
            let socket = all.take(name)?;
            let address = socket.address().map_err(BindError::Share)?;
            refuse_exposed(&address, listener.exposure)?;
            Ok(BoundListener { sockets: socket.share(workers).map_err(BindError::Share)?, address, path: None })
        }
    }
}

/// The names of sockets that the service manager has handed over and nobody serves: their clients would wait for ever.
pub(crate) fn unused(listeners: &[Listener], inherited: Option<InheritedSockets>) -> Vec<String> {
    let handed_over = || std::env::var_os("LISTEN_FDS").and_then(|_| InheritedSockets::from_environment().ok());
    let Some(sockets) = inherited.or_else(handed_over) else { return Vec::new() };
    let used = |socket: &str| {
        listeners.iter().any(|listener| match &listener.address {
            settings::ListenAddress::Inherited { name } => name == socket,
            settings::ListenAddress::Tcp(_) | settings::ListenAddress::Unix(_) => false,
        })
    };
    sockets.names().filter(|name| !used(name)).map(str::to_owned).collect()
}

fn bind_tcp(address: SocketAddr, workers: usize) -> Result<BoundListener, BindError> {
    let failed = |source| BindError::Tcp { address, source };
    let sockets = listener::bind(address, workers).map_err(failed)?;
    let chosen = sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(address);
    let sockets = sockets.into_iter().map(ListenerSocket::Tcp).collect();
    Ok(BoundListener { sockets, address: ListenAddress::Tcp(chosen), path: None })
}

/// Only now is it known what the service manager has bound.
fn refuse_exposed(address: &ListenAddress, exposure: Exposure) -> Result<(), BindError> {
    match (address, exposure) {
        (ListenAddress::Tcp(address), Exposure::Loopback) if !address.ip().to_canonical().is_loopback() => {
            Err(BindError::Exposed(*address))
        }
        (ListenAddress::Tcp(_) | ListenAddress::Unix(_), _) => Ok(()),
    }
}

fn tls_settings(tls: &settings::ListenerTls) -> TlsSettings {
    TlsSettings {
        certificate_file: tls.certificate.clone(),
        key_file: tls.private_key.clone(),
        clients: match &tls.clients {
            None => Clients::Anonymous,
            Some(clients) => {
                Clients::Verified { ca_file: clients.ca.clone(), crl_files: clients.revocation_lists.clone() }
            }
        },
        versions: Versions::From12,
        session_lifetime: tls.session_lifetime,
    }
}

fn token_settings(tokens: &settings::ServiceAccount) -> TokenSettings {
    TokenSettings { issuer: tokens.issuer.clone(), audience: tokens.audience.clone(), algorithm: tokens.algorithm }
}
