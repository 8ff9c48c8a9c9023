//! The sockets of listeners: bound, or taken over from the service manager, with a share for every worker.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use super::remedy::Remedy;
use crate::config::settings::{self, Exposure, Listener, Name};
use crate::downstream::inherited::{InheritedError, InheritedSockets};
use crate::downstream::unix_socket::{self, SocketPath, UnixSocketError};
use crate::downstream::{ListenAddress, ListenerSocket, listener};

/// A listener's sockets, one for every worker.
pub(crate) struct BoundListener {
    pub(crate) name: Name,
    pub(crate) address: ListenAddress,
    shares: Vec<ListenerSocket>,
    /// Removes a Unix socket at the end.
    path: Option<SocketPath>,
}

/// One worker's socket of one listener.
pub(crate) struct WorkerSocket {
    pub(crate) listener: Name,
    pub(crate) address: ListenAddress,
    pub(crate) socket: ListenerSocket,
}

/// Why a listener has no socket.
#[derive(Debug, Error)]
pub enum BindError {
    /// A TCP address cannot be bound.
    #[error("cannot listen on {address}")]
    Tcp {
        /// The address.
        address: SocketAddr,
        /// The system's reason: in use, not permitted, not an address of this host.
        source: io::Error,
    },
    /// A Unix socket cannot be made.
    #[error(transparent)]
    Unix(#[from] UnixSocketError),
    /// A socket of the service manager cannot be taken over.
    #[error(transparent)]
    Inherited(#[from] InheritedError),
    /// A socket of the service manager can be reached from further away than the configuration allows.
    #[error(
        "the inherited socket listens on {0}, beyond loopback: let clients authenticate over TLS, or set \
         `danger_beyond_loopback = true`"
    )]
    Exposed(SocketAddr),
    /// The socket cannot be shared among workers.
    #[error("cannot share the socket among workers")]
    Share(#[source] io::Error),
}

impl BoundListener {
    /// Binds `listener`, or takes its socket over from the service manager.
    pub(crate) fn bind(
        listener: &Listener,
        workers: usize,
        inherited: &mut Option<InheritedSockets>,
    ) -> Result<Self, BindError> {
        let (shares, address, path) = match &listener.address {
            settings::ListenOn::Tcp(address) => {
                let shares = bind_tcp(*address, workers)?;
                let chosen = shares.first().and_then(|socket| socket.address().ok());
                (shares, chosen.unwrap_or(ListenAddress::Tcp(*address)), None)
            }
            settings::ListenOn::Unix(socket) => {
                let (bound, path) = unix_socket::bind(socket)?;
                let address = ListenAddress::Unix(Some(path.path().to_owned()));
                (share(ListenerSocket::Unix(bound), workers)?, address, Some(path))
            }
            settings::ListenOn::Inherited { name } => {
                let all = match inherited {
                    Some(all) => all,
                    None => inherited.insert(InheritedSockets::from_environment()?),
                };
                let socket = all.take(name)?;
                let address = socket.address().map_err(BindError::Share)?;
                refuse_exposed(&address, listener.exposure)?;
                (share(socket, workers)?, address, None)
            }
        };
        Ok(Self { name: listener.name.clone(), address, shares, path })
    }

    /// The path that is to be removed with the listener.
    pub(crate) fn take_path(&mut self) -> Option<(Name, SocketPath)> {
        self.path.take().map(|path| (self.name.clone(), path))
    }

    /// The socket for one more worker: there are as many as workers.
    pub(crate) fn take_share(&mut self) -> Option<WorkerSocket> {
        let (listener, address) = (self.name.clone(), self.address.clone());
        self.shares.pop().map(|socket| WorkerSocket { listener, address, socket })
    }
}

impl BindError {
    /// What has to be done about it.
    pub(super) fn remedy(&self) -> Remedy {
        let denied = |source: &io::Error| source.kind() == io::ErrorKind::PermissionDenied;
        match self {
            Self::Tcp { source, .. } | Self::Share(source) if denied(source) => Remedy::Permit,
            Self::Unix(error) if error.is_permissions() => Remedy::Permit,
            Self::Unix(error) if error.is_configuration() => Remedy::Configure,
            Self::Exposed(_) => Remedy::Configure,
            Self::Tcp { .. } | Self::Share(_) | Self::Unix(_) | Self::Inherited(_) => Remedy::Retry,
        }
    }
}

/// The names of sockets that the service manager has handed over and nobody serves: their clients would wait forever.
pub(crate) fn unused(listeners: &[Listener], inherited: Option<InheritedSockets>) -> Vec<String> {
    let handed_over = || std::env::var_os("LISTEN_FDS").and_then(|_| InheritedSockets::from_environment().ok());
    let Some(sockets) = inherited.or_else(handed_over) else { return Vec::new() };
    let used = |socket: &str| {
        listeners.iter().any(|listener| match &listener.address {
            settings::ListenOn::Inherited { name } => name == socket,
            settings::ListenOn::Tcp(_) | settings::ListenOn::Unix(_) => false,
        })
    };
    sockets.names().filter(|name| !used(name)).map(str::to_owned).collect()
}

fn bind_tcp(address: SocketAddr, workers: usize) -> Result<Vec<ListenerSocket>, BindError> {
    let sockets = listener::bind(address, workers).map_err(|source| BindError::Tcp { address, source })?;
    Ok(sockets.into_iter().map(ListenerSocket::Tcp).collect())
}

fn share(socket: ListenerSocket, workers: usize) -> Result<Vec<ListenerSocket>, BindError> {
    socket.share(workers).map_err(BindError::Share)
}

/// Which address the service manager has bound is known only now.
fn refuse_exposed(address: &ListenAddress, exposure: Exposure) -> Result<(), BindError> {
    match (address, exposure) {
        (ListenAddress::Tcp(address), Exposure::Loopback) if !address.ip().to_canonical().is_loopback() => {
            Err(BindError::Exposed(*address))
        }
        (ListenAddress::Tcp(_) | ListenAddress::Unix(_), _) => Ok(()),
    }
}
