//! The sockets of listeners: bound, or taken over from the service manager, with a share for every worker.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use thiserror::Error;

use super::remedy::Remedy;
use crate::config::settings::{Exposure, ListenOn, Listener, Name};
use crate::downstream::inherited::{InheritedError, InheritedSockets};
use crate::downstream::unix_socket::{self, SocketPath, UnixSocketError};
use crate::downstream::{ListenAddress, ListenerSocket, TcpSocket, listener};

/// A listener's sockets, one of each address for every worker.
pub(crate) struct BoundListener {
    pub(crate) name: Name,
    /// Where it really listens.
    pub(crate) addresses: Arc<[ListenAddress]>,
    /// The sockets of each worker.
    shares: Vec<Vec<ListenerSocket>>,
    /// Removes Unix sockets at the end.
    paths: Vec<SocketPath>,
}

/// One worker's sockets of one listener.
pub(crate) struct WorkerSockets {
    pub(crate) listener: Name,
    pub(crate) addresses: Arc<[ListenAddress]>,
    pub(crate) sockets: Vec<ListenerSocket>,
}

/// The sockets of one address.
struct BoundAddress {
    /// One for every worker.
    shares: Vec<ListenerSocket>,
    address: ListenAddress,
    path: Option<SocketPath>,
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
    /// Binds every address of `listener`, or takes its socket over from the service manager.
    ///
    /// # Errors
    /// Those of all addresses.
    pub(crate) fn bind(
        listener: &Listener,
        workers: usize,
        inherited: &mut Option<InheritedSockets>,
    ) -> Result<Self, Vec<BindError>> {
        let (mut addresses, mut paths, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let mut shares: Vec<Vec<ListenerSocket>> = (0..workers).map(|_| Vec::new()).collect();
        for address in &listener.addresses {
            match BoundAddress::bind(address, listener.exposure, workers, inherited) {
                Ok(bound) => {
                    addresses.push(bound.address);
                    paths.extend(bound.path);
                    shares.iter_mut().zip(bound.shares).for_each(|(of_worker, socket)| of_worker.push(socket));
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(Self { name: listener.name.clone(), addresses: addresses.into(), shares, paths })
        } else {
            Err(errors)
        }
    }

    /// The paths that are to be removed with the listener.
    pub(crate) fn take_paths(&mut self) -> (Name, Vec<SocketPath>) {
        (self.name.clone(), std::mem::take(&mut self.paths))
    }

    /// The sockets for one more worker: there are as many as workers.
    pub(crate) fn take_share(&mut self) -> Option<WorkerSockets> {
        let (listener, addresses) = (self.name.clone(), Arc::clone(&self.addresses));
        self.shares.pop().map(|sockets| WorkerSockets { listener, addresses, sockets })
    }
}

impl BoundAddress {
    fn bind(
        address: &ListenOn,
        exposure: Exposure,
        workers: usize,
        inherited: &mut Option<InheritedSockets>,
    ) -> Result<Self, BindError> {
        let (shares, address, path) = match address {
            ListenOn::Tcp(socket) => {
                let shares = bind_tcp(*socket, workers)?;
                let chosen = shares.first().and_then(|socket| socket.address().ok());
                (shares, chosen.unwrap_or(ListenAddress::Tcp(socket.address)), None)
            }
            ListenOn::Unix(socket) => {
                let (bound, path) = unix_socket::bind(socket)?;
                let address = ListenAddress::Unix(Some(path.path().to_owned()));
                (share(ListenerSocket::Unix(bound), workers)?, address, Some(path))
            }
            ListenOn::Inherited { name } => {
                let (socket, address) = take_over(name, exposure, inherited)?;
                (share(socket, workers)?, address, None)
            }
        };
        Ok(Self { shares, address, path })
    }
}

/// Takes the socket called `name` over from the service manager.
///
/// # Errors
/// It was not handed over, or can be reached from further away than `exposure` allows.
pub(crate) fn take_over(
    name: &str,
    exposure: Exposure,
    inherited: &mut Option<InheritedSockets>,
) -> Result<(ListenerSocket, ListenAddress), BindError> {
    let all = match inherited {
        Some(all) => all,
        None => inherited.insert(InheritedSockets::from_environment()?),
    };
    let socket = all.take(name)?;
    let address = socket.address().map_err(BindError::Share)?;
    refuse_exposed(&address, exposure)?;
    Ok((socket, address))
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
        listeners.iter().flat_map(|listener| &listener.addresses).any(|address| match address {
            ListenOn::Inherited { name } => name == socket,
            ListenOn::Tcp(_) | ListenOn::Unix(_) => false,
        })
    };
    sockets.names().filter(|name| !used(name)).map(str::to_owned).collect()
}

fn bind_tcp(socket: TcpSocket, workers: usize) -> Result<Vec<ListenerSocket>, BindError> {
    let failed = |source| BindError::Tcp { address: socket.address, source };
    let sockets = listener::bind(socket, workers).map_err(failed)?;
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
